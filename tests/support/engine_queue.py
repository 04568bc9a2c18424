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
    """Return the orders of a submitter's side, in the order in which the book fills them."""
    entries, book = engine._books.register.entries, engine._books.by_name.get((symbol, side.opposite))
    rows = [] if book is None else book.rows()
    return [Queued(entries[arrival].order.order_id, amount, price) for arrival, _, _, amount, price in rows]
