"""A market-making bot in a simulated market.

The bot quotes a bid and an ask, follows its own fills, and moves its prices to reduce its position. The
market is generated from a seed, so every run is the same.
Run it with `python docs/examples/market_maker.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

from oms import Event, Order, OrderManagement, Side, TradePlaced

SYMBOL = "XYZ"
WALL = 10_000  # lots that rest far from the market, so that the book is never empty


class Step(NamedTuple):
    """One step of the market: the fair price (ticks), and the side and the amount (lots) of a taker."""

    fair_price: int
    taker: Side
    amount: int


def tape(steps: int, seed: int) -> Iterator[Step]:
    """Yield the steps of a market whose fair price is a random walk, with takers on both sides."""
    random, fair_price = Random(seed).random, 10_000
    for _ in range(steps):
        fair_price += int(random() * 5) - 2
        yield Step(fair_price, Side.BUY if random() < 0.5 else Side.SELL, 1 + int(random() * 30))


@dataclass
class MarketMaker:
    """A bot that quotes around the fair price, and quotes lower when its position is larger."""

    om: OrderManagement
    ids: Iterator[int]
    half_spread: int = 5
    amount: int = 20
    limit: int = 60  # the largest position, long or short
    position: int = 0  # lots bought minus lots sold
    cash: int = 0
    quotes: dict[int, Side] = field(default_factory=dict)
    """The sides of the latest quotes, by order id. Some of the quotes may already be filled."""

    def __post_init__(self) -> None:
        """Subscribe to the events of the books, because trades contain the fills of the bot."""
        self.om.subscribe(self.on_event)

    def on_event(self, event: Event) -> None:
        """Update position and cash with the fills of the bot's orders."""
        if isinstance(event, TradePlaced):
            for order_id, amount, price in event.trade.fills:
                if order_id in self.quotes:  # a BUY trade fills the bot's ask
                    sold = amount if event.trade.side is Side.BUY else -amount
                    self.position -= sold
                    self.cash += sold * price

    def requote(self, fair_price: int) -> None:
        """Replace both quotes in one transaction."""
        middle = fair_price - self.position // 10
        with self.om.transaction(note="market maker"):
            self.cancel()
            ask = self.rest(Side.BUY, min(self.amount, self.limit + self.position), middle + self.half_spread)
            bid = self.rest(
                Side.SELL, min(self.amount, self.limit - self.position), middle - self.half_spread
            )
        self.quotes = ask | bid

    def rest(self, side: Side, amount: int, price: int) -> dict[int, Side]:
        """Add a quote and return its id and side, or add nothing if the amount is 0 or less."""
        if amount <= 0:
            return {}
        order_id = next(self.ids)
        self.om.add_order(order_id, SYMBOL, side, amount, price)
        return {order_id: side}

    def cancel(self) -> None:
        """Cancel the quotes that are not filled yet."""
        for order_id in self.quotes:
            if order_id in self.om:
                self.om.remove_order(order_id)


def run(steps: int = 1_000, seed: int = 7) -> tuple[MarketMaker, int]:
    """Run the bot, and return it and its profit, with the position valued at the fair price."""
    om, ids, fair_price = OrderManagement(), count(1), 0
    om.add_orders(
        [Order(next(ids), SYMBOL, Side.BUY, WALL, 20_000), Order(next(ids), SYMBOL, Side.SELL, WALL, 1)]
    )
    bot = MarketMaker(om, ids)
    for fair_price, taker, amount in tape(steps, seed):
        bot.requote(fair_price)
        # A taker knows the fair price and pays at most 15 ticks more, so no trade reaches the wall.
        limit_price = fair_price + (15 if taker is Side.BUY else -15)
        if om.available_amount(SYMBOL, taker, limit_price=limit_price):
            om.place_trade(SYMBOL, taker, amount, limit_price=limit_price, allow_partial=True)
    bot.cancel()
    return bot, bot.cash + bot.position * fair_price


if __name__ == "__main__":
    maker, profit = run()
    print(f"position: {maker.position} lots; profit: {profit:,} ticks x lots")
