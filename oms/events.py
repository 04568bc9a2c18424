"""Events: one for each verb that changed something; and the protocol of a journal, which stores them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self, cast

from oms.models import Order, OrderRow, Side, Trade, new_order

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

ChangeRow = tuple[int, str, Side, int, int]
"""Order id, symbol, side, price in ticks, and change in lots."""


class Event:
    """One change: `sequence` counts from 1 without gaps, `note` is the text given to its transaction.

    An event carries everything that it takes to repeat the change. It is a named tuple, but it
    equals only events of its own kind: an order added is not an order removed.

    Each kind also says what it changes: `symbol` and `rows`. A new kind has to define both, because
    the ones here raise NotImplementedError.

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
        """Make an event from what it is about; see `subject`."""
        make = cast("Callable[..., Self]", cls)  # each kind takes its own subject
        return make(subject, sequence, note)

    def subject(self) -> Any:
        """Return what the event is about: the order, the orders, or a pair.

        The pair of an amendment is the order before and after it. That of a trade is the trade and the
        amount that remains of the last order filled.
        """
        return cast("tuple[Any, ...]", self)[0]

    @property
    def symbol(self) -> str | None:
        """The symbol of the order or trade; None for many orders, which may have many symbols. O(1)."""
        raise NotImplementedError(f"{type(self).__name__} does not say its symbol")

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes at which price: order id, symbol, side, price (ticks), and change (lots).

        The change is below 0 for lots that no longer rest, so all changes add up to the resting
        amount. An amendment has two rows, a trade one for each fill. O(rows).

        >>> from oms import Order, OrderAmended, Side
        >>> before = Order(1, "JPM", Side.BUY, 20, 21)
        >>> for row in OrderAmended(before, before._replace(price=22), sequence=1).rows():
        ...     print(*row)
        1 JPM BUY 21 -20
        1 JPM BUY 22 20

        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it changes")

    def __eq__(self, other: object) -> bool:
        """Return True for an event of the same kind with the same content."""
        return type(self) is type(other) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Return True for an event of another kind, or with other content."""
        return not self == other

    def __hash__(self) -> int:
        """Return the hash of the content."""
        return super().__hash__()


def _added(orders: Iterable[Order]) -> Iterator[ChangeRow]:
    for order_id, symbol, side, amount, price in orders:
        yield order_id, symbol, side, price, amount


def _removed(orders: Iterable[Order]) -> Iterator[ChangeRow]:
    for order_id, symbol, side, amount, price in orders:
        yield order_id, symbol, side, price, -amount


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
    remaining: int | None
    sequence: int
    note: str | None = None


class _OrderEvent(Event, _OfOrder):
    __slots__ = ()

    @classmethod
    def about(cls, subject: OrderRow, sequence: int, note: str | None) -> Self:
        """Make an event from its subject."""
        return cls(new_order(subject), sequence, note)

    @property
    def symbol(self) -> str:
        """The symbol; see Event."""
        return self.order.symbol


class _OrdersEvent(Event, _OfOrders):
    __slots__ = ()

    @property
    def symbol(self) -> None:
        """None: the orders may have many symbols."""
        return None


class OrderAdded(_OrderEvent):
    """`order` was added, and rests."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        return _added((self.order,))


class OrdersAdded(_OrdersEvent):
    """All `orders` were added, in this sequence, and rest."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        return _added(self.orders)


class OrderRemoved(_OrderEvent):
    """`order` was removed; its amount is what rested until then."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        return _removed((self.order,))


class OrdersRemoved(_OrdersEvent):
    """All `orders` were removed; their amounts are what rested until then."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        return _removed(self.orders)


class OrderAmended(Event, _OfTwo):
    """The order `before` was amended, and rests as `after`, with the same id, symbol, and side."""

    __slots__ = ()

    @classmethod
    def about(cls, subject: tuple[Order, Order], sequence: int, note: str | None) -> Self:
        """Make an event from its subject."""
        return cls(*subject, sequence, note)

    def subject(self) -> tuple[Order, Order]:
        """Return the order before and after the amendment."""
        return self.before, self.after

    @property
    def symbol(self) -> str:
        """The symbol; see Event."""
        return self.after.symbol

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        yield from _removed((self.before,))
        yield from _added((self.after,))


class TradePlaced(Event, _OfTrade):
    """`trade` was placed: its fills no longer rest.

    `remaining` is the amount (lots) that still rests of the last order filled; 0 if the order is filled
    completely. It is None in an event that an earlier version of the journal has stored.
    """

    __slots__ = ()

    @classmethod
    def about(cls, subject: tuple[Trade, int | None], sequence: int, note: str | None) -> Self:
        """Make an event from its subject."""
        return cls(*subject, sequence, note)

    def subject(self) -> tuple[Trade, int | None]:
        """Return the trade, and the amount that remains of the last order filled."""
        return self.trade, self.remaining

    @property
    def symbol(self) -> str:
        """The symbol; see Event."""
        return self.trade.symbol

    def rows(self) -> Iterator[ChangeRow]:
        """Yield what changes; see Event."""
        _, symbol, side, _, _, fills = self.trade
        for order_id, amount, price in fills:
            yield order_id, symbol, side, price, -amount


KINDS: frozenset[type[Event]] = frozenset(
    {OrderAdded, OrdersAdded, OrderRemoved, OrdersRemoved, OrderAmended, TradePlaced}
)
"""Every kind of event. A table of kinds has all of these."""


class Snapshot(NamedTuple):
    """The whole state after the event numbered `sequence`: the resting orders, and the next trade id."""

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
