"""A market-making bot on a simulated tape.

It quotes both sides, hears of its fills, and leans against what it holds. The tape is seeded, so every
run is the same. Run it: `python docs/examples/market_maker.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

from oms import Event, Order, OrderManagement, Side, TradePlaced

SYMBOL = "XYZ"
WALL = 10_000  # lots that rest far from the market, so that nobody who takes finds an empty book


class Tick(NamedTuple):
    """One step of the tape: what the share is worth (ticks), and who then takes how many lots."""

    worth: int
    taker: Side
    amount: int


def tape(steps: int, seed: int) -> Iterator[Tick]:
    """A market in which the worth wanders, and takers come on either side."""
    random, worth = Random(seed).random, 10_000
    for _ in range(steps):
        worth += int(random() * 5) - 2
        yield Tick(worth, Side.BUY if random() < 0.5 else Side.SELL, 1 + int(random() * 30))


@dataclass
class MarketMaker:
    """Rests one order a side around what the share is worth, lower the more it holds."""

    om: OrderManagement
    ids: Iterator[int]
    half_spread: int = 5
    amount: int = 20
    most: int = 60
    """Lots that it may hold, or owe."""
    held: int = 0
    cash: int = 0
    quotes: dict[int, Side] = field(default_factory=dict)
    """Its last quotes, by id; they may be filled by now."""

    def __post_init__(self) -> None:
        """Listen: its fills are in the trades of others."""
        self.om.subscribe(self.hear)

    def hear(self, event: Event) -> None:
        """Book what a trade took from its orders."""
        if isinstance(event, TradePlaced):
            for order_id, amount, price in event.trade.fills:
                if order_id in self.quotes:  # a BUY trade takes its ask
                    sold = amount if event.trade.side is Side.BUY else -amount
                    self.held -= sold
                    self.cash += sold * price

    def requote(self, worth: int) -> None:
        """Replace both quotes, or neither."""
        middle = worth - self.held // 10
        with self.om.transaction(note="market maker"):
            self.take_out()
            ask = self.rest(Side.BUY, min(self.amount, self.most + self.held), middle + self.half_spread)
            bid = self.rest(Side.SELL, min(self.amount, self.most - self.held), middle - self.half_spread)
        self.quotes = ask | bid

    def rest(self, side: Side, amount: int, price: int) -> dict[int, Side]:
        """Rest a quote, unless there is no room for one; return it."""
        if amount <= 0:
            return {}
        order_id = next(self.ids)
        self.om.add_order(order_id, SYMBOL, side, amount, price)
        return {order_id: side}

    def take_out(self) -> None:
        """Take out of the book what is left of its quotes."""
        for order_id in self.quotes:
            if order_id in self.om:
                self.om.remove_order(order_id)


def run(steps: int = 1_000, seed: int = 7) -> tuple[MarketMaker, int]:
    """Play the tape to the bot; return it, and what it has earned: cash, and what it holds at its worth."""
    om, ids, worth = OrderManagement(), count(1), 0
    om.add_orders(
        [Order(next(ids), SYMBOL, Side.BUY, WALL, 20_000), Order(next(ids), SYMBOL, Side.SELL, WALL, 1)]
    )
    bot = MarketMaker(om, ids)
    for worth, taker, amount in tape(steps, seed):
        bot.requote(worth)
        # Whoever takes knows the worth, and pays at most 15 ticks more: the wall is never reached.
        within = worth + (15 if taker is Side.BUY else -15)
        if om.available_amount(SYMBOL, taker, limit_price=within):
            om.place_trade(SYMBOL, taker, amount, limit_price=within, allow_partial=True)
    bot.take_out()
    return bot, bot.cash + bot.held * worth


if __name__ == "__main__":
    maker, earned = run()
    print(f"it holds {maker.held} lots and has earned {earned:,} ticks x lots")
