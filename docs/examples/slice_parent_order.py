"""An execution algorithm that slices a parent order by the cost curve.

A large order that trades at once walks deep into the book. Sliced, it takes only the levels that
cost little more than the best one, and waits for others to refill them; the less time is left, the
more it pays. The market is seeded, so every run is the same.
Run it: `python docs/examples/slice_parent_order.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import NamedTuple

from oms import InsufficientLiquidityError, Order, OrderManagement, Side, Trade

SYMBOL = "XYZ"


class Execution(NamedTuple):
    """What became of a parent order: lots, and ticks times lots."""

    trades: tuple[Trade, ...]
    amount: int
    total_price: int


def slice_of(curve: dict[str, list[int]], left: int, premium: int) -> int:
    """How many of the lots that are left to take now: those within `premium` ticks of the best."""
    amount = 0
    for price, reached in zip(curve["price"], curve["cumulative_amount"], strict=True):
        if abs(price - curve["price"][0]) > premium or amount >= left:
            break
        amount = reached
    return min(amount, left)


def execute(
    om: OrderManagement, symbol: str, side: Side, amount: int, market: Iterator[object], slices: int
) -> Execution:
    """Trade `amount` lots in so many slices, one between two moves of the market.

    Raises InsufficientLiquidityError, with what it lacks, if the book cannot serve the last slice;
    what was traded before it stays traded.
    """
    trades: list[Trade] = []
    left = amount
    for premium in range(slices):
        is_last = premium == slices - 1
        child = left if is_last else slice_of(om.price_curve(symbol, side), left, premium)
        if child:
            trades.append(om.place_trade(symbol, side, child))
            left -= child
        if not left:
            break
        next(market, None)
    return Execution(tuple(trades), amount - left, sum(trade.total_price for trade in trades))


def refilling(om: OrderManagement, first_id: int, seed: int) -> Iterator[None]:
    """A market in which a few orders arrive with each move, most of them near the best price."""
    random, ids = Random(seed).random, count(first_id)
    while True:
        for _ in range(5):
            away = int(random() * random() * 20)
            om.add_order(next(ids), SYMBOL, Side.BUY, 10 + int(random() * 90), 10_000 + away)
        yield


def book() -> OrderManagement:
    """Fifty price levels, each with 100 lots."""
    om = OrderManagement()
    om.add_orders(Order(n, SYMBOL, Side.BUY, 100, 10_000 + n) for n in range(50))
    return om


def run(amount: int = 2_000, slices: int = 12, seed: int = 3) -> tuple[int, Execution]:
    """What the parent order would cost at once, and what became of it in slices."""
    om = book()
    at_once = om.calculate_price(SYMBOL, Side.BUY, amount)
    return at_once, execute(om, SYMBOL, Side.BUY, amount, refilling(om, 1_000, seed), slices)


if __name__ == "__main__":
    at_once, sliced = run()
    for trade in sliced.trades:
        print(f"{trade.amount:5} lots at {trade.average_price:,.2f} on average")
    print(
        f"{sliced.amount:,} lots in {len(sliced.trades)} slices: {sliced.total_price:,}; at once: {at_once:,}"
    )
    try:
        run(amount=1_000_000)
    except InsufficientLiquidityError as error:
        print(f"more than the market has is an error: {error}")
