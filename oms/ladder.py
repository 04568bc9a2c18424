"""Plain-text and HTML representations of an OrderManagement: the best price levels of its first symbols.

Building them is fast, even with many orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Protocol

from oms.books import Books
from oms.display import SHOWN, Bar, Cell, bounded, counted, table
from oms.models import PriceLevel, Side
from oms.order_book import OrderBook
from oms.palette import SHADES_OF, name_of

__all__ = ["as_fields", "as_html", "as_text"]

_SYMBOLS = 3


class _Holder(Protocol):
    """The parts of an OrderManagement that this file needs."""

    @property
    def _books(self) -> Books: ...

    def locked(self) -> AbstractContextManager[object]: ...


def as_text(om: _Holder) -> str:
    """Return one line of text with the number of orders and books. O(1)."""
    with om.locked():
        return f"<{type(om).__name__}: {_count(om._books)}>"


def as_fields(om: _Holder) -> Iterator[tuple[str, object]]:
    """Return the fields for rich: the counts, and the best prices (ticks) of the first symbols. O(1)."""
    with om.locked():
        books = om._books
        best = {
            bounded(symbol): {str(book.side): book.best_price() for book in books.select(symbol, None)}
            for symbol in _first_symbols(books)
        }
        fields = {"orders": len(books.orders), "books": len(books.by_name), "best_prices": best}
    return iter(fields.items())


def as_html(om: _Holder) -> str:
    """Return HTML for a notebook, with a ladder for each of the first symbols. O(log n) for n orders.

    The first symbols are those whose books were created first. Sorting all symbols would be too slow.
    """
    with om.locked():
        books = om._books
        symbols = _first_symbols(books)
        shown = sum(len(list(books.select(symbol, None))) for symbol in symbols)
        ladders = "".join(_ladder(books, symbol) for symbol in symbols)
        hidden = len(books.by_name) - shown
        remark = f"<p>Not shown: {counted(hidden, 'more book')}.</p>" if hidden else ""
        return f"<div><p>{type(om).__name__}: {_count(books)}</p>{ladders}{remark}</div>"


def _count(books: Books) -> str:
    return f"{counted(len(books.orders), 'order')} in {counted(len(books.by_name), 'book')}"


def _first_symbols(books: Books) -> list[str]:
    # A symbol has at most two books, so this many keys contain enough symbols.
    names = dict.fromkeys(symbol for symbol, _ in islice(books.by_name, 2 * _SYMBOLS))
    return sorted(islice(names, _SYMBOLS))


def _ladder(books: Books, symbol: str) -> str:
    """Return a table of the asks, the spread, and the bids of a symbol. The highest price is at the top."""
    by_side = {book.side: book for book in books.select(symbol, None)}
    depth = {side: book.depth(SHOWN) for side, book in by_side.items()}
    widest = max(level.amount for levels in depth.values() for level in levels)
    rows: dict[Side, list[list[Cell]]] = {
        side: [_row(side, level, widest) for level in levels] for side, levels in depth.items()
    }
    for side, book in by_side.items():
        hidden = len(book.levels) - len(depth[side])
        if hidden:
            rows[side].append([counted(hidden, "more level"), "", "", "", ""])
    spread: list[Cell] = ["spread", _spread(by_side), "", "", ""]
    lines = [*rows.get(Side.BUY, [])[::-1], spread, *rows.get(Side.SELL, [])]
    return table(symbol, ["book", "price (ticks)", "orders", "amount (lots)", ""], lines)


def _row(side: Side, level: PriceLevel, widest: int) -> list[Cell]:
    bar = Bar(level.amount, widest, SHADES_OF[side].on_any)
    return [name_of(side), level.price, level.orders, level.amount, bar]


def _spread(by_side: dict[Side, OrderBook]) -> str | int:
    ask, bid = (by_side[side].best_price() if side in by_side else None for side in Side)
    return "none" if ask is None or bid is None else ask - bid
