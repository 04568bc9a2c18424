"""An execution algorithm that trades a parent order in slices, along the cost curve.

A large order that trades at once also fills expensive levels. This algorithm fills only the levels within a
premium of the best price, and then waits for other traders to refill them. The premium grows from slice to
slice. The market is generated from a seed, so every run is the same.
Run it with `python docs/examples/slice_parent_order.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import NamedTuple

from oms import InsufficientLiquidityError, Order, OrderManagement, Side, Trade

SYMBOL = "XYZ"


class Execution(NamedTuple):
    """The trades of a parent order, their amount (lots), and their total price (ticks times lots)."""

    trades: tuple[Trade, ...]
    amount: int
    total_price: int


def slice_of(curve: dict[str, list[int]], remaining: int, premium: int) -> int:
    """Return how many of the remaining lots are within `premium` ticks of the best price."""
    amount = 0
    for price, reached in zip(curve["price"], curve["cumulative_amount"], strict=True):
        if abs(price - curve["price"][0]) > premium or amount >= remaining:
            break
        amount = reached
    return min(amount, remaining)


def execute(
    om: OrderManagement, symbol: str, side: Side, amount: int, market: Iterator[object], slices: int
) -> Execution:
    """Trade `amount` lots in at most `slices` slices, and let the market move after each slice.

    Raises InsufficientLiquidityError if the book has too little liquidity for the last slice. The
    earlier slices are not rolled back.
    """
    trades: list[Trade] = []
    remaining = amount
    for premium in range(slices):
        is_last = premium == slices - 1
        child = remaining if is_last else slice_of(om.price_curve(symbol, side), remaining, premium)
        if child:
            trades.append(om.place_trade(symbol, side, child))
            remaining -= child
        if not remaining:
            break
        next(market, None)
    return Execution(tuple(trades), amount - remaining, sum(trade.total_price for trade in trades))


def refilling(om: OrderManagement, first_id: int, seed: int) -> Iterator[None]:
    """Yield after each step of the market, in which a few orders arrive, most of them near the best price."""
    random, ids = Random(seed).random, count(first_id)
    while True:
        for _ in range(5):
            away = int(random() * random() * 20)
            om.add_order(next(ids), SYMBOL, Side.BUY, 10 + int(random() * 90), 10_000 + away)
        yield


def book() -> OrderManagement:
    """Return a book of fifty price levels with 100 lots each."""
    om = OrderManagement()
    om.add_orders(Order(n, SYMBOL, Side.BUY, 100, 10_000 + n) for n in range(50))
    return om


def run(amount: int = 2_000, slices: int = 12, seed: int = 3) -> tuple[int, Execution]:
    """Return the price of the parent order as one trade, and its execution in slices."""
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
        print(f"an order larger than the market is an error: {error}")
