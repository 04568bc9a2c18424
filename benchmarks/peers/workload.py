"""The workload of the peers.

The book    10,000 orders of 1 to 100 random lots. Bids and asks alternate, at 500 prices per side (bids
            9000-9499, asks 9500-9999, not crossed): about 10 orders per price.
quote k     The price of the amount of exactly the k best orders, for a buyer and a seller in turn.
changed k   The same quote right after an order of 50 lots was added at the best price, and right after that
            order was removed. Only the quote is timed.
add         1,000 more orders of the same kind, one by one.
replace     New random amounts and prices for these 1,000 orders, in random sequence.
remove      The same 1,000 orders in random sequence, so that the book has 10,000 orders again.
trade       505 lots, about 10 orders, for a buyer and a seller in turn. After every 20 trades the best levels
            are refilled, untimed.
session     A recorded session of LOBSTER messages, with three quotes of 90, 900, and 5,000 shares after each
            message, as a trading bot would request them.
"""

from __future__ import annotations

import random
from typing import NamedTuple

SIZE = 10_000
BATCH = 1_000
DEPTHS = (1, 10, 100, 1_000)
TRADE = 505
BIDS, ASKS = (9_000, 9_499), (9_500, 9_999)
TOP_BIDS, TOP_ASKS = (9_490, 9_499), (9_500, 9_509)


class Resting(NamedTuple):
    """An order in the form that every driver accepts."""

    order_id: int
    bid: bool
    amount: int
    price: int


class Source:
    """An endless source of orders with ascending ids. The same seed gives every driver the same orders."""

    def __init__(self, seed: int, first_id: int = 1) -> None:
        self._random = random.Random(seed)
        self._next_id = first_id

    def draw(self, count: int, bids: tuple[int, int] = BIDS, asks: tuple[int, int] = ASKS) -> list[Resting]:
        """Return the next orders, bids and asks in turn."""
        first, self._next_id = self._next_id, self._next_id + count
        return [self._order(order_id, bids, asks) for order_id in range(first, first + count)]

    def shuffled_ids(self, orders: list[Resting]) -> list[int]:
        """Return the ids of some orders in random sequence."""
        return self._random.sample([order.order_id for order in orders], len(orders))

    def replacements(self, orders: list[Resting]) -> list[Resting]:
        """Return new amounts and prices for some orders, in random sequence."""
        ids = self.shuffled_ids(orders)
        return [self._order(order_id, BIDS, ASKS) for order_id in ids]

    def _order(self, order_id: int, bids: tuple[int, int], asks: tuple[int, int]) -> Resting:
        bid = order_id % 2 == 0
        low, high = bids if bid else asks
        return Resting(order_id, bid, self._random.randint(1, 100), self._random.randint(low, high))


def consumed(orders: list[Resting], buy: bool) -> list[Resting]:
    """Return the orders that a buyer or a seller consumes, best first."""
    return sorted(
        (order for order in orders if order.bid is not buy),
        key=lambda order: (order.price if buy else -order.price, order.order_id),
    )


def amount_of_best(orders: list[Resting], buy: bool, k: int) -> int:
    """Return the amount of the k best orders."""
    return sum(order.amount for order in consumed(orders, buy)[:k])
