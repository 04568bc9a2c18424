"""The whole state of the books at once: checked, copied, and packed into columns for a pickle.

The problem: a pickle of a million orders as objects takes seconds to write and to read, mostly for making
objects and comparing them with those that the pickle has already.

The solution: a pickle holds columns of 64-bit integers as bytes, four for each book: the prices of its
levels, the number of orders at each, and the ids and the amounts of the orders. All are best first, so
reading them takes neither a sort nor a search.

Invariants:

- A digest covers the counters, the names of the books, and the columns. So what is read is what was written,
  and needs no other check. Everything else raises an error.
- A copy shares with its original the rows of the orders, which never change, and nothing else.
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

__all__ = ["Packed", "checked_snapshot", "copy_books", "pack", "unpack"]

PackedBook = tuple[str, str, tuple[bytes, ...]]
"""A symbol, a side as text, and the four columns of `OrderBook.columns`."""

Packed = tuple[int, int, tuple[PackedBook, ...], bytes]
"""The sequence number of the last event, the next trade id, the books, and the digest over these."""


def pack(books: Books, sequence: int) -> Packed:
    """Return the state after the event numbered `sequence`, in O(n)."""
    packed = tuple(
        (symbol, side.value, tuple(map(_to_bytes, book.columns())))
        for (symbol, side), book in books.by_name.items()
    )
    return sequence, books.next_trade_id, packed, _digest(sequence, books.next_trade_id, packed)


def unpack(state: Any, books: Books) -> int:
    """Fill empty books with the packed state at the key "books", and return its sequence number, in O(n).

    Raises InvalidArgumentError for anything but what `pack` returned.
    """
    damaged = InvalidArgumentError("state", state, "what this version of oms has pickled, undamaged")
    try:
        sequence, next_trade_id, packed, digest = state["books"]
        expected = _digest(sequence, next_trade_id, packed)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged from error
    if digest != expected:
        raise damaged
    for symbol, side, columns in packed:
        books.open(symbol, Side(side)).load(*map(_from_bytes, columns))
    books.next_trade_id = next_trade_id
    return cast("int", sequence)


def _digest(sequence: int, next_trade_id: int, packed: tuple[PackedBook, ...]) -> bytes:
    sizes = [(symbol, side, list(map(len, columns))) for symbol, side, columns in packed]
    digest = hashlib.sha256(repr((sequence, next_trade_id, sizes)).encode())
    for _, _, columns in packed:
        for column in columns:
            digest.update(column)
    return digest.digest()


def _to_bytes(column: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(column)}q", *column)


def _from_bytes(column: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(column) // 8}q", column)


def copy_books(books: Books, twin: Books) -> None:
    """Make empty books equal to others, in O(n)."""
    twin.orders.update(books.orders)
    for name, book in books.by_name.items():
        twin.by_name[name] = book.copy(twin.orders)
    twin.next_trade_id = books.next_trade_id


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
