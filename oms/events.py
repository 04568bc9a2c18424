"""The events that describe changes to the books, and the protocol of a journal that stores events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, cast, runtime_checkable

from oms.engine_state import EngineState
from oms.instrument import Instrument
from oms.models import Order, OrderRow, Side, Trade, new_order

__all__ = [
    "Event",
    "InstrumentKeeper",
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
"""Order id, symbol, side, price (ticks), and change (lots)."""


class Event:
    """One change to the books.

    The sequence number `sequence` is 1 for the first event, 2 for the second, and so on. `note` is the text
    that was passed to the event's transaction, or None. `time` is the timestamp of the change in nanoseconds
    since 1970, or None if the OrderManagement had no clock. An event contains all data that is needed to
    replay the change. Two events are equal if they have the same class and the same fields.

    A subclass must define `symbol` and `rows`.

    >>> from oms import OrderManagement, Side
    >>> om = OrderManagement()
    >>> unsubscribe = om.subscribe(print)
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)  # doctest: +NORMALIZE_WHITESPACE
    OrderAdded(order=Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=20),
        sequence=1, note=None, time=None)

    """

    __slots__ = ()

    sequence: int
    note: str | None
    time: int | None

    @classmethod
    def about(cls, subject: Any, sequence: int, note: str | None, time: int | None) -> Self:
        """Create an event from its subject (see the method `subject`)."""
        make = cast("Callable[..., Self]", cls)  # each class has its own first field
        return make(subject, sequence, note, time)

    def subject(self) -> Any:
        """Return what the event is about: an order, a tuple of orders, or a pair.

        For an amendment, the pair is the old order and the amended order. For a trade, the pair is the trade
        and the remaining amount of the last order filled.
        """
        return cast("tuple[Any, ...]", self)[0]

    @property
    def symbol(self) -> str | None:
        """The symbol of the order or the trade, or None for an event about several orders. O(1)."""
        raise NotImplementedError(f"{type(self).__name__} does not define symbol")

    def rows(self) -> Iterator[ChangeRow]:
        """Yield one row for each changed amount: order id, symbol, side, price (ticks), and change (lots).

        The change is negative for lots that were removed or filled. So the sum of all changes at a price is
        the resting amount. An amendment has two rows, and a trade has one row for each fill. O(m) for m rows.

        >>> from oms import Order, OrderAmended, Side
        >>> before = Order(1, "JPM", Side.BUY, 20, 21)
        >>> for row in OrderAmended(before, before._replace(price=22), sequence=1).rows():
        ...     print(*row)
        1 JPM BUY 21 -20
        1 JPM BUY 22 20

        """
        raise NotImplementedError(f"{type(self).__name__} does not define rows")

    def __eq__(self, other: object) -> bool:
        """Return True if the other event has the same class and the same fields."""
        return type(self) is type(other) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Return True if the other event has a different class or different fields."""
        return not self == other

    def __hash__(self) -> int:
        """Return a hash of the fields."""
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
    time: int | None = None


class _OfOrders(NamedTuple):
    orders: tuple[Order, ...]
    sequence: int
    note: str | None = None
    time: int | None = None


class _OfTwo(NamedTuple):
    before: Order
    after: Order
    sequence: int
    note: str | None = None
    time: int | None = None


class _OfTrade(NamedTuple):
    trade: Trade
    remaining: int | None
    sequence: int
    note: str | None = None
    time: int | None = None


class _OrderEvent(Event, _OfOrder):
    __slots__ = ()

    @classmethod
    def about(cls, subject: OrderRow, sequence: int, note: str | None, time: int | None) -> Self:
        """Return an event about an order. See Event."""
        return cls(new_order(subject), sequence, note, time)

    @property
    def symbol(self) -> str:
        """The symbol. See Event."""
        return self.order.symbol


class _OrdersEvent(Event, _OfOrders):
    __slots__ = ()

    @classmethod
    def about(cls, subject: Sequence[OrderRow], sequence: int, note: str | None, time: int | None) -> Self:
        """Return an event about orders, which are all Orders or all rows. See Event."""
        orders = subject if type(subject[0]) is Order else tuple(map(new_order, subject))
        return super().about(orders, sequence, note, time)

    @property
    def symbol(self) -> None:
        """None, because the orders may have different symbols."""
        return None


class OrderAdded(_OrderEvent):
    """`order` was added."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        return _added((self.order,))


class OrdersAdded(_OrdersEvent):
    """All `orders` were added."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        return _added(self.orders)


class OrderRemoved(_OrderEvent):
    """`order` was removed. Its amount is the unfilled amount at that time."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        return _removed((self.order,))


class OrdersRemoved(_OrdersEvent):
    """All `orders` were removed. Their amounts are the unfilled amounts at that time."""

    __slots__ = ()

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        return _removed(self.orders)


class OrderAmended(Event, _OfTwo):
    """The order `before` was changed to the order `after`. Both have the same id, symbol, and side."""

    __slots__ = ()

    @classmethod
    def about(cls, subject: tuple[Order, Order], sequence: int, note: str | None, time: int | None) -> Self:
        """Return an event about an amendment: the old order and the amended order. See Event."""
        return cls(*subject, sequence, note, time)

    def subject(self) -> tuple[Order, Order]:
        """Return the old order and the amended order."""
        return self.before, self.after

    @property
    def symbol(self) -> str:
        """The symbol. See Event."""
        return self.after.symbol

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        yield from _removed((self.before,))
        yield from _added((self.after,))


class TradePlaced(Event, _OfTrade):
    """`trade` was executed, and its filled amounts were removed from the book.

    `remaining` is the remaining amount (lots) of the last order filled, or 0 if that order was filled
    completely. In events from an earlier version of the journal, it is None.
    """

    __slots__ = ()

    @classmethod
    def about(
        cls, subject: tuple[Trade, int | None], sequence: int, note: str | None, time: int | None
    ) -> Self:
        """Return an event about a trade and the remaining amount. See Event."""
        return cls(*subject, sequence, note, time)

    def subject(self) -> tuple[Trade, int | None]:
        """Return the trade and the remaining amount of the last order filled."""
        return self.trade, self.remaining

    @property
    def symbol(self) -> str:
        """The symbol. See Event."""
        return self.trade.symbol

    def rows(self) -> Iterator[ChangeRow]:
        """Yield the changed amounts. See Event."""
        _, symbol, side, _, _, fills = self.trade
        for order_id, amount, price in fills:
            yield order_id, symbol, side, price, -amount


KINDS: frozenset[type[Event]] = frozenset(
    {OrderAdded, OrdersAdded, OrderRemoved, OrdersRemoved, OrderAmended, TradePlaced}
)
"""All event classes."""


class Snapshot(NamedTuple):
    """The complete state of an OrderManagement or a MatchingEngine at one moment.

    `sequence` is the sequence number of the last event, `next_trade_id` is the id of the next trade, and
    `orders` are all resting orders. `instruments` are pairs of a symbol and its instrument, sorted by symbol.
    `engine` is the rest of the state of a MatchingEngine, or None for an OrderManagement. The ids of a
    MatchingEngine's `orders` are arrival numbers.
    """

    sequence: int = 0
    next_trade_id: int = 1
    orders: tuple[Order, ...] = ()
    instruments: tuple[tuple[str, Instrument], ...] = ()
    engine: EngineState | None = None


class Journal(Protocol):
    """Durable storage of events, for example a file or a replicated event log.

    An OrderManagement with a journal starts from the state in the journal. Each method that makes a change
    appends the change before it returns. The OrderManagement holds its lock while it calls `append`. The
    other methods may be called from any thread.
    """

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event in the journal, or 0 if the journal is empty.

        It must be correct even after an interrupted `append`. Raises JournalError.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return the state to start from. Raises JournalError.

        `read(snapshot.sequence + 1)` yields the events after this state.
        """
        ...

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events with sequence number `first` and higher, in order and without gaps.

        Raises JournalError if the journal cannot be read or no longer contains the event `first`.
        """
        ...

    def history(self) -> Iterator[Event]:
        """Yield all events in the journal, in order, with gaps where events were deleted.

        Events with a note are always included, because a note may contain an idempotency key. Raises
        JournalError.
        """
        ...

    def check_writable(self) -> None:
        """Raise JournalError if the journal would reject every append."""
        ...

    def append(self, batch: Sequence[Event]) -> None:
        """Store all events of a batch, or none. Their sequence numbers follow the last one in the journal.

        If `append` raises JournalError, the journal contains no event of the batch. If the journal cannot
        guarantee this, the error's `problem` begins with JournalError.OUTCOME_UNKNOWN, and the journal must
        reject every append until it is opened again.
        """
        ...

    def close(self) -> None:
        """Release the storage. A second call does nothing. Raises JournalError."""
        ...


@runtime_checkable
class InstrumentKeeper(Protocol):
    """A journal that can also store the instruments of symbols.

    If a journal is not an InstrumentKeeper, setting an instrument raises JournalError. In this case, pass the
    instruments to OrderManagement each time you open the journal.
    """

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the stored instruments by symbol. Raises JournalError.

        They must be correct even after an interrupted `keep_instruments`.
        """
        ...

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        """Store instruments by symbol, and append the batch, or do neither.

        Each new instrument replaces the symbol's earlier one. The batch may be empty. If it is not, the rules
        of `append` apply to the batch. The rules for a JournalError always apply.
        """
        ...
