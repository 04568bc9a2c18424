"""What a batch of events writes: rows of the trail, and what they make of orders, trades and fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oms.events import Event, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.journal.connection import Connection
from oms.journal.record import SUM_MODULUS, Head, body_of, link, sum_of
from oms.models import MAX_INT, Order, Trade

__all__ = ["Batch"]

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
_TRADE = "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)"
_FILL = "INSERT INTO fills VALUES (?, ?, ?, ?, ?)"
_ADD = "INSERT INTO orders VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM orders WHERE order_id = ?"
_AMEND = "UPDATE orders SET symbol = ?2, side = ?3, amount = ?4, price = ?5 WHERE order_id = ?1"
_HEAD = (
    "UPDATE heads SET sequence = ?2, next_trade_id = ?3, orders = ?4, orders_sum = ?5, last_hash = ?6,"
    " seal = ?7 WHERE name = ?1"
)


class Batch:
    """Everything that a batch of events writes, in O(events and orders in it), and the head after it.

    `amount_of` says what rests of an order by the file: a trade's last fill may leave a part.
    """

    def __init__(self, events: Sequence[Event], head: Head, amount_of: Callable[[int], int]) -> None:
        self._amount_of = amount_of
        self._changed: dict[int, tuple[Order | None, Order | None]] = {}
        self._rows: dict[str, list[Sequence[Any]]] = {_EVENT: [], _TRADE: [], _FILL: []}
        next_trade_id, last_hash, first = head.next_trade_id, head.last_hash, events[0].sequence
        for event in events:
            kind, body = type(event).__name__, body_of(event)
            last_hash = link(last_hash, event.sequence, first, kind, event.note, body)
            self._rows[_EVENT].append((event.sequence, first, kind, event.note, body, last_hash))
            if isinstance(event, TradePlaced):
                self._trade(event.sequence, event.trade)
                next_trade_id = event.trade.trade_id + 1
            else:
                self._change(event)
        gone, come = self._settle()
        self.head = Head(
            events[-1].sequence,
            next_trade_id,
            head.orders + len(come) - len(gone),
            (head.orders_sum + sum_of(come) - sum_of(gone)) % SUM_MODULUS,
            last_hash,
        )
        self._rows[_HEAD] = [self.head.row("now")]
        self.size = sum(map(len, self._rows.values()))

    def write(self, connection: Connection) -> None:
        """Write it all, inside a transaction of the caller's."""
        for statement, rows in self._rows.items():
            if len(rows) == 1:
                connection.execute(statement, rows[0])
            elif rows:
                connection.executemany(statement, rows)

    # ------------------------------------------------------------------ what becomes of orders

    def _change(self, event: Event) -> None:
        if isinstance(event, OrderAmended):
            self._note(event.before, event.after)
            return
        (subject,) = event.subject()
        many = isinstance(event, OrdersAdded | OrdersRemoved)
        goes = isinstance(event, OrderRemoved | OrdersRemoved)
        for order in subject if many else (subject,):
            self._note(*((order, None) if goes else (None, order)))

    def _trade(self, sequence: int, trade: Trade) -> None:
        trade_id, symbol, side, amount, total_price, fills = trade
        self._rows[_TRADE].append(
            (trade_id, sequence, symbol, side.value, _fitting(amount), _fitting(total_price))
        )
        self._rows[_FILL].extend((trade_id, position, *fill) for position, fill in enumerate(fills))
        for order_id, taken, price in fills[:-1]:
            self._note(Order(order_id, symbol, side, taken, price), None)
        order_id, taken, price = fills[-1]
        known = self._changed.get(order_id, (None, None))[1]
        rested = self._amount_of(order_id) if known is None else known.amount
        left = rested - taken
        self._note(
            Order(order_id, symbol, side, rested, price),
            Order(order_id, symbol, side, left, price) if left else None,
        )

    def _note(self, before: Order | None, after: Order | None) -> None:
        order = before or after
        assert order is not None
        first, _ = self._changed.get(order.order_id, (before, None))
        self._changed[order.order_id] = (first, after)

    def _settle(self) -> tuple[list[Order], list[Order]]:
        """Turn what became of each order into rows; return what is gone, and what came."""
        gone: list[Order] = []
        come: list[Order] = []
        removed: list[Sequence[Any]] = []
        added: list[Sequence[Any]] = []
        amended: list[Sequence[Any]] = []
        for before, after in self._changed.values():
            if before is not None:
                gone.append(before)
            if after is not None:
                come.append(after)
                (added if before is None else amended).append((*after[:2], after.side.value, *after[3:]))
            elif before is not None:
                removed.append((before.order_id,))
        self._rows |= {_REMOVE: removed, _ADD: added, _AMEND: amended}
        return gone, come


def _fitting(number: int) -> int | str:
    """A number as the file can hold it exactly."""
    return number if number <= MAX_INT else str(number)
