"""The endpoints of a matching engine for past events and trades, and a store of the latest ones."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Annotated, Protocol, TypeAlias

from fastapi import APIRouter, Query, Response

from oms.api.callers import CallersOwner
from oms.api.engine import descriptions
from oms.api.engine.messages import MarketTrade, message_of, trade_json, trades_of
from oms.api.openapi import documented
from oms.api.past import check_available, not_readable
from oms.api.query_models import PastQuery
from oms.api.recent import Latest
from oms.api.response_models import json_response
from oms.engine_events import EngineEvent
from oms.errors import JournalError
from oms.events import Event
from oms.journal import Archive

__all__ = ["EngineArchive", "EnginePast", "JournalArchive", "RecentTrades"]

Events: TypeAlias = tuple[int, tuple[EngineEvent, ...], bool]
Trades: TypeAlias = tuple[int, tuple[MarketTrade, ...], bool]
"""The first available number, a page of consecutive events or trades, and True if there are more."""

_AT_ONCE = 100  # events; a replicated log needs several requests to find an event, and one to read on


class EngineArchive(Protocol):
    """The past events and trades of an engine. See `oms.journal.Archive`."""

    def events(self, after: int | None, limit: int) -> Events:
        """Return a page of events. Raises JournalError if they cannot be read."""
        ...

    def trades(self, after: int | None, limit: int) -> Trades:
        """Return a page of trades. Raises JournalError if they cannot be read."""
        ...


class JournalArchive:
    """The events and trades in a journal."""

    def __init__(self, journal: Archive) -> None:
        self._journal = journal

    def events(self, after: int | None, limit: int) -> Events:
        """Return a page of events. O(limit)."""
        page = self._journal.page_of_events(after, limit)
        return page.first, tuple(self._engine_events(page.events)), page.more

    def trades(self, after: int | None, limit: int) -> Trades:
        """Return a page of trades, each with the fills of its event. O(limit log n) for n events."""
        page = self._journal.page_of_trades(after, limit)
        trades: dict[int, MarketTrade] = {}
        for placed in page.events:
            if placed.trade.trade_id not in trades:
                size = min(_AT_ONCE, page.events[-1].sequence - placed.sequence + 1)
                found = self._journal.page_of_events(placed.sequence - 1, size).events
                for event in self._engine_events(found):
                    trades |= {trade.trade.trade_id: trade for trade in trades_of(event)}
        numbers = [placed.trade.trade_id for placed in page.events]
        if not trades.keys() >= set(numbers):
            raise JournalError("journal", "the events of some trades are no longer available")
        return page.first, tuple(trades[number] for number in numbers), page.more

    def _engine_events(self, events: tuple[Event, ...]) -> Iterator[EngineEvent]:
        for event in events:
            assert isinstance(event, EngineEvent), "the journal of an engine contains only its events"
            yield event


class RecentTrades:
    """A thread-safe store of an engine's latest events and trades, which subscribes to the engine.

    The events contain at most `limit` elementary changes in total, and the trades at most `limit` fills.
    """

    def __init__(self, limit: int) -> None:
        self._lock = Lock()
        self._events = Latest[EngineEvent](limit)
        self._trades = Latest[MarketTrade](limit)

    def __call__(self, event: Event) -> None:
        """Record an event. Amortized O(m) for m elementary changes."""
        assert isinstance(event, EngineEvent)
        with self._lock:
            self._events.append(event.sequence, event, len(event.changes))
            for trade in trades_of(event):
                self._trades.append(trade.trade.trade_id, trade, len(trade.fills))

    def continue_at(self, sequence: int, trade_id: int) -> None:
        """Set the next event's sequence number and the next trade's id. Drop everything before a gap."""
        with self._lock:
            self._events.continue_at(sequence)
            self._trades.continue_at(trade_id)

    def events(self, after: int | None, limit: int) -> Events:
        """Return a page of events. O(n) for n recent events."""
        with self._lock:
            return self._events.page(after, limit)

    def trades(self, after: int | None, limit: int) -> Trades:
        """Return a page of trades. O(n) for n recent trades."""
        with self._lock:
            return self._trades.page(after, limit)


class EnginePast:
    """The endpoints for past events and trades."""

    def __init__(self, archive: EngineArchive) -> None:
        self._archive = archive

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/events", self.events, descriptions.PAGE_OF_ENGINE_EVENTS),
            ("/trades", self.trades, descriptions.PAGE_OF_ENGINE_TRADES),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **documented(description, endpoint))

    def events(self, query: Annotated[PastQuery, Query()], viewer: CallersOwner) -> Response:
        """Return one page of past events, oldest first. An owner sees market data and their own orders."""
        try:
            first, events, more = self._archive.events(query.after, query.limit)
        except JournalError as error:
            raise not_readable(error) from None
        check_available(first, query.after, "event", "open a stream, whose snapshot contains all orders")
        messages = [message_of(event, event.sequence - 1, viewer=viewer) for event in events]
        following = events[-1].sequence if more else None
        return json_response({"first": first, "events": messages, "next": following})

    def trades(self, query: Annotated[PastQuery, Query()], viewer: CallersOwner) -> Response:
        """Return one page of past trades, oldest first. An owner sees the ids of their own orders only."""
        try:
            first, trades, more = self._archive.trades(query.after, query.limit)
        except JournalError as error:
            raise not_readable(error) from None
        check_available(
            first, query.after, "trade", "leave out after to begin with the first available trade"
        )
        following = trades[-1].trade.trade_id if more else None
        shown = [trade_json(trade, viewer) for trade in trades]
        return json_response({"first": first, "trades": shown, "next": following})
