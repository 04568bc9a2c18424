"""The workload, in words.

The book    10,000 orders of 1 to 100 lots at random, bids and asks in turn, at 500 prices a side (bids
            9000-9499, asks 9500-9999, not crossed): about 10 orders a price.
quote k     what the amount of exactly the k best orders costs, to a buyer and a seller in turn.
changed k   the same single question right after an order of 50 lots was added at the best price, and right
            after it was removed again, in turn. Only the question is timed.
add         1,000 more such orders, one by one; remove: the same 1,000 in random order. The book stays at
            10,000.
trade       505 lots, about 10 orders, a buyer and a seller in turn; after every 20 trades the top that they
            ate is put back, untimed.
session     a recorded session of LOBSTER messages, and after each message three quotes of 90, 900 and 5,000
            shares: the work of a bot.
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
    """An order as every driver takes it."""

    order_id: int
    bid: bool
    amount: int
    price: int


class Source:
    """Orders without end, the same for every driver: drawn by a seed, numbered upwards."""

    def __init__(self, seed: int, first_id: int = 1) -> None:
        self._random = random.Random(seed)
        self._next_id = first_id

    def draw(self, count: int, bids: tuple[int, int] = BIDS, asks: tuple[int, int] = ASKS) -> list[Resting]:
        """The next orders, bids and asks in turn."""
        first, self._next_id = self._next_id, self._next_id + count
        return [self._order(order_id, bids, asks) for order_id in range(first, first + count)]

    def shuffled_ids(self, orders: list[Resting]) -> list[int]:
        """Their ids, in an order that says nothing about prices."""
        return self._random.sample([order.order_id for order in orders], len(orders))

    def _order(self, order_id: int, bids: tuple[int, int], asks: tuple[int, int]) -> Resting:
        bid = order_id % 2 == 0
        low, high = bids if bid else asks
        return Resting(order_id, bid, self._random.randint(1, 100), self._random.randint(low, high))


def consumed(orders: list[Resting], buy: bool) -> list[Resting]:
    """The orders that a buyer or a seller consumes, best first."""
    return sorted(
        (order for order in orders if order.bid is not buy),
        key=lambda order: (order.price if buy else -order.price, order.order_id),
    )


def amount_of_best(orders: list[Resting], buy: bool, k: int) -> int:
    """The amount of the k best."""
    return sum(order.amount for order in consumed(orders, buy)[:k])
