"""What happened: one event for each verb that changed something; and what keeps events: a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self, cast

from oms.models import Order, Trade

__all__ = [
    "Event",
    "Journal",
    "OrderAdded",
    "OrderAmended",
    "OrderRemoved",
    "OrdersAdded",
    "OrdersRemoved",
    "Snapshot",
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

    @classmethod
    def about(cls, subject: Any, sequence: int, note: str | None) -> Self:
        """Make one of its subject: the order, the orders, the trade, or for an amendment a pair of orders."""
        make = cast("Callable[..., Self]", cls)  # each kind takes its own subject
        return make(subject, sequence=sequence, note=note)

    def subject(self) -> Any:
        """What it is about."""
        return getattr(self, fields(self)[-1].name)


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

    @classmethod
    def about(cls, subject: tuple[Order, Order], sequence: int, note: str | None) -> Self:
        """As of any event."""
        return cls(*subject, sequence=sequence, note=note)

    def subject(self) -> tuple[Order, Order]:
        """As of any event."""
        return self.before, self.after


@dataclass(frozen=True, slots=True)
class TradePlaced(Event):
    """The fills of `trade` were taken from its book."""

    trade: Trade


class Snapshot(NamedTuple):
    """All state after the event numbered `sequence`: what rests, and the next trade id."""

    sequence: int = 0
    next_trade_id: int = 1
    orders: tuple[Order, ...] = ()


class Journal(Protocol):
    """Keeps events for good: in a file, or in a log that several machines share.

    An OrderManagement that is given one starts from what it holds, and appends every change to it
    before the verb returns. It calls under its lock; who reads beside it may call from any thread.
    """

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event that it holds, 0 if none: also after an append that
        was struck. Raises JournalError.
        """
        ...

    def snapshot(self) -> Snapshot:
        """A state to start from; `read` goes on after it. Raises JournalError."""
        ...

    def read(self, first: int = 1) -> Iterator[Event]:
        """The events from this sequence number on, in order, without a gap. Raises JournalError."""
        ...

    def append(self, batch: Sequence[Event]) -> None:
        """Hold all of a batch, which goes on where the last one ended, or none of it.

        Raises JournalError if it does not: then nothing of the batch is held, unless the error says
        that this is unknown until the journal is opened again, and nothing more is taken until then.
        """
        ...

    def close(self) -> None:
        """Let go of it; a second time does nothing. Raises JournalError."""
        ...
