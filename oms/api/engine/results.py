"""The results of an engine's methods, which the service stores for retries or rebuilds from events.

An event does not contain the open orders that a method returns. It contains the elementary changes, from
which `canceled_orders` rebuilds them. The event of a reduction lacks the visible amount if only hidden lots
were removed, so the request's note contains the amounts of the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from oms.engine_books import EntryChanged
from oms.engine_events import OrderReduced, OrdersCanceled
from oms.events import OrderRemoved
from oms.submission import Execution, OpenOrder, OrderId

__all__ = ["Canceled", "Executed", "Reduced", "amounts_of", "canceled_orders", "reduced_order"]


class Executed(NamedTuple):
    """The execution of an order, and the owners of the orders that traded in the same event."""

    execution: Execution
    owners: Mapping[OrderId, str]


class Reduced(NamedTuple):
    """A reduced order, as it is after the reduction."""

    order: OpenOrder


class Canceled(NamedTuple):
    """Canceled orders, as they were before the cancellation."""

    orders: tuple[OpenOrder, ...]


def amounts_of(order: OpenOrder) -> list[int | None]:
    """Return the fields of an OpenOrder except its terms, for a note."""
    return list(order[1:])


def reduced_order(event: OrderReduced, amounts: Sequence[int]) -> OpenOrder:
    """Return the order after a reduction. `amounts` comes from `amounts_of`."""
    return OpenOrder(event.orders[0], *amounts)


def canceled_orders(event: OrdersCanceled) -> Iterator[OpenOrder]:
    """Yield the canceled orders, as they were before, in the order of their cancellation."""
    rows = {subject[0]: subject for kind, subject in event.changes if kind is OrderRemoved}
    for kind, subject in event.changes:
        if kind is EntryChanged:
            arrival, order, total, hidden, waiting = subject[0]
            if waiting:
                yield OpenOrder(order, 0, total, 0, order.price)
            else:
                displayed, price = rows[arrival][3:]
                remaining = displayed + hidden
                yield OpenOrder(order, total - remaining, remaining, displayed, price)
