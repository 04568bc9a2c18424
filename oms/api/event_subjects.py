"""The subject of the response to a change, which is derived from the change's event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oms.api.batches import note_fields
from oms.api.engine.results import Canceled, Executed, Reduced, canceled_orders, reduced_order
from oms.api.subjects import Added, Single
from oms.engine_events import OrderReduced, OrderReplaced, OrdersCanceled, OrderSubmitted
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced

__all__ = ["RESPONSE_SUBJECTS"]


def _executed(event: OrderSubmitted | OrderReplaced) -> Executed:
    return Executed(event.executions[0], dict(event.owners))


def _reduced(event: OrderReduced) -> Reduced | None:
    amounts = note_fields(event.note).get("open")
    return None if amounts is None else Reduced(reduced_order(event, amounts))


def _canceled(event: OrdersCanceled) -> Canceled:
    return Canceled(tuple(canceled_orders(event)))


RESPONSE_SUBJECTS: dict[type[Event], Callable[[Any], Single | None]] = {
    OrderAdded: lambda event: event.order,
    OrdersAdded: lambda event: Added(len(event.orders)),
    OrderRemoved: lambda event: event.order,
    OrdersRemoved: lambda _: None,
    OrderAmended: lambda event: event.after,
    TradePlaced: lambda event: event.trade,
    OrderSubmitted: _executed,
    OrderReplaced: _executed,
    OrderReduced: _reduced,
    OrdersCanceled: _canceled,
}
"""For each event type, a function that returns the subject of the response.

It returns None for event types that API requests never create.
"""
