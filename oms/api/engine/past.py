"""The endpoints of a matching engine for past events and trades, and the latest of both."""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Query, Response

from oms.api import openapi
from oms.api.callers import CallersOwner
from oms.api.engine.messages import MarketTrade, message_of, trade_json, trades_of
from oms.api.openapi import documented
from oms.api.past import check_available
from oms.api.recent import Latest
from oms.api.request_models import PastQuery
from oms.api.response_models import json_response
from oms.engine_events import EngineEvent
from oms.events import Event

__all__ = ["EnginePast", "RecentTrades"]


class RecentTrades:
    """The latest events of an engine, and its latest trades. It subscribes to the engine, and is thread-safe.

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
        """Set the numbers of the next event and the next trade. Drop everything before a gap."""
        with self._lock:
            self._events.continue_at(sequence)
            self._trades.continue_at(trade_id)

    def events(self, after: int | None, limit: int) -> tuple[int, tuple[EngineEvent, ...], bool]:
        """Return the first available number, a page of events, and True if there are more."""
        with self._lock:
            return self._events.page(after, limit)

    def trades(self, after: int | None, limit: int) -> tuple[int, tuple[MarketTrade, ...], bool]:
        """Return the first available number, a page of trades, and True if there are more."""
        with self._lock:
            return self._trades.page(after, limit)


class EnginePast:
    """The endpoints for past events and trades."""

    def __init__(self, recent: RecentTrades) -> None:
        self._recent = recent

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/events", self.events, openapi.PAGE_OF_ENGINE_EVENTS),
            ("/trades", self.trades, openapi.PAGE_OF_ENGINE_TRADES),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **documented(description, endpoint))

    def events(self, query: Annotated[PastQuery, Query()], viewer: CallersOwner) -> Response:
        """Return one page of past events, oldest first. An owner sees market data and their own orders."""
        first, events, more = self._recent.events(query.after, query.limit)
        check_available(first, query.after, "event", "open a stream, whose snapshot contains all orders")
        messages = [message_of(event, event.sequence - 1, viewer=viewer) for event in events]
        following = events[-1].sequence if more else None
        return json_response({"first": first, "events": messages, "next": following})

    def trades(self, query: Annotated[PastQuery, Query()], viewer: CallersOwner) -> Response:
        """Return one page of past trades, oldest first. An owner sees the ids of their own orders only."""
        first, trades, more = self._recent.trades(query.after, query.limit)
        check_available(
            first, query.after, "trade", "leave out after to begin with the first available trade"
        )
        following = trades[-1].trade.trade_id if more else None
        shown = [trade_json(trade, viewer) for trade in trades]
        return json_response({"first": first, "trades": shown, "next": following})
