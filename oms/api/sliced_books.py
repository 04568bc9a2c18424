"""The collections in the books that are read in slices: the resting orders, and the levels of one book."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, islice
from typing import TypeAlias

from oms.books import Books
from oms.events import Event
from oms.models import OrderRow, PriceLevel, Side

__all__ = ["LevelsOfBook", "OrderKey", "RestingOrders"]

OrderKey: TypeAlias = tuple[str, Side, int, int]
"""The symbol, the side, `side.sign` times the price, and the id of an order."""


class RestingOrders:
    """The resting orders in the order of `OrderManagement.orders`. See `oms.api.slices.Source`.

    The ids of the orders in a MatchingEngine are arrival numbers.
    """

    def __init__(self, books: Books, symbol: str | None = None, side: Side | None = None) -> None:
        self._books = books
        self._symbol = symbol
        self._side = side
        self._names: list[tuple[str, Side]] = []  # books that are opened later only have touched orders

    def after(self, last: OrderKey | None, limit: int) -> list[OrderRow]:
        """Return the orders after a key. The first call takes O(s log s) more for s books."""
        if last is None:
            self._names = [(book.symbol, book.side) for book in self._books.select(self._symbol, self._side)]
        start = 0 if last is None else bisect_left(self._names, last[:2])
        rows = chain.from_iterable(self._rows(name, last) for name in islice(self._names, start, None))
        return list(islice(rows, limit))

    def _rows(self, name: tuple[str, Side], last: OrderKey | None) -> Iterator[OrderRow]:
        book = self._books.by_name.get(name)
        if book is None:
            return iter(())
        if last is None or last[:2] != name:
            return book.rows()
        return book.rows_after(last[1].sign * last[2], last[3])

    def get(self, key: OrderKey) -> OrderRow | None:
        """Return the order with this key. O(1)."""
        row = self._books.orders.get(key[3])
        return None if row is None or self.key(row) != key else row

    def key(self, item: OrderRow) -> OrderKey:
        """Return the key of an order."""
        order_id, symbol, side, _, price = item
        return symbol, side, side.sign * price, order_id

    def touched(self, event: Event) -> Iterator[OrderKey | None]:
        """Yield the keys of the orders that an event has changed."""
        for order_id, symbol, side, price, _ in event.rows():
            if self._symbol in (None, symbol) and self._side in (None, side):
                yield symbol, side, side.sign * price, order_id
            else:
                yield None


class LevelsOfBook:
    """The price levels of one book, best first. See `oms.api.slices.Source`.

    A key is `side.sign` times a price.
    """

    def __init__(self, books: Books, symbol: str, side: Side) -> None:
        self._books = books
        self._name = symbol, side
        self._sign = side.sign

    def after(self, last: int | None, limit: int) -> list[PriceLevel]:
        """Return the levels after a key. O(limit + log n) for n levels."""
        book = self._books.by_name.get(self._name)
        if book is None:
            return []
        return list(book.depth(limit)) if last is None else book.depth_after(self._sign * last, limit)

    def get(self, key: int) -> PriceLevel | None:
        """Return the level with this key. O(1)."""
        book = self._books.by_name.get(self._name)
        return None if book is None else book.level(self._sign * key)

    def key(self, item: PriceLevel) -> int:
        """Return the key of a level."""
        return self._sign * item.price

    def touched(self, event: Event) -> Iterator[int | None]:
        """Yield the keys of the levels that an event has changed."""
        for _, symbol, side, price, _ in event.rows():
            yield self._sign * price if (symbol, side) == self._name else None
