"""A helper that lists the orders of a MatchingEngine's book under the ids of their submitters."""

from __future__ import annotations

from typing import NamedTuple

from oms import Side
from oms.matching import MatchingEngine
from oms.submission import OrderId

__all__ = ["Queued", "queue"]


class Queued(NamedTuple):
    """An order in the book, with its visible amount."""

    order_id: OrderId
    amount: int
    price: int


def queue(engine: MatchingEngine, symbol: str, side: Side) -> list[Queued]:
    """Return the orders of a submitter's side, in the order in which they are filled."""
    resting = [
        Queued(each.order.order_id, each.displayed, each.price)
        for each in engine.orders(symbol, side)
        if each.price is not None and not each.waiting
    ]
    return sorted(resting, key=lambda each: -side.sign * each.price)  # in order of arrival at each price
