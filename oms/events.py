"""What happened: one event for each verb that changed something."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from oms.models import Order, Trade

__all__ = [
    "Event",
    "OrderAdded",
    "OrderAmended",
    "OrderRemoved",
    "OrdersAdded",
    "OrdersRemoved",
    "TradePlaced",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change: `sequence` counts from 1 without gaps, `note` is the text given to its transaction.

    An event says all that it takes to repeat the change, and all that it takes to undo it.
    Unlike the values it carries it is no named tuple: an order added is not an order removed.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> unsubscribe = om.subscribe(print)
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)  # doctest: +NORMALIZE_WHITESPACE
    OrderAdded(sequence=1, note=None,
        order=Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20))

    """

    sequence: int
    note: str | None = None

    def subject(self) -> tuple[Any, ...]:
        """What it is about: the positional arguments it was made of."""
        return tuple(getattr(self, field.name) for field in fields(self) if not field.kw_only)


@dataclass(frozen=True, slots=True)
class OrderAdded(Event):
    """`order` rests."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrdersAdded(Event):
    """All `orders` rest, in the order in which they were given."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class OrderRemoved(Event):
    """`order` rests no more; its amount is what was left of it."""

    order: Order


@dataclass(frozen=True, slots=True)
class OrdersRemoved(Event):
    """All `orders` rest no more."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class OrderAmended(Event):
    """The order `before` is now the order `after`, under the same id."""

    before: Order
    after: Order


@dataclass(frozen=True, slots=True)
class TradePlaced(Event):
    """The fills of `trade` were taken from its book."""

    trade: Trade
