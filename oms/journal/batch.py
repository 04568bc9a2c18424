"""What a batch of events writes: rows of the trail, and what they make of orders, trades and fills."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.journal.connection import Connection
from oms.journal.record import SUM_MODULUS, Head, body_of, digest, link, order_text
from oms.models import MAX_INT, Order

__all__ = ["Batch"]

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
_TRADE = "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)"
_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?)"
_ADD = "INSERT INTO orders VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM orders WHERE order_id = ?"
_AMEND = "UPDATE orders SET amount = ?, price = ? WHERE order_id = ?"
_HEAD = "REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
_AMOUNT = "SELECT amount FROM orders WHERE order_id = ?"
_CHANGES = "SELECT total_changes()"


class Batch:
    """Writes a batch of events inside a transaction of the caller's, in O(events and orders in it).

    Rows of one kind that follow each other are written as one. Raises sqlite3.Error, also where a
    row is not there that should change: then the file is not what it was.
    """

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self._before = head
        self._next_trade_id, self._orders, self._sum = head.next_trade_id, head.orders, head.orders_sum
        self._statement = ""
        self._rows: list[Sequence[Any]] = []
        self.size = 0

    def write(self, events: Sequence[Event]) -> Head:
        """Write all of it, and return the head that it ends with."""
        first, last_hash = events[0].sequence, self._before.last_hash
        trail: list[Sequence[Any]] = []
        for event in events:
            kind, sequence, note = type(event), event.sequence, event.note
            body = body_of(event)
            said = digest(body)
            last_hash = link(last_hash, sequence, first, kind.__name__, note, said)
            trail.append((sequence, first, kind.__name__, note, body, last_hash))
            _CHANGE[kind](self, event, said)
        self._flush()
        self._execute(_EVENT, trail)
        head = Head(
            events[-1].sequence, self._next_trade_id, self._orders, self._sum % SUM_MODULUS, last_hash
        )
        self._execute(_HEAD, [head.row("now")])
        return head

    # ------------------------------------------------------------------ what an event changes

    def _add(self, event: OrderAdded, said: bytes) -> None:
        order_id, symbol, side, amount, price = event.order
        self._put(_ADD, (order_id, symbol, side._value_, amount, price))
        self._orders += 1
        self._sum += int.from_bytes(said)  # the body is the text of the order

    def _remove(self, event: OrderRemoved, said: bytes) -> None:
        self._put(_REMOVE, event.order[:1])
        self._orders -= 1
        self._sum -= int.from_bytes(said)

    def _add_many(self, event: OrdersAdded, _: bytes) -> None:
        for order in event.orders:
            self._add(OrderAdded(order, sequence=0), digest(order_text(order)))

    def _remove_many(self, event: OrdersRemoved, _: bytes) -> None:
        for order in event.orders:
            self._remove(OrderRemoved(order, sequence=0), digest(order_text(order)))

    def _amend(self, event: OrderAmended, _: bytes) -> None:
        before, after = event.before, event.after
        self._put(_AMEND, (after.amount, after.price, after.order_id))
        self._sum += int.from_bytes(digest(order_text(after))) - int.from_bytes(digest(order_text(before)))

    def _trade(self, event: TradePlaced, _: bytes) -> None:
        trade_id, symbol, side, amount, total_price, fills = event.trade
        row = (trade_id, event.sequence, symbol, side._value_, _fitting(amount), _fitting(total_price))
        self._put(_TRADE, row)
        for position, fill in enumerate(fills):
            self._put(_FILL, (trade_id, position, *fill))
        for order_id, taken, price in fills[:-1]:
            self._take(Order(order_id, symbol, side, taken, price))
        order_id, taken, price = fills[-1]
        rested = Order(order_id, symbol, side, self._amount_of(order_id), price)
        if rested.amount == taken:
            self._take(rested)
        else:
            after = rested._replace(amount=rested.amount - taken)
            self._amend(OrderAmended(rested, after, sequence=0), b"")
        self._next_trade_id = trade_id + 1

    def _take(self, order: Order) -> None:
        self._remove(OrderRemoved(order, sequence=0), digest(order_text(order)))

    def _amount_of(self, order_id: int) -> int:
        self._flush()
        rows = self._connection.execute(_AMOUNT, (order_id,)).fetchall()
        if len(rows) != 1:
            raise sqlite3.DatabaseError(f"order {order_id} is not in the file")
        amount: int = rows[0][0]
        return amount

    # ------------------------------------------------------------------ rows

    def _put(self, statement: str, row: Sequence[Any]) -> None:
        if statement is not self._statement:
            self._flush()
            self._statement = statement
        self._rows.append(row)

    def _flush(self) -> None:
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        may_miss = self._statement is _REMOVE or self._statement is _AMEND
        before = self._changes() if may_miss else 0
        self._execute(self._statement, rows)
        if may_miss and self._changes() - before != len(rows):
            raise sqlite3.DatabaseError(f"of the orders {rows} not all are in the file")

    def _execute(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self.size += len(rows)
        if len(rows) == 1:
            self._connection.execute(statement, rows[0])
        else:
            self._connection.executemany(statement, rows)

    def _changes(self) -> int:
        count: int
        ((count,),) = self._connection.execute(_CHANGES).fetchall()
        return count


def _fitting(number: int) -> int | str:
    """A number as the file can hold it exactly."""
    return number if number <= MAX_INT else str(number)


_CHANGE: dict[type[Event], Callable[..., None]] = {
    OrderAdded: Batch._add,
    OrdersAdded: Batch._add_many,
    OrderRemoved: Batch._remove,
    OrdersRemoved: Batch._remove_many,
    OrderAmended: Batch._amend,
    TradePlaced: Batch._trade,
}
