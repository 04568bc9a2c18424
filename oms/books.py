"""All books of one OrderManagement: what each event does to them, and how it is undone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from oms.events import (
    Event,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    TradePlaced,
)
from oms.execution import execute, revert
from oms.models import Order, Side, Trade
from oms.order_book import OrderBook

__all__ = ["APPLY", "Books", "UNDO"]


class Books:
    """The books by (symbol, side), the book of each order by its id, and the next trade id.

    A transition takes what an event carries, has been validated, and cannot fail. Its inverse
    leaves no trace: an emptied book is forgotten, so equal orders mean equal books.
    """

    __slots__ = ("by_name", "by_order", "next_trade_id")

    def __init__(self) -> None:
        self.by_name: dict[tuple[str, Side], OrderBook] = {}
        self.by_order: dict[int, OrderBook] = {}
        self.next_trade_id = 1

    # ------------------------------------------------------------------ questions

    def get(self, symbol: str, side: Side) -> OrderBook:
        """The book of that name; for a name never seen an empty one, which is not kept."""
        book = self.by_name.get((symbol, side))
        return OrderBook(symbol, side) if book is None else book

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
            for order in book:
                digest.update(b"%d %d %d\n" % (order.order_id, order.amount, order.price))
        return digest.hexdigest()

    # ------------------------------------------------------------------ transitions

    def add(self, order: Order) -> None:
        """Rest an order, in O(log n)."""
        book = self._open(order.symbol, order.side)
        book.add(order)
        self.by_order[order.order_id] = book

    def remove(self, order: Order) -> None:
        """Take an order out, in O(log n)."""
        book = self.by_order[order.order_id]
        book.remove(order.order_id)
        self._forget(book, (order.order_id,))

    def add_many(self, orders: Iterable[Order]) -> None:
        """Rest many orders, with one sort a book."""
        for (symbol, side), group in _grouped(orders).items():
            book = self._open(symbol, side)
            book.update(group)
            self.by_order.update((order.order_id, book) for order in group)

    def remove_many(self, orders: Iterable[Order]) -> None:
        """Take many orders out; a book that loses all of them goes as a whole, in O(m)."""
        for name, group in _grouped(orders).items():
            book = self.by_name[name]
            if len(group) == len(book):
                book.clear()
            else:
                for order in group:
                    book.remove(order.order_id)
            self._forget(book, [order.order_id for order in group])

    def amend(self, before: Order, after: Order) -> None:
        """Put `after` in the place of `before`: O(1) at the same price, else O(log n)."""
        book = self.by_order[before.order_id]
        if after.price == before.price:
            book.resize(after.order_id, after.amount)
        else:
            book.remove(before.order_id)
            book.add(after)

    def trade(self, trade: Trade) -> None:
        """Take a trade's fills out of its book, in O(k log n)."""
        book = self.by_name[trade.symbol, trade.side]
        self._forget(book, execute(book, trade.fills))
        self.next_trade_id = trade.trade_id + 1

    def undo_trade(self, trade: Trade) -> None:
        """Put a trade's fills back and its id too, in O(k log n)."""
        book = self._open(trade.symbol, trade.side)
        self.by_order.update(dict.fromkeys(revert(book, trade.fills), book))
        self.next_trade_id = trade.trade_id

    # ------------------------------------------------------------------ the indexes

    def _open(self, symbol: str, side: Side) -> OrderBook:
        book = self.by_name.get((symbol, side))
        if book is None:
            book = self.by_name[symbol, side] = OrderBook(symbol, side)
        return book

    def _forget(self, book: OrderBook, order_ids: Iterable[int]) -> None:
        for order_id in order_ids:
            del self.by_order[order_id]
        if not book:
            del self.by_name[book.symbol, book.side]

    def _check(self) -> None:
        """Assert every invariant, in O(n log n)."""
        for name, book in self.by_name.items():
            assert name == (book.symbol, book.side), "a book is found under its own name"
            assert len(book), "an empty book is forgotten"
            book._check()
        held = {order.order_id: book for book in self.by_name.values() for order in book}
        assert held == self.by_order, "the index names each order's own book, and no other id"


def _grouped(orders: Iterable[Order]) -> dict[tuple[str, Side], list[Order]]:
    groups: dict[tuple[str, Side], list[Order]] = {}
    for order in orders:
        groups.setdefault((order.symbol, order.side), []).append(order)
    return groups


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


def _undo_amend(books: Books, before: Order, after: Order) -> None:
    books.amend(after, before)


UNDO: dict[type[Event], Transition] = {
    OrderAdded: Books.remove,
    OrdersAdded: Books.remove_many,
    OrderRemoved: Books.add,
    OrdersRemoved: Books.add_many,
    OrderAmended: _undo_amend,
    TradePlaced: Books.undo_trade,
}
"""What takes each kind of event back."""
