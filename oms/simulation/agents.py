"""The traders of a simulated market: noise traders, informed traders, and market makers.

Each trader has its own random numbers, which depend on the seed and on the trader's name. So a trader that
you add does not change the random numbers of the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar

from oms import MatchingEngine, PostOnly, Side, TimeInForce
from oms.engine_events import EngineEvent
from oms.simulation.value import FundamentalValue

__all__ = ["Agent", "InformedTrader", "MarketMaker", "NoiseTrader"]

_MIDDLE = 16  # a market maker estimates the value in units of 1/16 of a tick


class Agent(ABC):
    """A trader in a simulated market. To simulate your own bot, write a subclass.

    `name` is the owner of the trader's orders, and differs from the names of the other traders. `position` is
    the lots bought minus the lots sold, which the simulation updates after each fill. The report adds up the
    profits of all traders of the same `kind`. The trader's random numbers depend on `seed`.
    """

    kind: ClassVar[str] = "agent"

    def __init__(self, name: str, symbol: str, seed: int) -> None:
        self.name = name
        self.symbol = symbol
        self.position = 0
        # random() is the only Random method that returns the same numbers in every Python version.
        self.random = Random(f"{seed} {name}").random  # noqa: S311 - a repeatable simulation, not a secret
        self._orders = 0

    @abstractmethod
    def act(self, engine: MatchingEngine, step: int, now: int) -> None:
        """Submit, replace, or cancel orders. `now` is the simulated time of the step (ns since 1970)."""

    def on_event(self, event: EngineEvent) -> None:  # noqa: B027 - most traders ignore events
        """Receive an event from the engine. The engine publishes it after the change."""

    def next_id(self) -> str:
        """Return a new order id, such as "noise-1/7"."""
        self._orders += 1
        return f"{self.name}/{self._orders}"

    def below(self, end: int) -> int:
        """Return a random integer in 0..end-1."""
        return int(self.random() * end)


class NoiseTrader(Agent):
    """A trader who buys and sells at random, and knows nothing about the fundamental value.

    In one of `every` steps on average, the trader submits an order of 1 to `largest` lots. Half of the orders
    are market orders. The others are limit orders, less than `distance` ticks behind the best price of their
    own side. They expire after `patience` nanoseconds. The larger the trader's position is, the more likely
    the next order reduces it.
    """

    kind = "noise"
    every = 40
    largest = 10
    distance = 8
    patience = 60_000_000_000

    def act(self, engine: MatchingEngine, step: int, now: int) -> None:
        """Submit a random order in some of the steps."""
        if self.below(self.every):
            return
        buys = self.random() < 0.5 - self.position / (20 * self.largest)
        side, amount = Side.BUY if buys else Side.SELL, 1 + self.below(self.largest)
        best = engine.best_price(self.symbol, side.opposite)  # the best price of the trader's own side
        if self.random() < 0.5:
            engine.submit(self.next_id(), self.symbol, side, amount, owner=self.name)
        elif best is not None:
            engine.submit(
                self.next_id(),
                self.symbol,
                side,
                amount,
                max(1, best - side.sign * self.below(self.distance)),
                time_in_force=TimeInForce.GTD,
                expires=now + self.patience,
                owner=self.name,
            )


class InformedTrader(Agent):
    """A trader who knows the fundamental value some steps ahead, and trades if a price is too far from it.

    In one of `every` steps on average, the trader buys up to `largest` lots at prices at least `margin` ticks
    below the future value, or sells up to `largest` lots at prices at least `margin` ticks above it.
    """

    kind = "informed"
    every = 10
    largest = 20
    margin = 2
    lead = 30

    def __init__(self, name: str, symbol: str, seed: int, value: FundamentalValue) -> None:
        super().__init__(name, symbol, seed)
        self.value = value

    def act(self, engine: MatchingEngine, step: int, now: int) -> None:
        """Trade toward the future value in some of the steps."""
        if self.below(self.every):
            return
        future = self.value.at(step + self.lead)
        for side in Side:
            limit = future - side.sign * self.margin
            price = engine.best_price(self.symbol, side)
            if price is not None and side.sign * (limit - price) >= 0:
                terms = (self.next_id(), self.symbol, side, 1 + self.below(self.largest), limit)
                engine.submit(*terms, time_in_force=TimeInForce.IOC, owner=self.name)


class MarketMaker(Agent):
    """A trader who always quotes both sides, and earns the spread.

    A market maker does not know the fundamental value, and learns it from the trades. After each trade, it
    moves its estimate in the direction of the taker, because the taker may know more (Glosten and Milgrom,
    "Bid, Ask and Transaction Prices in a Specialist Market", 1985). It quotes `half_spread` ticks around the
    estimate. If it has bought more than it has sold, it quotes lower, so that others buy from it (Avellaneda
    and Stoikov, "High-frequency Trading in a Limit Order Book", 2008).

    `impact` is how far the estimate moves for each traded lot, in 16ths of a tick. `lots_per_tick` is the
    position for which the quotes move by a tick. `limit` is the largest position, long or short.
    """

    kind = "maker"
    half_spread = 4
    amount = 40
    impact = 3
    lots_per_tick = 50
    limit = 400

    def __init__(self, name: str, symbol: str, seed: int, start: int) -> None:
        super().__init__(name, symbol, seed)
        self._estimate = start * _MIDDLE
        self._quotes: dict[Side, str] = {}

    def on_event(self, event: EngineEvent) -> None:
        """Move the estimate in the direction of the taker of each fill."""
        for fill in event.fills():
            bought = fill.side.sign * fill.amount
            self._estimate = max(_MIDDLE, self._estimate + bought * self.impact)

    def act(self, engine: MatchingEngine, step: int, now: int) -> None:
        """Move both quotes to the current estimate."""
        middle = self._estimate // _MIDDLE - self.position // self.lots_per_tick
        for side in Side:
            amount = min(self.amount, self.limit - side.sign * self.position)
            self._quote(engine, side, amount, max(1, middle - side.sign * self.half_spread))

    def _quote(self, engine: MatchingEngine, side: Side, amount: int, price: int) -> None:
        """Submit, replace, or cancel the quote of one side, so that it has this amount and price."""
        quote = self._quotes.get(side)
        if quote is not None and quote in engine:
            order = engine.order(quote)
            if amount <= 0:
                engine.cancel(quote)
            elif (order.remaining, order.price) != (amount, price):
                engine.replace(quote, amount=amount, price=price)
        elif amount > 0:
            quote = self._quotes[side] = self.next_id()
            terms = (quote, self.symbol, side, amount, price)
            engine.submit(*terms, post_only=PostOnly.SLIDE, owner=self.name)
