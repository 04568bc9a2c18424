"""The endpoints that return past events and past trades, page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from oms.api import descriptions
from oms.api.feed import message_of, trade_json
from oms.api.openapi import documented
from oms.api.problems import ProblemError, without_folders
from oms.api.query_models import PastQuery
from oms.api.response_models import json_response
from oms.errors import JournalError
from oms.journal import Archive

__all__ = ["Past", "check_available", "not_readable"]


class Past:
    """The endpoints for past events and trades. They run in threads, because they may wait for the disk."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/events", self.events, descriptions.PAGE_OF_EVENTS),
            ("/trades", self.trades, descriptions.PAGE_OF_TRADES),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **documented(description, endpoint))

    def events(self, query: Annotated[PastQuery, Query()]) -> Response:
        """Return one page of past events, oldest first, as the stream has sent them. O(limit)."""
        try:
            page = self._archive.page_of_events(query.after, query.limit)
        except JournalError as error:
            raise not_readable(error) from None
        check_available(page.first, query.after, "event", "open a stream, whose snapshot contains all orders")
        messages = [message_of(event, event.sequence - 1) for event in page.events]
        following = page.events[-1].sequence if page.more else None
        return json_response({"first": page.first, "events": messages, "next": following})

    def trades(self, query: Annotated[PastQuery, Query()]) -> Response:
        """Return one page of past trades, oldest first. O(limit)."""
        try:
            page = self._archive.page_of_trades(query.after, query.limit)
        except JournalError as error:
            raise not_readable(error) from None
        check_available(
            page.first, query.after, "trade", "leave out after to begin with the first available trade"
        )
        following = page.events[-1].trade.trade_id if page.more else None
        return json_response(
            {"first": page.first, "trades": list(map(trade_json, page.events)), "next": following}
        )


def check_available(available: int, after: int | None, name: str, remedy: str) -> None:
    """Raise ProblemError if events or trades after `after` are no longer available.

    `available` is the sequence number of the first available event, or the id of the first available trade.
    """
    if after is not None and after + 1 < available:
        first, last = after + 1, available - 1
        which = f"{name} {first} is" if first == last else f"{name}s {first} to {last} are"
        detail = f"{which} no longer available; {remedy}"
        raise ProblemError("no_longer_available", detail, {"first": available})


def not_readable(error: JournalError) -> ProblemError:
    """Return the error for a journal that cannot be read."""
    reason = without_folders(error.problem)
    return ProblemError("not_ready", reason, {"reason": reason})
