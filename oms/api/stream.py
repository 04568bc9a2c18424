"""The stream, which sends a snapshot of the books and then every change.

Each change message contains the sequence number of the previous message, so clients can detect lost messages.

The problem: a client may be slow or disconnected, but the books must never wait for it. No change may be lost
between the snapshot and the first change message.

The solution: each stream has a backlog that subscribes to the books. Events are published while the books'
lock is held, so the backlog only appends the event in O(1) and wakes the event loop. The event loop sends the
messages. The snapshot is taken and the backlog subscribed under the same lock, so no change is lost between
the two. If the backlog grows too long, the service closes the stream. The client must then open a new stream,
which starts with a new snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeAlias

from fastapi import WebSocket
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from oms.api.callers import owner_of
from oms.api.integers import json_text
from oms.api.problems import ProblemError, deny
from oms.api.request_models import StreamQuery
from oms.api.response_models import to_json
from oms.api.route import check_query, first_problem
from oms.api.settings import Settings
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.facade import Facade
from oms.management import OrderManagement

__all__ = [
    "BookFeed",
    "Feed",
    "MESSAGES",
    "Message",
    "Notice",
    "READER_SENT_DATA",
    "READER_TOO_SLOW",
    "Streams",
    "TAPE_LENGTH",
    "Tape",
    "message_of",
    "trade_json",
]

READER_SENT_DATA = 1003
"""The close code for a client that sent a message, which is not allowed."""
READER_TOO_SLOW = 4008
"""The close code for a client that is too slow. The client should open a new stream."""

TAPE_LENGTH = 20
"""The number of trades in a snapshot."""

Message: TypeAlias = dict[str, Any]


class Notice(NamedTuple):
    """An event, and what the books have told about it when it was published."""

    event: Event
    details: Any = None


class Feed(Protocol):
    """The content of a stream. `viewer` is the owner of the stream's API key, or None."""

    def snapshot(self, symbol: str | None, viewer: str | None) -> Message:
        """Return the fields of a snapshot. The caller holds the lock."""
        ...

    def notice(self, event: Event) -> Notice:
        """Return a notice of an event that is being published. O(1) for each order that it touches."""
        ...

    def message(
        self, notice: Notice, previous: int, symbol: str | None, viewer: str | None
    ) -> Message | None:
        """Return the message, or None if the event does not concern the symbol or the viewer."""
        ...


class BookFeed:
    """The stream of an OrderManagement: all orders, and every change."""

    def __init__(self, om: OrderManagement, tape: Tape) -> None:
        self._om = om
        self._tape = tape

    def snapshot(self, symbol: str | None, viewer: str | None) -> Message:
        """Return all resting orders and the last trades. See Feed."""
        del viewer  # every caller sees all orders
        orders = [to_json(order) for order in self._om.orders(symbol)]
        return {"orders": orders, "trades": self._tape.last(symbol)}

    def notice(self, event: Event) -> Notice:
        """Return the event. See Feed."""
        return Notice(event)

    def message(
        self, notice: Notice, previous: int, symbol: str | None, viewer: str | None
    ) -> Message | None:
        """Return the message about the event. See Feed."""
        del viewer
        return message_of(notice.event, previous, symbol)


class Streams:
    """The `/stream` endpoint. It limits the number of open streams."""

    def __init__(self, books: Facade, feed: Feed, settings: Settings) -> None:
        self._books = books
        self._feed = feed
        self._settings = settings
        self._open = 0

    async def stream(self, websocket: WebSocket) -> None:
        """Send a snapshot of one symbol or all symbols, then every change, until the stream is closed."""
        try:
            symbol = _read_symbol(websocket)
            self._check_number()
        except ProblemError as error:
            await deny(websocket, error)
            return
        self._open += 1
        try:
            await websocket.accept()
            viewer, limit = owner_of(websocket), self._settings.stream_backlog
            await self._serve(websocket, Backlog(symbol, viewer, limit, self._feed.notice))
        except WebSocketDisconnect:
            pass
        finally:
            self._open -= 1

    def _check_number(self) -> None:
        if self._open >= self._settings.most_streams:
            detail = (
                f"at most {self._settings.most_streams} streams may be open; close one, or try again later"
            )
            raise ProblemError("too_many_streams", detail)

    async def _serve(self, websocket: WebSocket, backlog: Backlog) -> None:
        unsubscribe, sequence, snapshot = await run_in_threadpool(self._start, backlog)
        sending = asyncio.create_task(self._send(websocket, backlog, sequence, snapshot))
        receiving = asyncio.create_task(_receive(websocket))
        overflow = asyncio.create_task(backlog.overflow.wait())
        tasks: tuple[asyncio.Task[object], ...] = (sending, receiving, overflow)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await run_in_threadpool(unsubscribe)
        for task in done:
            task.result()  # raises the task's exception; `sending` ends only with an exception
        await websocket.close(READER_TOO_SLOW if overflow in done else READER_SENT_DATA)

    def _start(self, backlog: Backlog) -> tuple[Callable[[], None], int, str]:
        """Subscribe the backlog and take the snapshot under the same lock, so that no change is lost."""
        with self._books.locked(to_read=True):
            unsubscribe = self._books.subscribe(backlog)
            sequence = self._books.last_sequence
            content = self._feed.snapshot(backlog.symbol, backlog.viewer)
        snapshot = {"type": "snapshot", "sequence": sequence, "symbol": backlog.symbol, **content}
        return unsubscribe, sequence, json_text(snapshot)

    async def _send(self, websocket: WebSocket, backlog: Backlog, sequence: int, snapshot: str) -> None:
        await websocket.send_text(snapshot)
        while True:
            notice = await backlog.next()
            message = self._feed.message(notice, sequence, backlog.symbol, backlog.viewer)
            if message is not None:
                await websocket.send_text(json_text(message))
                sequence = notice.event.sequence


class Backlog:
    """The events that one stream has not sent yet. A backlog is a subscriber that never blocks the books."""

    def __init__(
        self, symbol: str | None, viewer: str | None, limit: int, notice: Callable[[Event], Notice]
    ) -> None:
        self.symbol = symbol
        self.viewer = viewer
        self.overflow = asyncio.Event()
        self._limit = limit
        self._notice = notice
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Notice] = deque()
        self._not_empty = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Append an event unless it belongs to another symbol. O(1)."""
        if self.symbol is not None and event.symbol not in (None, self.symbol):
            return
        if len(self._waiting) < self._limit:
            self._waiting.append(self._notice(event))
            self._set(self._not_empty)
        else:
            self._set(self.overflow)

    def _set(self, flag: asyncio.Event) -> None:
        """Set an asyncio.Event from another thread, the one that made the change."""
        if not flag.is_set():
            with suppress(RuntimeError):  # the event loop is closed, so nothing waits for the flag
                self._loop.call_soon_threadsafe(flag.set)

    async def next(self) -> Notice:
        """Wait for the next event and return its notice."""
        while not self._waiting:
            self._not_empty.clear()
            if not self._waiting:  # another thread may have added an event before the flag was cleared
                await self._not_empty.wait()
        return self._waiting.popleft()


class Tape:
    """The last 20 trades of each symbol. A tape subscribes to the books."""

    def __init__(self) -> None:
        self._trades: dict[str, deque[TradePlaced]] = {}

    def __call__(self, event: Event) -> None:
        """Record a trade and ignore other events. O(1)."""
        if isinstance(event, TradePlaced):
            trades = self._trades.setdefault(event.trade.symbol, deque(maxlen=TAPE_LENGTH))
            trades.append(event)

    def last(self, symbol: str | None) -> list[dict[str, Any]]:
        """Return a symbol's last 20 trades as JSON objects, oldest first.

        If `symbol` is None, return the last 20 trades across all symbols.
        """
        if symbol is None:
            every = (event for each in self._trades.values() for event in each)
            trades = sorted(every, key=lambda event: event.sequence)[-TAPE_LENGTH:]
        else:
            trades = list(self._trades.get(symbol, ()))
        return list(map(trade_json, trades))


async def _receive(websocket: WebSocket) -> None:
    """Wait until the client sends a message, which is not allowed.

    Raise WebSocketDisconnect if the client disconnects.
    """
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])


def _read_symbol(websocket: WebSocket) -> str | None:
    check_query(websocket.scope["query_string"], {"symbol": False})
    try:
        return StreamQuery.model_validate(dict(websocket.query_params)).symbol
    except ValidationError as error:
        raise first_problem(error.errors()) from None


def message_of(event: Event, previous: int, symbol: str | None = None) -> dict[str, object] | None:
    """Return the message about an event, or None if the event does not concern the symbol.

    `previous` is the sequence number of the message before it. Without a symbol, every event has a message.
    """
    change = MESSAGES[type(event)](event, symbol)
    if change is None:
        return None
    sequence, time = event.sequence, event.time
    return {
        "type": type(event).__name__,
        "previous": previous,
        "sequence": sequence,
        "time": time,
        **change,
    }


def trade_json(event: TradePlaced) -> dict[str, Any]:
    """Return a trade as a JSON object, with the sequence number and the time of its event."""
    return {"sequence": event.sequence, "time": event.time, **to_json(event.trade)}


def _order(event: OrderAdded | OrderRemoved, _: str | None) -> dict[str, object]:
    return {"order": to_json(event.order)}


def _orders(event: OrdersAdded | OrdersRemoved, symbol: str | None) -> dict[str, object] | None:
    orders = [to_json(order) for order in event.orders if symbol in (None, order.symbol)]
    return {"orders": orders} if orders else None


def _amendment(event: OrderAmended, _: str | None) -> dict[str, object]:
    return {"before": to_json(event.before), "after": to_json(event.after)}


def _trade(event: TradePlaced, _: str | None) -> dict[str, object]:
    return {"trade": to_json(event.trade)}


MESSAGES: dict[type[Event], Callable[[Any, str | None], dict[str, object] | None]] = {
    OrderAdded: _order,
    OrdersAdded: _orders,
    OrderRemoved: _order,
    OrdersRemoved: _orders,
    OrderAmended: _amendment,
    TradePlaced: _trade,
}
"""For each event type, a function that returns the fields of its message.

The arguments are the event and the stream's symbol, which is None for all symbols. The function returns None
if the event does not concern the symbol.
"""
