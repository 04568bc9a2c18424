"""The part of a journal that writes the register and the last prices of a matching engine to their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oms.engine_books import EntryChange, EntryChanged, LastPrice
from oms.engine_state import EngineState
from oms.journal.connection import Connection
from oms.journal.engine_record import entry_text, price_text
from oms.journal.record import SUM_MODULUS, Head, digest, sum_of_texts

__all__ = ["EngineRows", "engine_head_of"]

_HEAD = "SELECT sequence, next_trade_id, orders, orders_sum, last_hash FROM heads WHERE name = 'engine'"
_SET_HEAD = (
    "UPDATE heads SET sequence = ?, next_trade_id = ?, orders = ?, orders_sum = ?, last_hash = ?, seal = ? "
    "WHERE name = 'engine'"
)
_ADD = "INSERT INTO entries VALUES (?, ?)"
_REMOVE = "DELETE FROM entries WHERE arrival = ?"
_SET_PRICE = "INSERT INTO last_prices VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET price = excluded.price"


class EngineRows:
    """A writer of the entries, the last prices, and the head "engine", inside the caller's transaction.

    `change` executes a statement for rows, and raises sqlite3.DatabaseError if a row to change is missing.
    """

    def __init__(
        self, connection: Connection, change: Callable[[str, Sequence[Sequence[Any]]], None]
    ) -> None:
        self._change = change
        ((_, next_arrival, entries, orders_sum, _),) = connection.execute(_HEAD).fetchall()
        self._next_arrival: int = next_arrival
        self._entries: int = entries
        self._sum = int.from_bytes(orders_sum)

    def change(self, kind: type, subject: Any) -> None:
        """Write an elementary change of the register or of a last price. O(log n) for n open orders."""
        if kind is EntryChanged:
            self._change_entry(subject)
        else:
            self._change_price(subject)

    def _change_entry(self, change: EntryChange) -> None:
        before, after = change
        if before is not None:
            self._change(_REMOVE, [(before.arrival,)])
            self._count(entry_text(before), -1)
            self._entries -= 1
        if after is not None:
            body = entry_text(after)
            self._change(_ADD, [(after.arrival, body)])
            self._count(body, 1)
            self._entries += 1
            self._next_arrival = max(self._next_arrival, after.arrival + 1)

    def _change_price(self, change: LastPrice) -> None:
        symbol, before, after = change
        if before is not None:
            self._count(price_text(symbol, before), -1)
        self._change(_SET_PRICE, [(symbol, after)])
        self._count(price_text(symbol, after), 1)

    def _count(self, text: str, sign: int) -> None:
        self._sum += sign * int.from_bytes(digest(text))

    def write_head(self, sequence: int, last_hash: bytes) -> None:
        """Write the head, after the last event of the batch."""
        head = Head(sequence, self._next_arrival, self._entries, self._sum % SUM_MODULUS, last_hash)
        self._change(_SET_HEAD, [head.row("engine")[1:]])


def engine_head_of(state: EngineState, sequence: int, last_hash: bytes) -> Head:
    """Return the head of an engine's state after event number `sequence`. O(n) for n orders."""
    next_arrival, entries, last_prices, _ = state
    texts = [*map(entry_text, entries), *(price_text(*pair) for pair in last_prices)]
    return Head(sequence, next_arrival, len(entries), sum_of_texts(texts), last_hash)
