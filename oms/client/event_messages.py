"""Parsing of the service's messages into events and trades."""

from __future__ import annotations

from collections.abc import Callable

from oms.client.responses import Fields, MalformedError, parse_order, parse_trade
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.models import Order

__all__ = ["parse_event", "parse_trade_event"]


def parse_event(fields: Fields) -> Event:
    """Parse a stream message into an event. The event's note is None, because no message contains a note."""
    kind = fields.string("type")
    if kind not in _SUBJECTS:
        raise MalformedError(f"type is {kind!r}, not an event type")
    make, subject = _SUBJECTS[kind]
    return make.about(subject(fields), fields.integer("sequence"), None, fields.integer_or_null("time"))


def parse_trade_event(fields: Fields) -> TradePlaced:
    """Parse a trade with its sequence number and timestamp into an event, whose `remaining` is None."""
    sequence, time = fields.integer("sequence"), fields.integer_or_null("time")
    return TradePlaced(parse_trade(fields), None, sequence, time=time)


def _order(fields: Fields) -> Order:
    return fields.nested("order", parse_order)


def _orders(fields: Fields) -> tuple[Order, ...]:
    orders = tuple(fields.objects("orders", parse_order))
    if not orders:
        raise MalformedError("orders is empty")
    return orders


_SUBJECTS: dict[str, tuple[type[Event], Callable[[Fields], object]]] = {
    "OrderAdded": (OrderAdded, _order),
    "OrdersAdded": (OrdersAdded, _orders),
    "OrderRemoved": (OrderRemoved, _order),
    "OrdersRemoved": (OrdersRemoved, _orders),
    "OrderAmended": (
        OrderAmended,
        lambda fields: (fields.nested("before", parse_order), fields.nested("after", parse_order)),
    ),
    "TradePlaced": (TradePlaced, lambda fields: (fields.nested("trade", parse_trade), None)),
}
"""For each event type, its class, and a function that parses the subject of the event."""
