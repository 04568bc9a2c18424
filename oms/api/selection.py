"""The past events that the service needs when it starts: those with its responses and the last trades."""

from __future__ import annotations

from collections.abc import Sequence

from oms.api.batches import MARK
from oms.api.last_trades import LastTrades
from oms.events import Event, OrderAdded, OrdersAdded
from oms.journal.engine_replay import trades_of
from oms.journal.extracts import Selection

__all__ = ["SELECTION"]


def _select(events: Sequence[Event]) -> list[Event]:
    """Return the events from which FirstResponses and LastTrades get the same state as from all of them.

    FirstResponses needs each event with a key or of a transaction, each order id, and the time of the last
    event. O(n) for n orders in the events.
    """
    trades: LastTrades[Event] = LastTrades()
    needed = {event.sequence for event in events if _has_response(event)}
    for event in events:
        for trade in trades_of(event):
            trades.record(trade.trade, event)
    needed.update(event.sequence for event in trades.all())
    needed.update(event.sequence for event in events[-1:])
    return [event for event in events if event.sequence in needed]


def _has_response(event: Event) -> bool:
    note = event.note or ""
    has_key = MARK in note and ('"key"' in note or '"verb"' in note)
    return has_key or isinstance(event, OrderAdded | OrdersAdded)


SELECTION = Selection("api-1", _select)
"""The rule of this version. If you change it, change its name."""
