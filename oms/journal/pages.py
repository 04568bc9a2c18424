"""Pages of events and trades, for programs that read a few of them at a time."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from oms.errors import JournalError
from oms.events import Event, TradePlaced
from oms.journal.connection import reported
from oms.journal.engine_replay import trades_of
from oms.journal.event_log import EventLog
from oms.models import MAX_INT

__all__ = ["Archive", "EventPage", "TradePage", "page_of_events", "page_of_trades"]


class EventPage(NamedTuple):
    """Consecutive events, oldest first.

    `first` is the sequence number of the first available event, or of the next event if none is available.
    `more` is True if more events follow. If any requested event is no longer available, `events` is empty.
    """

    first: int
    events: tuple[Event, ...] = ()
    more: bool = False


class TradePage(NamedTuple):
    """The events of consecutive trades, oldest first. `first` is a trade id. See EventPage."""

    first: int
    events: tuple[TradePlaced, ...] = ()
    more: bool = False


@runtime_checkable
class Archive(Protocol):
    """A journal that can read a page of events or trades without reading the whole event log.

    `after` is the sequence number of the event, or the id of the trade, before the page. If it is None, the
    page begins with the first event or trade that is available. `limit` is the length of the page.
    """

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        """Return a page of events. Raises JournalError if they cannot be read."""
        ...

    def page_of_trades(self, after: int | None, limit: int) -> TradePage:
        """Return a page of trades. Raises JournalError if they cannot be read."""
        ...


def page_of_events(event_log: EventLog, after: int | None, limit: int) -> EventPage:
    """Return a page of events, after verifying the hash of each. O(limit)."""
    start, end = event_log.head("snapshot").sequence, event_log.head("now").sequence
    before = start if after is None else after
    if not start <= before < end:
        return EventPage(start + 1)
    events: list[Event] = []
    for event in event_log.events(before + 1, min(limit, end - before)):
        events.append(event)
        if len(events) == limit:
            break
    return EventPage(start + 1, tuple(events), before + len(events) < end)


def page_of_trades(event_log: EventLog, after: int | None, limit: int) -> TradePage:
    """Return a page of trades, after verifying the hash of the event of each. O(limit log n) for n events."""
    place, next_id = f"{event_log.place}: trades", event_log.head("now").next_trade_id
    with reported(place, "they cannot be read"):
        ((first,),) = event_log.connection.execute("SELECT min(trade_id) FROM trades").fetchall()
        first = next_id if first is None else first
        before = first - 1 if after is None else after
        rows = event_log.connection.execute(
            "SELECT trade_id, sequence FROM trades WHERE trade_id > ? ORDER BY trade_id LIMIT ?",
            (min(before, MAX_INT), limit),
        ).fetchall()
    if before < first - 1:
        return TradePage(first)
    events: list[TradePlaced] = []
    trades: dict[int, TradePlaced] = {}
    for number, (trade_id, sequence) in enumerate(rows, before + 1):
        if number not in trades or trades[number].sequence != sequence:  # an event can have several trades
            event = next(event_log.events(sequence, 1), None)
            trades = {} if event is None else {each.trade.trade_id: each for each in trades_of(event)}
        if number != trade_id or number not in trades:
            raise JournalError(f"{place}, trade {number}", f"it differs from event {sequence}")
        events.append(trades[number])
    return TradePage(first, tuple(events), before + len(events) + 1 < next_id)
