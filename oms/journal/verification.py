"""Verification: replay the whole event log, and compare the result with all other tables."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, NamedTuple

from oms.engine_events import ENGINE_KINDS, EngineEvent
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
from oms.journal.engine_replay import Replay, trades_of
from oms.journal.event_log import EventLog
from oms.journal.log_state import read_state
from oms.journal.record import EMPTY
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import OrderFill, Side, Trade

__all__ = ["REPLAY", "Verification", "replayed", "state_after", "verify_event_log"]


_DIGITS_OF_64_BITS = 18


class Verification(NamedTuple):
    """The result of a verification that found no damage.

    `events` is the number of events from `first` to `last`. `state_hash` is a hash of the resting orders and
    the counters. `warning` is a message if events after `last` may be missing, or None if not. See `verify`.
    """

    first: int
    last: int
    events: int
    trades: int
    orders: int
    state_hash: str
    warning: str | None = None


def verify_event_log(event_log: EventLog) -> Verification:
    """Replay all events, and compare the result with the hashes, orders, trades, and fills.

    Raises JournalError with the first location that is damaged. O(n log n) for n events and orders.
    """
    with reported(event_log.place, "it cannot be read"):
        for (result,) in event_log.connection.execute("PRAGMA integrity_check").fetchall():
            if result != "ok":
                raise JournalError(event_log.place, f"SQLite finds it damaged: {result}")
    start, end = event_log.head("snapshot"), event_log.head("now")
    event_log.check_end(end)
    for _ in event_log.noted():
        pass
    event_log.replies()
    event_log.instruments()
    read_state(event_log.connection, event_log.place)
    with closing(_Trades(event_log)) as trades:
        om = replayed(event_log, end.sequence, trades.check)
        trades.check_end()
    orders = event_log.orders("orders", end)
    sequence, next_trade_id, resting, _, engine = om.snapshot()
    result = sequence, next_trade_id, sorted(resting)
    if result != (end.sequence, end.next_trade_id, sorted(orders)):
        raise JournalError(f"{event_log.place}: orders", "they do not match the events")
    if engine != event_log.engine_state("engine", end):
        raise JournalError(f"{event_log.place}: entries", "they do not match the events")
    first, events = start.sequence + 1, end.sequence - start.sequence
    return Verification(first, end.sequence, events, trades.count, len(om), om.state_hash())


def state_after(event_log: EventLog, sequence: int) -> OrderManagement | MatchingEngine:
    """Rebuild the order books as of event number `sequence`. Raises JournalError if an event is damaged."""
    return replayed(event_log, sequence, lambda _: None)


def replayed(
    event_log: EventLog, last: int, on_trade: Callable[[TradePlaced], None]
) -> OrderManagement | MatchingEngine:
    """Rebuild the order books as of event number `last`. Call `on_trade` with each trade event.

    Raises JournalError if an event is damaged.
    """
    start = event_log.head("snapshot")
    orders = event_log.orders("snapshot", start)
    engine = event_log.engine_state("engine_snapshot", start)
    is_engine = event_log.head("engine") != EMPTY
    snapshot = Snapshot(start.sequence, start.next_trade_id, orders, engine=engine)
    om = _restored(event_log, snapshot, is_engine=is_engine)
    batch = start.sequence + 1
    for row in event_log.rows(start.sequence + 1):
        sequence, first = row[:2]
        if sequence > last:
            break
        event = event_log.event(row)
        if first not in (batch, sequence):
            allowed = sequence if batch == sequence else f"{batch} or {sequence}"
            raise _damage(event_log, sequence, f"its batch must be {allowed}, not {first}")
        batch = first
        kind = type(event)
        if kind not in om._books.kinds:
            raise _damage(event_log, sequence, f"a journal of {type(om).__name__} has no {kind.__name__}")
        try:
            reproduced = REPLAY[kind](om, event)
        except (OmsError, LookupError, TypeError) as error:
            raise _damage(event_log, sequence, f"it cannot have happened: {error}") from error
        if not reproduced:
            raise _damage(event_log, sequence, "it cannot have happened: its replay has a different result")
        for trade in trades_of(event):
            on_trade(trade)
    return om


def _restored(
    event_log: EventLog, snapshot: Snapshot, *, is_engine: bool
) -> OrderManagement | MatchingEngine:
    """Restore the state before the first event in the event log. Raises JournalError."""
    if is_engine and not snapshot.sequence:
        return MatchingEngine()
    kind = MatchingEngine if is_engine else OrderManagement
    try:
        return kind.from_snapshot(snapshot)
    except OmsError as error:
        raise JournalError(f"{event_log.place}: snapshot", f"it is not valid: {error}") from error


def _damage(event_log: EventLog, sequence: int, problem: str) -> JournalError:
    return JournalError(f"{event_log.place}: events, sequence {sequence}", problem)


def _selection(om: OrderManagement, orders: tuple[Any, ...]) -> tuple[str | None, Side | None]:
    """Return the most specific `remove_orders` arguments that remove exactly these orders."""
    _, symbol, side, _, _ = orders[0]
    candidates = ((symbol, side), (symbol, None), (None, side), (None, None))
    return next((candidate for candidate in candidates if om.orders(*candidate) == orders), (None, None))


def _add(om: OrderManagement, event: OrderAdded) -> bool:
    om.add_order(*event.order)
    return True


def _add_many(om: OrderManagement, event: OrdersAdded) -> bool:
    om.add_orders(event.orders)
    return len(event.orders) > 0


def _remove(om: OrderManagement, event: OrderRemoved) -> bool:
    order = om.get_order(event.order.order_id)
    om.remove_order(order.order_id)
    return order == event.order


def _remove_many(om: OrderManagement, event: OrdersRemoved) -> bool:
    return om.remove_orders(*_selection(om, event.orders)) == event.orders


def _amend(om: OrderManagement, event: OrderAmended) -> bool:
    before = om.get_order(event.after.order_id)
    after = om.amend_order(event.after.order_id, amount=event.after.amount, price=event.after.price)
    return before != after and (before, after) == (event.before, event.after)


def _trade(om: OrderManagement, event: TradePlaced) -> bool:
    trade = om.place_trade(event.trade.symbol, event.trade.side, event.trade.amount)
    last_id = trade.fills[-1].order_id
    remaining = om.get_order(last_id).amount if last_id in om else 0
    return trade == event.trade and event.remaining in {None, remaining}  # old events have no `remaining`


def _of_engine(engine: MatchingEngine, event: EngineEvent) -> bool:
    reproduced = Replay(engine._books, event).run()
    engine._ledger.sequence += 1
    return reproduced


REPLAY: dict[type[Event], Callable[[Any, Any], bool]] = {
    OrderAdded: _add,
    OrdersAdded: _add_many,
    OrderRemoved: _remove,
    OrdersRemoved: _remove_many,
    OrderAmended: _amend,
    TradePlaced: _trade,
    **dict.fromkeys(ENGINE_KINDS, _of_engine),
}
"""For each kind of event, a function that replays it. It returns True if the result equals the event."""


class _Trades:
    """A reader for the `trades` and `fills` tables that advances in step with the events."""

    def __init__(self, event_log: EventLog) -> None:
        self.count = 0
        self._place = f"{event_log.place}: trades"
        self._rows = self._read(event_log)

    def check(self, event: TradePlaced) -> None:
        """Raise JournalError unless the next trade in the table is the event's trade."""
        with reported(self._place, "it cannot be read"):
            row = next(self._rows, None)
        if row != (event.sequence, event.trade):
            place = f"{self._place}, trade {event.trade.trade_id}"
            raise JournalError(place, f"it differs from event {event.sequence}")
        self.count += 1

    def check_end(self) -> None:
        """Raise JournalError if the table contains another trade, which would not belong to an event."""
        with reported(self._place, "it cannot be read"):
            row = next(self._rows, None)
        if row is not None:
            raise JournalError(self._place, f"no event placed this trade: {row[1]}")

    def close(self) -> None:
        """End the query. Otherwise, an exception's traceback could keep it open and the file locked."""
        self._rows.close()

    def _read(self, event_log: EventLog) -> Generator[tuple[int, Trade]]:
        execute = event_log.connection.execute
        fills = iter(execute("SELECT * FROM fills ORDER BY trade_id, position"))
        fill = next(fills, None)
        for trade_id, sequence, symbol, side, amount, total in execute(
            "SELECT * FROM trades ORDER BY trade_id"
        ):
            trade_fills: list[OrderFill] = []
            while fill is not None and fill[:2] == (trade_id, len(trade_fills)):
                trade_fills.append(OrderFill(*fill[2:]))
                fill = next(fills, None)
            trade = Trade(trade_id, symbol, side, _exact(amount), _exact(total), tuple(trade_fills))
            yield sequence, trade
        if fill is not None:
            raise JournalError(
                f"{event_log.place}: fills, trade {fill[0]}", "its trade, or a fill, is missing"
            )


def _exact(number: Any) -> Any:
    """Convert a decimal string that is too long for 64 bits to an int. Return other values unchanged."""
    return (
        int(number)
        if type(number) is str and number.isdecimal() and len(number) > _DIGITS_OF_64_BITS
        else number
    )
