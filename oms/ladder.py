"""How all books of an OrderManagement show themselves: the best levels of a few symbols, whatever rests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Protocol

from oms.books import Books
from oms.display import SHOWN, Bar, Cell, bounded, counted, table
from oms.ledger import Ledger
from oms.models import PriceLevel, Side
from oms.order_book import OrderBook
from oms.palette import SHADES_OF, name_of

__all__ = ["as_fields", "as_html", "as_text"]

_SYMBOLS = 3


class _Holder(Protocol):
    """What an OrderManagement is, for one that shows it."""

    @property
    def _lock(self) -> AbstractContextManager[object]: ...

    @property
    def _ledger(self) -> Ledger: ...


def as_text(om: _Holder) -> str:
    """One line, in O(1)."""
    with om._lock:
        return f"<{type(om).__name__}: {_count(om._ledger.admitted().books)}>"


def as_fields(om: _Holder) -> Iterator[tuple[str, object]]:
    """What rich shows: counts, and the best prices (ticks) of a few symbols, in O(1)."""
    with om._lock:
        books = om._ledger.admitted().books
        best = {
            bounded(symbol): {str(book.side): book.best_price() for book in books.select(symbol, None)}
            for symbol in _first_symbols(books)
        }
        fields = {"orders": len(books.orders), "books": len(books.by_name), "best_prices": best}
    return iter(fields.items())


def as_html(om: _Holder) -> str:
    """What a notebook shows: a ladder for each of a few symbols, in O(log n), whatever rests.

    They are the symbols whose books were opened first: to sort all would take their number.
    """
    with om._lock:
        books = om._ledger.admitted().books
        symbols = _first_symbols(books)
        shown = sum(len(list(books.select(symbol, None))) for symbol in symbols)
        ladders = "".join(_ladder(books, symbol) for symbol in symbols)
        more = len(books.by_name) - shown
        rest = f"<p>Not shown: {counted(more, 'more book')}.</p>" if more else ""
        return f"<div><p>{type(om).__name__}: {_count(books)}</p>{ladders}{rest}</div>"


def _count(books: Books) -> str:
    return f"{counted(len(books.orders), 'order')} in {counted(len(books.by_name), 'book')}"


def _first_symbols(books: Books) -> list[str]:
    # A symbol has two books at most, so that many keys name enough of them.
    names = dict.fromkeys(symbol for symbol, _ in islice(books.by_name, 2 * _SYMBOLS))
    return sorted(islice(names, _SYMBOLS))


def _ladder(books: Books, symbol: str) -> str:
    """Draw the asks above, lowest at the spread; the bids below."""
    found = {book.side: book for book in books.select(symbol, None)}
    depth = {side: book.depth(SHOWN) for side, book in found.items()}
    widest = max(level.amount for levels in depth.values() for level in levels)
    rows: dict[Side, list[list[Cell]]] = {
        side: [_row(side, level, widest) for level in levels] for side, levels in depth.items()
    }
    for side, book in found.items():
        hidden = len(book.levels) - len(depth[side])
        if hidden:
            rows[side].append([counted(hidden, "more level"), "", "", "", ""])
    spread: list[Cell] = ["spread", _spread(found), "", "", ""]
    lines = [*rows.get(Side.BUY, [])[::-1], spread, *rows.get(Side.SELL, [])]
    return table(symbol, ["book", "price (ticks)", "orders", "amount (lots)", ""], lines)


def _row(side: Side, level: PriceLevel, widest: int) -> list[Cell]:
    bar = Bar(level.amount, widest, SHADES_OF[side].on_any)
    return [name_of(side), level.price, level.orders, level.amount, bar]


def _spread(found: dict[Side, OrderBook]) -> str | int:
    ask, bid = (found[side].best_price() if side in found else None for side in Side)
    return "none" if ask is None or bid is None else ask - bid
