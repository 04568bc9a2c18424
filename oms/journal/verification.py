"""Verification: replay the whole event log by the verbs, and compare the result with all other tables."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, NamedTuple

from oms.errors import JournalError, OmsError
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
from oms.journal.connection import reported
from oms.journal.event_log import EventLog
from oms.journal.log_state import read_state
from oms.management import OrderManagement
from oms.models import OrderFill, Side, Trade

__all__ = ["REPEAT", "Verification", "replayed", "state_after", "verify_event_log"]


_DIGITS_OF_64_BITS = 18


class Verification(NamedTuple):
    """The result of a verification that found no damage.

    `events` counts the events from `first` to `last`. `state_hash` is that of the resting orders and
    counters. `warning` says that events after `last` may be missing, or is None; see `verify`.
    """

    first: int
    last: int
    events: int
    trades: int
    orders: int
    state_hash: str
    warning: str | None = None


def verify_event_log(event_log: EventLog) -> Verification:
    """Replay all events and compare hashes, orders, trades and fills; O(events). Raises JournalError."""
    with reported(event_log.place, "it cannot be read"):
        for (answer,) in event_log.connection.execute("PRAGMA integrity_check").fetchall():
            if answer != "ok":
                raise JournalError(event_log.place, f"SQLite finds it damaged: {answer}")
    start, end = event_log.head("snapshot"), event_log.head("now")
    event_log.check_end(end)
    for _ in event_log.noted():
        pass
    event_log.replies()
    read_state(event_log.connection, event_log.place)
    with closing(_Trades(event_log)) as trades:
        om = replayed(event_log, end.sequence, trades.take)
        trades.check_end()
    orders = event_log.orders("orders", end)
    now = OrderManagement.from_snapshot(Snapshot(end.sequence, end.next_trade_id, orders))
    if now.state_hash() != om.state_hash():
        raise JournalError(f"{event_log.place}: orders", "they are not what the events come to")
    return Verification(
        start.sequence + 1,
        end.sequence,
        end.sequence - start.sequence,
        trades.taken,
        len(om),
        om.state_hash(),
    )


def state_after(event_log: EventLog, sequence: int) -> OrderManagement:
    """Return the books as they were after an event, by replaying all before it. Raises JournalError."""
    return replayed(event_log, sequence, lambda _: None)


def replayed(event_log: EventLog, until: int, also: Callable[[TradePlaced], None]) -> OrderManagement:
    """Return the books as they were after event `until`; call `also` with each trade. Raises JournalError."""
    start = event_log.head("snapshot")
    orders = event_log.orders("snapshot", start)
    om = OrderManagement.from_snapshot(Snapshot(start.sequence, start.next_trade_id, orders))
    published: list[Event] = []
    om.subscribe(published.append)
    batch = 0
    for row in event_log.rows(start.sequence + 1):
        sequence, first = row[:2]
        if sequence > until:
            break
        place = f"{event_log.place}: events, sequence {sequence}"
        event = event_log.event(row)
        if first not in (batch, sequence):
            raise JournalError(place, f"it says that it belongs to a batch which began with {first}")
        batch = first
        try:
            with om.transaction(event.note):
                REPEAT[type(event)](om, event)
        except (OmsError, TypeError) as error:
            raise JournalError(place, f"it cannot have happened: {error}") from error
        if [_as_stored(each, event) for each in published] != [event]:
            raise JournalError(place, f"it cannot have happened: it would have been {published}")
        published.clear()
        if isinstance(event, TradePlaced):
            also(event)
    return om


def _as_stored(repeated: Event, stored: Event) -> Event:
    """Return a repeated event as its journal stores it: an earlier version has no field `remaining`."""
    if isinstance(stored, TradePlaced) and isinstance(repeated, TradePlaced) and stored.remaining is None:
        return repeated._replace(remaining=None)
    return repeated


def _selection(om: OrderManagement, orders: tuple[Any, ...]) -> tuple[str | None, Side | None]:
    """Return the narrowest symbol and side that select exactly these orders."""
    _, symbol, side, _, _ = orders[0]
    candidates = ((symbol, side), (symbol, None), (None, side), (None, None))
    return next((each for each in candidates if om.orders(*each) == orders), (None, None))


def _amend(om: OrderManagement, event: OrderAmended) -> None:
    om.amend_order(event.after.order_id, amount=event.after.amount, price=event.after.price)


def _trade(om: OrderManagement, event: TradePlaced) -> None:
    om.place_trade(event.trade.symbol, event.trade.side, event.trade.amount)


REPEAT: dict[type[Event], Callable[[OrderManagement, Any], object]] = {
    OrderAdded: lambda om, event: om.add_order(*event.order),
    OrdersAdded: lambda om, event: om.add_orders(event.orders),
    OrderRemoved: lambda om, event: om.remove_order(event.order.order_id),
    OrdersRemoved: lambda om, event: om.remove_orders(*_selection(om, event.orders)),
    OrderAmended: _amend,
    TradePlaced: _trade,
}
"""The verb that makes each kind of event."""


class _Trades:
    """The tables of trades and fills, read in step with the events that wrote them."""

    def __init__(self, event_log: EventLog) -> None:
        self.taken = 0
        self._place = f"{event_log.place}: trades"
        self._rows = self._read(event_log)

    def take(self, event: TradePlaced) -> None:
        """Compare the next trade in the table with the event's. Raises JournalError."""
        with reported(self._place, "it cannot be read"):
            found = next(self._rows, None)
        if found != (event.sequence, event.trade):
            place = f"{self._place}, trade {event.trade.trade_id}"
            raise JournalError(place, f"it is not what event {event.sequence} says")
        self.taken += 1

    def check_end(self) -> None:
        """Raise JournalError if the table has more trades."""
        with reported(self._place, "it cannot be read"):
            more = next(self._rows, None)
        if more is not None:
            raise JournalError(self._place, f"there is one too many: {more}")

    def close(self) -> None:
        """End the query; unfinished, it would keep the file locked while an error refers to it."""
        self._rows.close()

    def _read(self, event_log: EventLog) -> Generator[tuple[int, Trade]]:
        execute = event_log.connection.execute
        fills = iter(execute("SELECT * FROM fills ORDER BY trade_id, position"))
        fill = next(fills, None)
        for trade_id, sequence, symbol, side, amount, total in execute(
            "SELECT * FROM trades ORDER BY trade_id"
        ):
            taken: list[OrderFill] = []
            while fill is not None and fill[:2] == (trade_id, len(taken)):
                taken.append(OrderFill(*fill[2:]))
                fill = next(fills, None)
            exact = Trade(trade_id, symbol, side, _exact(amount), _exact(total), tuple(taken))
            yield sequence, exact
        if fill is not None:
            raise JournalError(f"{event_log.place}: fills, trade {fill[0]}", "it belongs to no trade")


def _exact(number: Any) -> Any:
    """Return the number that a text of more than 64 bits holds; return any other value unchanged."""
    return (
        int(number)
        if type(number) is str and number.isdecimal() and len(number) > _DIGITS_OF_64_BITS
        else number
    )
