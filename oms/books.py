"""All books of one OrderManagement: what each event does to them, and how it is undone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, cast

from oms.errors import DuplicateOrderError, InvalidArgumentError
from oms.events import (
    Event,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Snapshot,
    TradePlaced,
)
from oms.models import Order, OrderRow, Side, Trade, check_orders, check_positive
from oms.order_book import OrderBook

__all__ = ["APPLY", "Books", "ORDERS_BEFORE", "UNDO", "before_image", "checked_snapshot", "touched"]


_ORDER_ID = itemgetter(0)
BookName = tuple[str, Side]


class Books:
    """The orders by id, the books by (symbol, side), and the next trade id.

    A transition takes what an event carries, which has been validated, so it fails only if
    something strikes from outside. Its inverse leaves no trace: an emptied book is forgotten, so
    equal orders mean equal books.
    """

    __slots__ = ("by_name", "next_trade_id", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, OrderRow] = {}
        self.by_name: dict[tuple[str, Side], OrderBook] = {}
        self.next_trade_id = 1

    # ------------------------------------------------------------------ questions

    def select(self, symbol: str | None, side: Side | None) -> Iterator[OrderBook]:
        """The books asked for: symbols sorted, BUY before SELL."""
        symbols = sorted({name for name, _ in self.by_name}) if symbol is None else [symbol]
        for name in symbols:
            for each in Side if side is None else [side]:
                if (name, each) in self.by_name:
                    yield self.by_name[name, each]

    def canonical_hash(self, next_sequence: int) -> str:
        """SHA-256 (hex) over the counters and every order in the order of iteration, in O(n)."""
        digest = hashlib.sha256(f"{self.next_trade_id} {next_sequence}\n".encode())
        for book in self.select(None, None):
            # The length goes before the symbol, so that no symbol can imitate what follows it.
            digest.update(f"{len(book.symbol)} {book.symbol} {book.side} {len(book)}\n".encode())
            for order_id, _, _, amount, price in book.rows():
                digest.update(b"%d %d %d\n" % (order_id, amount, price))
        return digest.hexdigest()

    # ------------------------------------------------------------------ transitions

    def add(self, order: OrderRow) -> None:
        """Rest an order, in O(log n)."""
        book = self.by_name.get(order[1:3])
        if book is None:
            book = self._open(order[1], order[2])
        book.add(order)

    def remove(self, order: OrderRow) -> None:
        """Take an order out, in O(log n)."""
        book = self.by_name[order[1:3]]
        book.remove(order)
        if not book.levels:
            self._close(book)

    def add_many(self, orders: Iterable[OrderRow]) -> None:
        """Rest many orders, book by book."""
        for (symbol, side), group in _grouped(orders).items():
            self._open(symbol, side).update(group)

    def remove_many(self, orders: Iterable[OrderRow]) -> None:
        """Take many orders out; a book that loses all of them goes as a whole, in O(m)."""
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
        """Put the second order in the place of the first: O(1) at the same price, else O(log n)."""
        before, after = change
        book = self.by_name[before.symbol, before.side]
        if after.price == before.price:
            book.resize(before, after.amount)
        else:
            book.remove(before)
            book.add(after)

    def trade(self, change: tuple[Trade, int | None]) -> None:
        """Remove the fills of a trade from its book, in O(k log n)."""
        trade, _ = change
        book = self.by_name[trade.symbol, trade.side]
        book.take(trade)
        self.next_trade_id = trade.trade_id + 1
        if not book.levels:
            self._close(book)

    def undo_trade(self, change: tuple[Trade, int | None]) -> None:
        """Undo `trade`, also its trade id, in O(k log n)."""
        trade, _ = change
        self._open(trade.symbol, trade.side).put_back(trade)
        self.next_trade_id = trade.trade_id

    # ------------------------------------------------------------------ the index

    def recover(self, wanted: dict[int, OrderRow | None], names: Collection[BookName]) -> None:
        """Restore the wanted orders by id (None: not resting) and rebuild the named books, in O(n).

        The present state of these orders and books does not matter. So an interrupted call can be repeated.
        """
        for order_id, order in wanted.items():
            if order is None:
                self.orders.pop(order_id, None)
            else:
                self.orders[order_id] = order
        for name in names:
            self.by_name.pop(name, None)
        self.add_many([order for order in self.orders.values() if order[1:3] in names])

    def check_new(self, incoming: Sequence[Order]) -> None:
        """Raise DuplicateOrderError for the first order whose id is resting already, or comes twice."""
        ids = list(map(_ORDER_ID, incoming))
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        if len(first) < len(ids) or not self.orders.keys().isdisjoint(first):
            taken = (each for at, each in enumerate(ids) if first[each] < at or each in self.orders)
            raise DuplicateOrderError(next(taken))

    def _open(self, symbol: str, side: Side) -> OrderBook:
        book = self.by_name.get((symbol, side))
        if book is None:
            book = self.by_name[symbol, side] = OrderBook(symbol, side, self.orders)
        return book

    def _close(self, book: OrderBook) -> None:
        del self.by_name[book.symbol, book.side]

    def _check(self) -> None:
        """Assert every invariant, in O(n log n)."""
        for name, book in self.by_name.items():
            assert name == (book.symbol, book.side), "a book is found under its own name"
            assert len(book), "an empty book is forgotten"
            book._check()
        held = sum(map(len, self.by_name.values()))
        assert held == len(self.orders), "every order rests in a book, and no other id is known"


def checked_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot that an OrderManagement can start from.

    Raises InvalidArgumentError, InvalidOrderError, and DuplicateOrderError.
    """
    if not isinstance(cast("object", snapshot), Snapshot):
        raise InvalidArgumentError(
            "snapshot", snapshot, "a Snapshot", "get one from OrderManagement.snapshot()"
        )
    sequence, next_trade_id, orders = snapshot
    if type(sequence) is not int or sequence < 0:
        raise InvalidArgumentError("sequence", sequence, "an int >= 0")
    check_positive("next_trade_id", next_trade_id, InvalidArgumentError)
    if type(orders) is not tuple:
        raise InvalidArgumentError("orders", orders, "a tuple of Order", "convert with tuple(orders)")
    check_orders(orders)
    Books().check_new(orders)
    return snapshot


def _grouped(orders: Iterable[OrderRow]) -> dict[tuple[str, Side], list[OrderRow]]:
    groups: defaultdict[tuple[str, Side], list[OrderRow]] = defaultdict(list)
    for order in orders:
        groups[order[1:3]].append(order)
    return groups


def before_image(kind: type[Event], subject: Any) -> dict[int, OrderRow | None]:
    """Return the orders that an event changes, by id, as they were before it (None: not resting)."""
    return {order[0]: order if rested else None for order, rested in ORDERS_BEFORE[kind](subject)}


def touched(kind: type[Event], subject: Any) -> set[BookName]:
    """Return the names of the books that an event changes."""
    return {order[1:3] for order, _ in ORDERS_BEFORE[kind](subject)}


Transition = Callable[..., None]

APPLY: dict[type[Event], Transition] = {
    OrderAdded: Books.add,
    OrdersAdded: Books.add_many,
    OrderRemoved: Books.remove,
    OrdersRemoved: Books.remove_many,
    OrderAmended: Books.amend,
    TradePlaced: Books.trade,
}
"""What each kind of event does, called with the books and the event's subject."""


def _undo_amend(books: Books, change: tuple[Order, Order]) -> None:
    before, after = change
    books.amend((after, before))


UNDO: dict[type[Event], Transition] = {
    OrderAdded: Books.remove,
    OrdersAdded: Books.remove_many,
    OrderRemoved: Books.add,
    OrdersRemoved: Books.add_many,
    OrderAmended: _undo_amend,
    TradePlaced: Books.undo_trade,
}
"""What takes each kind of event back."""


def _before_trade(change: tuple[Trade, int | None]) -> Iterator[tuple[OrderRow, bool]]:
    (_, symbol, side, _, _, fills), remaining = change
    assert remaining is not None, "a trade that can be rolled back was placed by this process"
    for order_id, amount, price in fills[:-1]:
        yield (order_id, symbol, side, amount, price), True
    order_id, amount, price = fills[-1]
    yield (order_id, symbol, side, amount + remaining, price), True


ORDERS_BEFORE: dict[type[Event], Callable[[Any], Iterable[tuple[OrderRow, bool]]]] = {
    OrderAdded: lambda order: [(order, False)],
    OrdersAdded: lambda orders: zip(orders, repeat(False), strict=False),
    OrderRemoved: lambda order: [(order, True)],
    OrdersRemoved: lambda orders: zip(orders, repeat(True), strict=False),
    OrderAmended: lambda change: [(change[0], True)],
    TradePlaced: _before_trade,
}
"""The orders that each kind of event changes, called with the event's subject.

Each order comes as it was before the event, with True; a new order comes as it was added, with False.
"""
