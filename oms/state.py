"""Copy the state of a ledger and its books, pack it for a pickle, and check a snapshot.

The problem: pickling a million orders as objects takes seconds, because pickle handles each object and each
field separately.

The solution: a pickle stores each book as four columns of 64-bit integers, as bytes. They contain the level
prices, the number of orders at each level, the order ids, and the order amounts. The rows are sorted best
first, so books can be rebuilt without sorting or searching.

Invariants:

- The digest is a hash of the counters, symbols, sides, columns, and instruments. If it matches, the state is
  exactly what was pickled, and no other check is needed.
- A copy and its original share only the order rows, which are immutable.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from oms.books import Books
from oms.errors import InvalidArgumentError
from oms.events import Snapshot
from oms.instrument import Instrument
from oms.ledger import Ledger
from oms.models import Side, check_positive
from oms.order_rows import check_orders
from oms.reference_data import check_instruments

__all__ = ["checked_snapshot", "copy_state", "pack", "snapshot_of", "unpack"]

PackedBook = tuple[str, str, tuple[bytes, ...]]
"""The symbol, the side as a string, and the four columns of `OrderBook.columns` as bytes."""

PackedInstruments = tuple[tuple[str, dict[str, Any]], ...]
"""The symbol and the fields of each instrument."""

PackedState = tuple[Any, ...]
"""The last sequence number, the next trade id, the books, the instruments, the extra, and a digest of these.

The extra is what `Books.extra` returns. A pickle from an earlier version does not contain the instruments.
"""


def pack(ledger: Ledger) -> PackedState:
    """Pack the state of a ledger and its books. O(n) for n orders."""
    books = ledger.books
    packed = tuple(
        (symbol, side.value, tuple(map(_to_bytes, book.columns())))
        for (symbol, side), book in books.by_name.items()
    )
    instruments = tuple((symbol, asdict(each)) for symbol, each in books.instruments.items())
    values = ledger.sequence, books.next_trade_id, packed, instruments, *books.extra()
    return *values, _digest(*values)


def unpack(state: Any, ledger: Ledger) -> None:
    """Load `state["books"]` into a ledger with empty books. O(n) for n orders.

    Raises InvalidArgumentError if `pack` did not return this value, or if the state is of a different class.
    The books are then still empty.
    """
    if not _is_intact(state):
        raise InvalidArgumentError("state", state, "an undamaged state that this version of oms pickled")
    sequence, next_trade_id, packed_books, *others, _ = state["books"]
    if len(others[1:]) != len(ledger.books.extra()):
        allowed = "the state of an object of the same class, OrderManagement or MatchingEngine"
        raise InvalidArgumentError("state", state, allowed)
    ledger.sequence, ledger.books.next_trade_id = sequence, next_trade_id
    for symbol, side, columns in packed_books:
        ledger.books.open(symbol, Side(side)).load(*map(_from_bytes, columns))
    for each in others[:1]:
        ledger.books.instruments = {symbol: Instrument(**fields) for symbol, fields in each}
    ledger.books.load_extra(tuple(others[1:]))


def _is_intact(state: Any) -> bool:
    try:
        *values, digest = state["books"]
        return bool(digest == _digest(*values))
    except (KeyError, TypeError, ValueError):  # not a dict with a tuple of these values
        return False


def _digest(
    sequence: int, next_trade_id: int, packed_books: tuple[PackedBook, ...], *others: object
) -> bytes:
    sizes = [(symbol, side, list(map(len, columns))) for symbol, side, columns in packed_books]
    digest = hashlib.sha256(repr((sequence, next_trade_id, sizes, *others)).encode())
    for _, _, columns in packed_books:
        for column in columns:
            digest.update(column)
    return digest.digest()


def _to_bytes(column: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(column)}q", *column)


def _from_bytes(column: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(column) // 8}q", column)


def copy_state(source: Ledger, target: Ledger) -> None:
    """Copy the whole state to `target`, which must be empty. O(n) for n orders."""
    source.books.copy_to(target.books)
    target.sequence = source.sequence


def checked_snapshot(snapshot: Snapshot, books: Books) -> Snapshot:
    """Return the snapshot if it is valid for books of this class.

    Otherwise, raise InvalidArgumentError, InvalidOrderError, or DuplicateOrderError.
    """
    if not isinstance(cast("object", snapshot), Snapshot):
        raise InvalidArgumentError("snapshot", snapshot, "a Snapshot", "get one from the method snapshot()")
    sequence, next_trade_id, orders, instruments, _ = snapshot
    if type(sequence) is not int or sequence < 0:
        raise InvalidArgumentError("sequence", sequence, "an int >= 0")
    check_positive("next_trade_id", next_trade_id, InvalidArgumentError)
    if type(orders) is not tuple:
        raise InvalidArgumentError("orders", orders, "a tuple of Order", "convert with tuple(orders)")
    check_orders(orders)
    Books().check_new(orders)
    _check_pairs(instruments)
    books.check_engine_state(snapshot)
    return snapshot


def snapshot_of(ledger: Ledger) -> Snapshot:
    """Return the state of a ledger and its books. O(n) for n orders."""
    books = ledger.books
    orders = tuple(order for book in books.select(None, None) for order in book.orders())
    return Snapshot(
        ledger.sequence, books.next_trade_id, orders, tuple(books.instruments.items()), books.engine_state()
    )


def _check_pairs(instruments: tuple[tuple[str, Instrument], ...]) -> None:
    """Raise InvalidArgumentError unless the value is a tuple of pairs as in a Snapshot."""
    if type(instruments) is tuple and all(type(pair) is tuple and len(pair) == 2 for pair in instruments):
        by_symbol = dict(instruments)
        check_instruments(by_symbol)
        if sorted(by_symbol) == [symbol for symbol, _ in instruments]:
            return
    allowed = "a tuple of pairs of a symbol and an Instrument, sorted by symbol"
    raise InvalidArgumentError(
        "instruments", instruments, allowed, "write tuple(sorted(instruments.items()))"
    )
