"""Copy the state of all books, pack it for a pickle, and check a snapshot.

The problem: pickling a million orders as objects takes seconds, because pickle handles each object and each
field separately.

The solution: a pickle stores each book as four columns of 64-bit integers, as bytes. They contain the level
prices, the number of orders at each level, the order ids, and the order amounts. The rows are sorted best
first, so books can be rebuilt without sorting or searching.

Invariants:

- The digest is a hash of the counters, symbols, sides, and columns. If it matches, the state is exactly what
  was pickled, and no other check is needed.
- A copy and its original share only the order rows, which are immutable.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, cast

from oms.books import Books
from oms.errors import InvalidArgumentError
from oms.events import Snapshot
from oms.models import Side, check_positive
from oms.order_rows import check_orders

__all__ = ["checked_snapshot", "copy_books", "pack", "unpack"]

PackedBook = tuple[str, str, tuple[bytes, ...]]
"""The symbol, the side as a string, and the four columns of `OrderBook.columns` as bytes."""

PackedBooks = tuple[int, int, tuple[PackedBook, ...], bytes]
"""The last sequence number, the next trade id, the books, and a digest of these three."""


def pack(books: Books, sequence: int) -> PackedBooks:
    """Pack the state of all books. `sequence` is the last sequence number. O(n) for n orders."""
    packed = tuple(
        (symbol, side.value, tuple(map(_to_bytes, book.columns())))
        for (symbol, side), book in books.by_name.items()
    )
    return sequence, books.next_trade_id, packed, _digest(sequence, books.next_trade_id, packed)


def unpack(state: Any, books: Books) -> int:
    """Load `state["books"]` into empty books, and return the last sequence number. O(n) for n orders.

    Raises InvalidArgumentError if `pack` did not return this value. The books are then still empty.
    """
    if not _is_intact(state):
        raise InvalidArgumentError("state", state, "an undamaged state that this version of oms pickled")
    sequence, next_trade_id, packed_books, _ = state["books"]
    for symbol, side, columns in packed_books:
        books.open(symbol, Side(side)).load(*map(_from_bytes, columns))
    books.next_trade_id = next_trade_id
    return cast("int", sequence)


def _is_intact(state: Any) -> bool:
    try:
        sequence, next_trade_id, packed_books, digest = state["books"]
        return bool(digest == _digest(sequence, next_trade_id, packed_books))
    except (KeyError, TypeError, ValueError):  # not a dict with a tuple of these values
        return False


def _digest(sequence: int, next_trade_id: int, packed_books: tuple[PackedBook, ...]) -> bytes:
    sizes = [(symbol, side, list(map(len, columns))) for symbol, side, columns in packed_books]
    digest = hashlib.sha256(repr((sequence, next_trade_id, sizes)).encode())
    for _, _, columns in packed_books:
        for column in columns:
            digest.update(column)
    return digest.digest()


def _to_bytes(column: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(column)}q", *column)


def _from_bytes(column: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(column) // 8}q", column)


def copy_books(source: Books, target: Books) -> None:
    """Copy all orders, levels, and counters from `source` to `target`, which must be empty.

    O(n) for n orders.
    """
    target.orders.update(source.orders)
    for name, book in source.by_name.items():
        target.by_name[name] = book.copy(target.orders)
    target.next_trade_id = source.next_trade_id


def checked_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot if it is valid.

    Otherwise, raise InvalidArgumentError, InvalidOrderError, or DuplicateOrderError.
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
