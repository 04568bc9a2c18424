"""The information that a service restores when it starts: responses to changes, and the last trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from oms.api.first_responses import FirstResponses
from oms.api.last_trades import LastTrades
from oms.api.selection import SELECTION
from oms.events import Event, Journal
from oms.facade import Facade
from oms.journal import ReplyKeeper
from oms.journal.engine_replay import trades_of
from oms.journal.extracts import ExtractKeeper

__all__ = ["restore"]


def restore(om: Facade, responses: FirstResponses, *subscribers: Callable[[Event], object]) -> None:
    """Pass the journal's events to `responses` and the subscribers, then subscribe them to new events.

    Also add the journal's replies to `responses`. A reply is the response to a request that created no event.
    Raise JournalError if the journal cannot be read. O(n) for n events, or for the events that the service
    needs if the journal is an ExtractKeeper.
    """
    everyone: tuple[Callable[[Event], object], ...] = (responses, *subscribers)
    with om.locked():  # so that no event is published between the replay and the subscriptions
        for event in _past(om.journal, subscribers):
            for subscriber in everyone:
                subscriber(event)
        if isinstance(om.journal, ReplyKeeper):
            for reply in om.journal.replies():
                responses.record_reply(reply)
        for subscriber in everyone:
            om.subscribe(subscriber)
        responses.sequence = om.last_sequence


def _past(journal: Journal | None, subscribers: Sequence[object]) -> Iterator[Event]:
    """Yield the past events that the service needs, and perhaps others."""
    if not isinstance(journal, ExtractKeeper):
        yield from () if journal is None else journal.history()
        return
    tapes: list[LastTrades[Any]] = [each for each in subscribers if isinstance(each, LastTrades)]
    for event in journal.extracted(SELECTION):
        for trade in islice(trades_of(event), 1):
            for tape in tapes:
                tape.expect(trade.trade.trade_id)
        yield event
