"""The place of an order in the queue at its price, counted without holding the lock for a long time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, takewhile

from oms.api.long_reads import SLICE
from oms.api.slices import RestingOrders
from oms.matching import MatchingEngine
from oms.models import Side
from oms.submission import OrderId, QueueAhead

__all__ = ["begin_count"]


def begin_count(engine: MatchingEngine, order_id: OrderId) -> Callable[[], QueueAhead]:
    """Return a function that returns the same as `engine.queue_ahead(order_id)` at this moment.

    Hold the lock when you call this function, but not when you call the function that it returns. Always call
    the returned function. If many orders are at the same price, the returned function reads them in slices,
    and raises MissedEventError if it misses an event. Raises the same errors as `engine.queue_ahead`.
    """
    books = engine._books
    row = books.orders.get(books.register.arrivals.get(order_id, -1))
    if row is not None:
        arrival, symbol, side, _, price = row
        rank = side.sign * price
        if len(books.by_name[symbol, side].levels[rank].ids) > SLICE:
            start = symbol, side is Side.SELL, rank, -1
            orders = RestingOrders(engine, None, symbol, side, after=start)
            return partial(_count, orders, arrival, engine.subscribe(orders))
    ahead = engine.queue_ahead(order_id)
    return lambda: ahead


def _count(orders: RestingOrders, arrival: int, unsubscribe: Callable[[], None]) -> QueueAhead:
    """Count the orders before an order of the same price, and their lots. O(k) for k orders."""
    try:
        rows = chain.from_iterable(iter(partial(orders.next, SLICE), []))
        amounts = [row[3] for row in takewhile(lambda row: row[0] != arrival, rows)]
        return QueueAhead(len(amounts), sum(amounts))
    finally:
        unsubscribe()
