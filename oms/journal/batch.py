"""The part of a journal that writes a batch to the event log and to the tables of orders, trades, and fills.

A batch contains all events of one transaction, or the single event of a change outside a transaction. Its
events are committed together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from oms.engine_events import ENGINE_KINDS, EngineEvent
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
from oms.journal.connection import Connection
from oms.journal.engine_record import entry_text
from oms.journal.engine_rows import EngineRows
from oms.journal.record import FORMATS, SUM_MODULUS, Head, body_of, digest, link, order_text
from oms.models import MAX_INT, Order, Trade

__all__ = ["Batch", "CHANGES", "state_rows", "trade_rows"]

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
_TRADE = "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)"
_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?)"
_ADD = "INSERT INTO orders VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM orders WHERE order_id = ?"
_AMEND = "UPDATE orders SET amount = ?, price = ? WHERE order_id = ?"
_HEAD = (
    "UPDATE heads SET sequence = ?, next_trade_id = ?, orders = ?, orders_sum = ?, last_hash = ?, seal = ? "
    "WHERE name = 'now' AND last_hash = ?"
)

_CHANGES_MODULUS = 2**32  # SQLite counts changes modulo this number


class Batch:
    """One batch, written inside the caller's transaction.

    Consecutive events of the same kind are written together. Raises sqlite3.Error if a write fails, or if a
    row to change is missing. A missing row means that another program has changed the file. O(n) for n events
    and orders in the batch.
    """

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self._previous_head = head
        self._next_trade_id, self._orders, self._sum = head.next_trade_id, head.orders, head.orders_sum
        self._engine: EngineRows | None = None
        self.size = 0

    def write(self, events: Sequence[Event]) -> Head:
        """Write all events, and return the new head."""
        first, last_hash = events[0].sequence, self._previous_head.last_hash
        rows: list[Sequence[Any]] = []
        for kind, run in groupby(events, type):
            same_kind, name = list(run), kind.__name__
            write_body, _ = FORMATS[kind]
            bodies = list(map(write_body, same_kind))
            digests = list(map(digest, bodies))
            for event, body, body_digest in zip(same_kind, bodies, digests, strict=True):
                sequence, note, time = event.sequence, event.note, event.time
                last_hash = link(last_hash, sequence, first, name, note, time, body_digest)
                rows.append((sequence, first, name, note, body, last_hash, time))
            CHANGES[kind](self, same_kind, digests)
        self._write(_EVENT, rows)
        if self._engine is not None:
            self._engine.write_head(events[-1].sequence, last_hash)
        head = Head(
            events[-1].sequence, self._next_trade_id, self._orders, self._sum % SUM_MODULUS, last_hash
        )
        self._change(_HEAD, [(*head.row("now")[1:], self._previous_head.last_hash)])
        return head

    # ------------------------------------------------------------------ changes for each kind of event

    def _added(self, events: Sequence[OrderAdded], digests: Sequence[bytes]) -> None:
        self._add([event.order for event in events], digests)  # the event and the order have the same JSON

    def _added_many(self, events: Sequence[OrdersAdded], _: object) -> None:
        for event in events:
            self._add(event.orders, _digests(event.orders))

    def _removed(self, events: Sequence[OrderRemoved], digests: Sequence[bytes]) -> None:
        self._remove([event.order for event in events], digests)

    def _removed_many(self, events: Sequence[OrdersRemoved], _: object) -> None:
        for event in events:
            self._remove(event.orders, _digests(event.orders))

    def _amended(self, events: Sequence[OrderAmended], _: object) -> None:
        before, after = [event.before for event in events], [event.after for event in events]
        self._change(_AMEND, [(order.amount, order.price, order.order_id) for order in after])
        self._sum += _sum(_digests(after)) - _sum(_digests(before))

    def _traded(self, events: Sequence[TradePlaced], _: object) -> None:
        rows = trade_rows(events)
        self._write(_TRADE, rows["trades"])
        self._write(_FILL, rows["fills"])
        for event in events:
            self._remove_filled(event.trade, event.remaining)
        self._next_trade_id = events[-1].trade.trade_id + 1

    def _remove_filled(self, trade: Trade, remaining: int | None) -> None:
        """Remove the filled orders. If the last fill is partial, reduce its order instead."""
        assert remaining is not None, "only events of this version are appended"
        filled = [Order(fill[0], trade.symbol, trade.side, *fill[1:]) for fill in trade.fills]
        if remaining:
            last = filled.pop()
            before, after = (last._replace(amount=amount) for amount in (last.amount + remaining, remaining))
            self._amended([OrderAmended(before, after, sequence=0)], None)
        self._remove(filled, _digests(filled))

    def _of_engine(self, events: Sequence[EngineEvent], _: object) -> None:
        self._engine = self._engine or EngineRows(self._connection, self._change)
        for event in events:
            for kind, subject in event.changes:
                if kind in CHANGES:
                    part = kind.about(subject, event.sequence, None, None)
                    CHANGES[kind](self, [part], [digest(body_of(part))])
                else:
                    self._engine.change(kind, subject)

    # ------------------------------------------------------------------ rows

    def _add(self, orders: Sequence[Order], digests: Sequence[bytes]) -> None:
        rows = [
            (order_id, symbol, side._value_, amount, price)
            for order_id, symbol, side, amount, price in orders
        ]
        self._write(_ADD, rows)
        self._orders += len(orders)
        self._sum += _sum(digests)

    def _remove(self, orders: Sequence[Order], digests: Sequence[bytes]) -> None:
        self._change(_REMOVE, [order[:1] for order in orders])
        self._orders -= len(orders)
        self._sum -= _sum(digests)

    def _change(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        before = self._connection.total_changes
        self._write(statement, rows)
        if (self._connection.total_changes - before) % _CHANGES_MODULUS != len(rows):
            raise sqlite3.DatabaseError(f"a row to change is not in the file (rows to change: {len(rows)})")

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self.size += len(rows)
        if len(rows) == 1:
            self._connection.execute(statement, rows[0])
        else:
            self._connection.executemany(statement, rows)


def _digests(orders: Sequence[Order]) -> list[bytes]:
    return [digest(order_text(order)) for order in orders]


def _sum(digests: Sequence[bytes]) -> int:
    return sum(map(int.from_bytes, digests))


def trade_rows(events: Sequence[TradePlaced]) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows that these events add to the tables `trades` and `fills`."""
    trades = [event.trade for event in events]
    fills: list[tuple[object, ...]] = [
        (trade.trade_id, position, *fill) for trade in trades for position, fill in enumerate(trade.fills)
    ]
    return {"trades": [_trade_row(event) for event in events], "fills": fills}


def state_rows(state: Snapshot) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of a state in the tables `orders`, `entries`, and `last_prices`. O(n) for n orders."""
    orders: list[tuple[object, ...]] = [
        (order_id, symbol, side.value, amount, price)
        for order_id, symbol, side, amount, price in state.orders
    ]
    entries, last_prices = ((), ()) if state.engine is None else state.engine[1:3]
    return {
        "orders": orders,
        "entries": [(entry.arrival, entry_text(entry)) for entry in entries],
        "last_prices": list(last_prices),
    }


def _trade_row(event: TradePlaced) -> tuple[object, ...]:
    trade_id, symbol, side, amount, total_price, _ = event.trade
    return trade_id, event.sequence, symbol, side._value_, _in_64_bits(amount), _in_64_bits(total_price)


def _in_64_bits(number: int) -> int | str:
    """Return the number, or its decimal string if it does not fit in 64 bits."""
    return number if number <= MAX_INT else str(number)


CHANGES: dict[type[Event], Callable[..., None]] = {
    OrderAdded: Batch._added,
    OrdersAdded: Batch._added_many,
    OrderRemoved: Batch._removed,
    OrdersRemoved: Batch._removed_many,
    OrderAmended: Batch._amended,
    TradePlaced: Batch._traded,
    **dict.fromkeys(ENGINE_KINDS, Batch._of_engine),
}
"""For each kind of event, the method that updates the tables. It takes the events and their digests."""
