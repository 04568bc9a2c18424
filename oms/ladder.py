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
from oms.instrument import Instrument
from oms.models import PriceLevel, Side
from oms.order_book import OrderBook
from oms.palette import SHADES_OF, name_of
from oms.shown import price_label

__all__ = ["as_fields", "as_html", "as_text"]

_SYMBOLS = 3


class _Holder(Protocol):
    """The parts of an OrderManagement that this file needs."""

    @property
    def _books(self) -> Books: ...

    def locked(self, *, to_read: bool = False) -> AbstractContextManager[object]: ...


def as_text(om: _Holder) -> str:
    """Return one line of text with the number of open orders and books. O(1)."""
    with om.locked(to_read=True):
        return f"<{type(om).__name__}: {_count(om._books)}>"


def as_fields(om: _Holder, *, ticks: bool = False) -> Iterator[tuple[str, object]]:
    """Return the fields for rich: the counts, and the best prices of the first symbols. O(1).

    If a symbol has an instrument, its prices are Decimals, unless `ticks` is True.
    """
    with om.locked(to_read=True):
        books = om._books
        best = {
            bounded(symbol): {
                str(book.side): _best_price(book, None if ticks else books.instruments.get(symbol))
                for book in books.select(symbol, None)
            }
            for symbol in _first_symbols(books)
        }
        fields = {"orders": books.order_count(), "books": len(books.by_name), "best_prices": best}
    return iter(fields.items())


def as_html(om: _Holder, *, ticks: bool = False) -> str:
    """Return HTML for a notebook, with a ladder for each of the first symbols. O(log n) for n orders.

    If a symbol has an instrument, its prices and amounts are decimals, unless `ticks` is True.
    The first symbols are those whose books were created first. Sorting all symbols would be too slow.
    """
    with om.locked(to_read=True):
        books = om._books
        symbols = _first_symbols(books)
        shown = sum(len(list(books.select(symbol, None))) for symbol in symbols)
        ladders = "".join(
            _ladder(books, symbol, None if ticks else books.instruments.get(symbol)) for symbol in symbols
        )
        hidden = len(books.by_name) - shown
        remark = f"<p>Not shown: {counted(hidden, 'more book')}.</p>" if hidden else ""
        return f"<div><p>{type(om).__name__}: {_count(books)}</p>{ladders}{remark}</div>"


def _count(books: Books) -> str:
    return f"{counted(books.order_count(), 'order')} in {counted(len(books.by_name), 'book')}"


def _first_symbols(books: Books) -> list[str]:
    # A symbol has at most two books, so this many keys contain enough symbols.
    names = dict.fromkeys(symbol for symbol, _ in islice(books.by_name, 2 * _SYMBOLS))
    return sorted(islice(names, _SYMBOLS))


def _best_price(book: OrderBook, instrument: Instrument | None) -> object:
    price = book.best_price()
    return price if instrument is None or price is None else instrument.to_price(price)


def _ladder(books: Books, symbol: str, instrument: Instrument | None) -> str:
    """Return a table of the asks, the spread, and the bids of a symbol. The highest price is at the top."""
    by_side = {book.side: book for book in books.select(symbol, None)}
    depth = {side: book.depth(SHOWN) for side, book in by_side.items()}
    widest = max(level.amount for levels in depth.values() for level in levels)
    rows: dict[Side, list[list[Cell]]] = {
        side: [_row(side, level, widest, instrument) for level in levels] for side, levels in depth.items()
    }
    for side, book in by_side.items():
        hidden = len(book.levels) - len(depth[side])
        if hidden:
            rows[side].append([counted(hidden, "more level"), "", "", "", ""])
    spread: list[Cell] = ["spread", _spread(by_side, instrument), "", "", ""]
    lines = [*rows.get(Side.BUY, [])[::-1], spread, *rows.get(Side.SELL, [])]
    price, amount = (
        ("price (ticks)", "amount (lots)") if instrument is None else (price_label(instrument), "amount")
    )
    return table(symbol, ["book", price, "orders", amount, ""], lines)


def _row(side: Side, level: PriceLevel, widest: int, instrument: Instrument | None) -> list[Cell]:
    bar = Bar(level.amount, widest, SHADES_OF[side].on_any)
    if instrument is None:
        return [name_of(side), level.price, level.orders, level.amount, bar]
    price, amount = instrument.show_price(level.price), instrument.show_amount(level.amount)
    return [name_of(side), price, level.orders, amount, bar]


def _spread(by_side: dict[Side, OrderBook], instrument: Instrument | None) -> str | int:
    ask, bid = (by_side[side].best_price() if side in by_side else None for side in Side)
    if ask is None or bid is None:
        return "none"
    return ask - bid if instrument is None else instrument.show_price(ask - bid)
