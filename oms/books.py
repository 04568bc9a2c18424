"""The order books of an OrderManagement, and the functions that apply or undo events."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from oms.engine_state import EngineState
from oms.errors import DuplicateOrderError, InvalidArgumentError
from oms.events import (
    KINDS,
    Event,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.instrument import Instrument
from oms.models import Order, OrderRow, Side, Trade
from oms.order_book import OrderBook
from oms.usage import Usage

__all__ = [
    "APPLY",
    "BULK",
    "Batch",
    "Books",
    "Change",
    "Contents",
    "ORDERS_BEFORE",
    "PARTS",
    "Steps",
    "UNDO",
    "hash_of_books",
    "parts_of",
]


BULK = 20
"""Above this number of new orders, a single sort is faster than individual inserts."""

_ORDER_ID = itemgetter(0)
BookName = tuple[str, Side]

Contents = tuple[str, Side, int, Iterable[OrderRow]]
"""The symbol and the side of a book, the number of its orders, and their fields, best first."""

Change = tuple[type, Any]
"""The kind and the subject of a change. The kind is the class of its event."""


class Batch(NamedTuple):
    """Changes to many orders that are made together, without events.

    `changed` contains resting orders with their new amounts. An amount of 0 removes the order. `added`
    contains new orders. `events` is the number of events that describe these changes.
    """

    changed: Sequence[tuple[OrderRow, int]]
    added: Sequence[OrderRow]
    events: int

    def changes(self) -> list[Change]:
        """Return changes to the same orders, for `Books.restore`."""
        return [(OrdersRemoved, [order for order, _ in self.changed]), (OrdersAdded, self.added)]


class Steps:
    """Changes that are made one after another, because each depends on the result of the previous one."""

    __slots__ = ("is_appended", "made")

    def __init__(self, made: list[Change] | None = None) -> None:
        self.made: list[Change] = [] if made is None else made
        self.is_appended = False  # True from the moment when the journal may contain their event

    def changes(self) -> list[Change]:
        """Return the changes so far. The last one may be incomplete."""
        return self.made


class Books:
    """All orders by id, all books by symbol and side, the next trade id, and the instruments.

    Each method that changes the orders applies or undoes one event. Its argument is the event's subject, such
    as the order to add. The subject is already validated, so only an interruption such as Ctrl-C or a
    MemoryError can make the method fail. Undoing an event restores the exact state before it. Empty books are
    deleted, so equal orders always mean equal books.

    In these docstrings, n is the number of orders in the book, m is the number of orders in the event, and k
    is the number of fills.
    """

    __slots__ = ("by_name", "instruments", "next_trade_id", "orders", "usage")

    kinds: ClassVar[frozenset[type[Event]]] = KINDS
    """The classes of the events that these books can apply."""

    def __init__(self) -> None:
        self.usage: Usage | None = None  # for the limits of a matching engine
        self.orders: dict[int, OrderRow] = {}
        self.by_name: dict[tuple[str, Side], OrderBook] = {}
        self.next_trade_id = 1
        self.instruments: Mapping[str, Instrument] = {}  # replaced, never changed

    # ------------------------------------------------------------------ queries

    def select(self, symbol: str | None, side: Side | None) -> Iterator[OrderBook]:
        """Yield the books for a symbol and a side. None means every symbol or both sides.

        The books are sorted by symbol, with BUY before SELL.
        """
        symbols = sorted({name for name, _ in self.by_name}) if symbol is None else [symbol]
        for name in symbols:
            for each in Side if side is None else [side]:
                if (name, each) in self.by_name:
                    yield self.by_name[name, each]

    def order_count(self) -> int:
        """Return the number of open orders. O(1)."""
        return len(self.orders)

    def keeps_sizes(self, symbol: str) -> bool:
        """Return True if the symbol's tick size and lot size cannot change, because it has orders. O(1)."""
        return any((symbol, side) in self.by_name for side in Side)  # an empty book does not exist

    def canonical_hash(self, next_sequence: int) -> str:
        """Return the SHA-256 hash (hex) of the counters and all orders.

        The orders are sorted by book, price, and id.
        """
        contents = ((book.symbol, book.side, len(book), book.rows()) for book in self.select(None, None))
        return hash_of_books(self.next_trade_id, next_sequence, contents)

    # ------------------------------------------------------------------ changes

    def add(self, order: OrderRow) -> None:
        """Add an order. O(log n)."""
        book = self.by_name.get(order[1:3])
        if book is None:
            book = self.open(order[1], order[2])
        book.add(order)

    def remove(self, order: OrderRow) -> None:
        """Remove an order. O(log n)."""
        book = self.by_name[order[1:3]]
        book.remove(order)
        if not book.levels:
            self._close(book)

    def add_many(self, orders: Iterable[OrderRow]) -> None:
        """Add many orders, book by book. O(m log n)."""
        for (symbol, side), group in _grouped(orders).items():
            self.open(symbol, side).update(group)

    def remove_many(self, orders: Iterable[OrderRow]) -> None:
        """Remove many orders. O(m log n).

        If a book loses all of its orders, it is cleared in one step, in O(m).
        """
        for name, group in _grouped(orders).items():
            book = self.by_name[name]
            if len(group) >= len(book.levels) and len(group) == len(book):
                book.clear()
            else:
                for order in group:
                    book.remove(order)
            if not book.levels:
                self._close(book)

    def amend(self, change: tuple[Order, Order]) -> None:
        """Replace an order with its amended version. O(1) at the same price, O(log n) at a new price."""
        before, after = change
        book = self.by_name[before.symbol, before.side]
        if after.price == before.price:
            book.resize(before, after.amount)
        else:
            book.remove(before)
            book.add(after)

    def apply(self, batch: Batch) -> None:
        """Make the changes of a batch. O(m log n)."""
        changed, added, _ = batch
        by_name = self.by_name
        for order, amount in changed:
            if amount:
                by_name[order[1:3]].resize(order, amount)
            else:
                self.remove(order)
        if len(added) > BULK:
            self.add_many(added)
        else:
            for order in added:
                self.add(order)

    def trade(self, change: tuple[Trade, int | None]) -> None:
        """Remove a trade's filled amounts from its book. O(k log n)."""
        trade, _ = change
        book = self.by_name[trade.symbol, trade.side]
        book.remove_fills(trade)
        self.next_trade_id = trade.trade_id + 1
        if self.usage is not None:
            self.usage.change_fills(trade, -1)
        if not book.levels:
            self._close(book)

    def undo_trade(self, change: tuple[Trade, int | None]) -> None:
        """Undo a trade. The next trade reuses its trade id. O(k log n)."""
        trade, _ = change
        self.open(trade.symbol, trade.side).restore_fills(trade)
        self.next_trade_id = trade.trade_id
        if self.usage is not None:
            self.usage.change_fills(trade, 1)

    # ------------------------------------------------------------------ recovery and checks

    def load(self, snapshot: Snapshot) -> None:
        """Load a snapshot into empty books. O(n log n) for n orders."""
        self.add_many(snapshot.orders)
        self.next_trade_id, self.instruments = snapshot.next_trade_id, dict(snapshot.instruments)

    def copy_to(self, target: Books) -> None:
        """Copy all orders, levels, counters, and instruments to empty books. O(n) for n orders."""
        target.orders.update(self.orders)
        for name, book in self.by_name.items():
            target.by_name[name] = book.copy(target.orders)
        target.next_trade_id, target.instruments = self.next_trade_id, self.instruments

    def check_engine_state(self, snapshot: Snapshot) -> None:
        """Raise InvalidArgumentError if a snapshot comes from a MatchingEngine."""
        if snapshot.engine is not None:
            allowed = "None, because an OrderManagement has no register"
            remedy = "restore it with MatchingEngine.from_snapshot"
            raise InvalidArgumentError("engine", snapshot.engine, allowed, remedy)

    def engine_state(self) -> EngineState | None:
        """Return the rest of the state of a MatchingEngine, or None. O(n log n) for n orders."""
        return None

    def extra(self) -> tuple[Any, ...]:
        """Return what a pickle contains in addition to orders, counters, and instruments: here, nothing."""
        return ()

    def load_extra(self, extra: tuple[Any, ...]) -> None:
        """Load the value that `extra` returned."""

    def restore(self, changes: Sequence[Change]) -> None:
        """Restore the state before these changes. O(n log n).

        The current state of the changed orders and books does not matter. So the last change may be
        incomplete, and an interrupted call can be repeated.
        """
        orders: dict[int, OrderRow | None] = {}
        names: set[BookName] = set()
        for kind, subject in reversed(parts_of(changes)):
            if kind is TradePlaced:
                self.next_trade_id = subject[0].trade_id
            for order, rested in ORDERS_BEFORE[kind](subject):
                orders[order[0]] = order if rested else None
                names.add(order[1:3])
        for order_id, before in orders.items():
            if before is None:
                self.orders.pop(order_id, None)
            else:
                self.orders[order_id] = before
        for name in names:
            self.by_name.pop(name, None)
        self.add_many([order for order in self.orders.values() if order[1:3] in names])

    def check_new(self, incoming: Sequence[OrderRow]) -> None:
        """Raise DuplicateOrderError for the first order whose id is repeated or already in a book."""
        ids = list(map(_ORDER_ID, incoming))
        if len(set(ids)) < len(ids) or not self.orders.keys().isdisjoint(ids):
            first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
            row = next(at for at, each in enumerate(ids) if first[each] < at or each in self.orders)
            error = DuplicateOrderError(ids[row])
            if type(incoming[row]) is not Order:  # a row of columns
                error.add_note(f"The id is in row {row} of the columns, counted from 0.")
            raise error

    def open(self, symbol: str, side: Side) -> OrderBook:
        """Return the book for a symbol and side, or create it if it does not exist. O(1)."""
        book = self.by_name.get((symbol, side))
        if book is None:
            book = self.by_name[symbol, side] = OrderBook(symbol, side, self.orders)
        return book

    def _close(self, book: OrderBook) -> None:
        del self.by_name[book.symbol, book.side]

    def _check(self) -> None:
        """Assert every invariant. O(n log n) for all n orders."""
        for name, book in self.by_name.items():
            assert name == (book.symbol, book.side), "the key of a book is its symbol and side"
            assert len(book), "an empty book is deleted"
            book._check()
        total = sum(map(len, self.by_name.values()))
        assert total == len(self.orders), "every order is in exactly one book"


def hash_of_books(next_trade_id: int, next_sequence: int, contents: Iterable[Contents]) -> str:
    """Return the SHA-256 hash (hex) of the counters and the contents of all books. O(n) for n orders.

    The contents are sorted by symbol, with BUY before SELL.
    """
    digest = hashlib.sha256(f"{next_trade_id} {next_sequence}\n".encode())
    for symbol, side, number, rows in contents:
        # The length prefix makes it clear where the symbol ends.
        digest.update(f"{len(symbol)} {symbol} {side} {number}\n".encode())
        for order_id, _, _, amount, price in rows:
            digest.update(b"%d %d %d\n" % (order_id, amount, price))
    return digest.hexdigest()


def _grouped(orders: Iterable[OrderRow]) -> dict[tuple[str, Side], list[OrderRow]]:
    groups: defaultdict[tuple[str, Side], list[OrderRow]] = defaultdict(list)
    for order in orders:
        groups[order[1:3]].append(order)
    return groups


def parts_of(changes: Iterable[Change]) -> list[Change]:
    """Return the changes, with each change that has parts replaced by its parts. O(m) for m parts."""
    parts: list[Change] = []
    for kind, subject in changes:
        if kind in PARTS:
            parts += PARTS[kind](subject)
        else:
            parts.append((kind, subject))
    return parts


Transition = Callable[..., None]

APPLY: dict[type, Transition] = {
    OrderAdded: Books.add,
    OrdersAdded: Books.add_many,
    OrderRemoved: Books.remove,
    OrdersRemoved: Books.remove_many,
    OrderAmended: Books.amend,
    TradePlaced: Books.trade,
}
"""Maps each event type to the function that applies it, which takes the books and the event's subject."""


def _undo_amend(books: Books, change: tuple[Order, Order]) -> None:
    before, after = change
    books.amend((after, before))


UNDO: dict[type, Transition] = {
    OrderAdded: Books.remove,
    OrdersAdded: Books.remove_many,
    OrderRemoved: Books.add,
    OrdersRemoved: Books.add_many,
    OrderAmended: _undo_amend,
    TradePlaced: Books.undo_trade,
}
"""Maps each event type to the function that undoes it, which takes the books and the event's subject."""


def _before_trade(change: tuple[Trade, int | None]) -> Iterator[tuple[OrderRow, bool]]:
    (_, symbol, side, _, _, fills), remaining = change
    assert remaining is not None, "a trade that can be rolled back was placed by this process"
    for order_id, amount, price in fills[:-1]:
        yield (order_id, symbol, side, amount, price), True
    order_id, amount, price = fills[-1]
    yield (order_id, symbol, side, amount + remaining, price), True


ORDERS_BEFORE: dict[type, Callable[[Any], Iterable[tuple[OrderRow, bool]]]] = {
    OrderAdded: lambda order: [(order, False)],
    OrdersAdded: lambda orders: zip(orders, repeat(False), strict=False),
    OrderRemoved: lambda order: [(order, True)],
    OrdersRemoved: lambda orders: zip(orders, repeat(True), strict=False),
    OrderAmended: lambda change: [(change[0], True)],
    TradePlaced: _before_trade,
}
"""Maps each event type to a function that returns the orders that the event changes.

The function takes the event's subject. It returns each order as it was before the event, paired with True if
the order was already in the book, or with False if the event added it.
"""

PARTS: dict[type, Callable[[Any], Iterable[Change]]] = {}
"""Maps each event type that consists of several changes to a function that returns them, in order."""
