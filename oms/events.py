"""What happened: one event for each verb that changed something; and what keeps events: a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self, cast

from oms.models import Order, OrderRow, Trade, new_order

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


class Event:
    """A change: `sequence` counts from 1 without gaps, `note` is the text given to its transaction.

    An event says all that it takes to repeat the change, and all that it takes to undo it. It is a
    named tuple like the values it carries, but of its own kind: an order added is not an order removed.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> unsubscribe = om.subscribe(print)
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)  # doctest: +NORMALIZE_WHITESPACE
    OrderAdded(order=Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20),
        sequence=1, note=None)

    """

    __slots__ = ()

    sequence: int
    note: str | None

    @classmethod
    def about(cls, subject: Any, sequence: int, note: str | None) -> Self:
        """Make one of its subject: the order, the orders, the trade, or for an amendment a pair of orders."""
        make = cast("Callable[..., Self]", cls)  # each kind takes its own subject
        return make(subject, sequence, note)

    def subject(self) -> Any:
        """What it is about."""
        return cast("tuple[Any, ...]", self)[0]

    def __eq__(self, other: object) -> bool:
        """Of the same kind, with the same content."""
        return type(self) is type(other) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Of another kind, or with other content."""
        return not self == other

    def __hash__(self) -> int:
        """Of the content."""
        return super().__hash__()


class _OfOrder(NamedTuple):
    order: Order
    sequence: int
    note: str | None = None


class _OfOrders(NamedTuple):
    orders: tuple[Order, ...]
    sequence: int
    note: str | None = None


class _OfTwo(NamedTuple):
    before: Order
    after: Order
    sequence: int
    note: str | None = None


class _OfTrade(NamedTuple):
    trade: Trade
    sequence: int
    note: str | None = None


class _OrderEvent(Event, _OfOrder):
    __slots__ = ()

    @classmethod
    def about(cls, subject: OrderRow, sequence: int, note: str | None) -> Self:
        """As of any event."""
        return cls(new_order(subject), sequence, note)


class OrderAdded(_OrderEvent):
    """`order` rests."""

    __slots__ = ()


class OrdersAdded(Event, _OfOrders):
    """All `orders` rest, in the order in which they were given."""

    __slots__ = ()


class OrderRemoved(_OrderEvent):
    """`order` rests no more; its amount is what was left of it."""

    __slots__ = ()


class OrdersRemoved(Event, _OfOrders):
    """All `orders` rest no more."""

    __slots__ = ()


class OrderAmended(Event, _OfTwo):
    """The order `before` is now the order `after`, under the same id."""

    __slots__ = ()

    @classmethod
    def about(cls, subject: tuple[Order, Order], sequence: int, note: str | None) -> Self:
        """As of any event."""
        return cls(*subject, sequence, note)

    def subject(self) -> tuple[Order, Order]:
        """As of any event."""
        return self.before, self.after


class TradePlaced(Event, _OfTrade):
    """The fills of `trade` were taken from its book."""

    __slots__ = ()


class Snapshot(NamedTuple):
    """All state after the event numbered `sequence`: what rests, and the next trade id."""

    sequence: int = 0
    next_trade_id: int = 1
    orders: tuple[Order, ...] = ()


class Journal(Protocol):
    """Durable storage of events: a file, or an event log that several machines share.

    An OrderManagement that is given a journal starts from the journal's state, and appends every
    change before the verb returns. It calls `append` under its own lock. All other methods may be
    called from any thread.
    """

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event in the journal, 0 if it has none.

        It is right also after an append that was interrupted. Raises JournalError.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return a state to start from; `read` continues after its `sequence`. Raises JournalError."""
        ...

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from the sequence number `first` on, in order, without a gap.

        Raises JournalError, also if `first` was dropped.
        """
        ...

    def history(self) -> Iterator[Event]:
        """Yield every event in the journal, in order. There are gaps where events were dropped.

        A journal that can drop events still yields the dropped ones that carry a note, because a note
        may hold an idempotency key. Raises JournalError.
        """
        ...

    def check_writable(self) -> None:
        """Raise JournalError if an append would be rejected, whatever the batch is."""
        ...

    def append(self, batch: Sequence[Event]) -> None:
        """Store all events of a batch, or none; the first one follows the last event in the journal.

        After a JournalError nothing of the batch is stored. The one exception is an error that says
        that this is unknown until the journal is opened again; no append is accepted until then.
        """
        ...

    def close(self) -> None:
        """Release the storage; a second call does nothing. Raises JournalError."""
        ...
