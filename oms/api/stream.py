"""The stream: a snapshot, then every change, each with the number of the message before it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import WebSocket
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from oms.api.problems import Refusal, deny
from oms.api.request_models import StreamQuestion, as_fields
from oms.api.route import check_query, first_problem
from oms.api.settings import Settings
from oms.api.tape import Tape
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.management import OrderManagement

__all__ = ["MESSAGES", "Streams", "TAKES_NOTHING", "TOO_SLOW"]

TAKES_NOTHING = 1003
"""The close code of a stream whose reader has sent something."""
TOO_SLOW = 4008
"""The close code of a stream whose reader has fallen behind: it opens another, and has a new snapshot."""


class Streams:
    """The endpoint of streams."""

    def __init__(self, om: OrderManagement, tape: Tape, settings: Settings) -> None:
        self._om = om
        self._tape = tape
        self._settings = settings
        self._open = 0

    async def stream(self, websocket: WebSocket) -> None:
        """Send a snapshot of a symbol (or all), then every change, until one of the two has enough."""
        try:
            symbol = _asked_symbol(websocket)
            self._refuse_too_many()
        except Refusal as refusal:
            await deny(websocket, refusal)
            return
        self._open += 1
        try:
            await websocket.accept()
            await self._serve(websocket, Reader(symbol, self._settings.stream_backlog))
        except WebSocketDisconnect:
            pass
        finally:
            self._open -= 1

    def _refuse_too_many(self) -> None:
        if self._open >= self._settings.most_streams:
            raise Refusal("too_many_streams", f"{self._open} streams are open")

    async def _serve(self, websocket: WebSocket, reader: Reader) -> None:
        end, sequence, snapshot = await run_in_threadpool(self._begin, reader)
        sending = asyncio.create_task(_send(websocket, reader, sequence, snapshot))
        listening = asyncio.create_task(_listen(websocket))
        losing = asyncio.create_task(reader.lost.wait())
        tasks: tuple[asyncio.Task[object], ...] = (sending, listening, losing)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await run_in_threadpool(end)
        for task in done:
            task.result()  # raises what it failed with: sending ends in no other way
        await websocket.close(TOO_SLOW if losing in done else TAKES_NOTHING)

    def _begin(self, reader: Reader) -> tuple[Callable[[], None], int, str]:
        """Subscribe and take the snapshot in one moment, so that nothing is lost between the two."""
        with self._om.locked():
            end = self._om.subscribe(reader)
            sequence, orders = self._om.last_sequence, self._om.orders(reader.symbol)
            trades = self._tape.last(reader.symbol)
        shown = [as_fields(order) for order in orders]
        said = {"type": "snapshot", "sequence": sequence, "symbol": reader.symbol}
        return end, sequence, _text({**said, "orders": shown, "trades": trades})


class Reader:
    """The changes that wait for one reader; told under the book's lock, it never waits itself."""

    def __init__(self, symbol: str | None, backlog: int) -> None:
        self.symbol = symbol
        self.lost = asyncio.Event()
        self._backlog = backlog
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Event] = deque()
        self._awake = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Put an event behind those that wait, unless it is about another symbol alone; in O(1)."""
        if self.symbol is not None and event.symbol not in (None, self.symbol):
            return
        if len(self._waiting) < self._backlog:
            self._waiting.append(event)
            self._wake(self._awake)
        else:
            self._wake(self.lost)

    def _wake(self, sleeper: asyncio.Event) -> None:
        if not sleeper.is_set():
            with suppress(RuntimeError):  # the loop has ended, and the reader with it
                self._loop.call_soon_threadsafe(sleeper.set)

    async def next(self) -> Event:
        """Wait for the next event."""
        while not self._waiting:
            self._awake.clear()
            if not self._waiting:  # nothing came before it was cleared
                await self._awake.wait()
        return self._waiting.popleft()


async def _send(websocket: WebSocket, reader: Reader, sequence: int, snapshot: str) -> None:
    await websocket.send_text(snapshot)
    while True:
        event = await reader.next()
        change = _change(event, reader.symbol)
        if change is not None:
            said = {"type": type(event).__name__, "previous": sequence, "sequence": event.sequence}
            await websocket.send_text(_text(said | change))
            sequence = event.sequence


async def _listen(websocket: WebSocket) -> None:
    """Wait until the reader sends something, which it should not; raises WebSocketDisconnect if it leaves."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])


def _asked_symbol(websocket: WebSocket) -> str | None:
    check_query(websocket.scope["query_string"], {"symbol": False})
    try:
        return StreamQuestion.model_validate(dict(websocket.query_params)).symbol
    except ValidationError as error:
        raise first_problem(error.errors()) from None


def _text(message: Mapping[str, object]) -> str:
    return json.dumps(message, allow_nan=False, separators=(",", ":"))


def _change(event: Event, symbol: str | None) -> dict[str, object] | None:
    """Return what an event says about a symbol (None: about all), or None if it says nothing about it."""
    return MESSAGES[type(event)](event, symbol)


def _order(event: OrderAdded | OrderRemoved, _: str | None) -> dict[str, object]:
    return {"order": as_fields(event.order)}


def _orders(event: OrdersAdded | OrdersRemoved, symbol: str | None) -> dict[str, object] | None:
    concerned = [as_fields(order) for order in event.orders if symbol in (None, order.symbol)]
    return {"orders": concerned} if concerned else None


def _amendment(event: OrderAmended, _: str | None) -> dict[str, object]:
    return {"before": as_fields(event.before), "after": as_fields(event.after)}


def _trade(event: TradePlaced, _: str | None) -> dict[str, object]:
    return {"trade": as_fields(event.trade)}


MESSAGES: dict[type[Event], Callable[[Any, str | None], dict[str, object] | None]] = {
    OrderAdded: _order,
    OrdersAdded: _orders,
    OrderRemoved: _order,
    OrdersRemoved: _orders,
    OrderAmended: _amendment,
    TradePlaced: _trade,
}
"""What a message of the stream says about each kind of event, called with the event and a symbol."""
