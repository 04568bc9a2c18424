"""The stream, which sends a snapshot of the books and then every change.

Each change message contains the sequence number of the previous message, so clients can detect lost
messages.

The problem: a snapshot of 1,000,000 orders takes seconds and 100 MB. The books must not wait for it, and
the service must not keep it in memory for each stream. No change may be lost between the snapshot and the
first change message.

The solution: the snapshot consists of parts. A worker thread makes a part when the previous part has been
sent. While it holds the lock, the stream begins the snapshot and subscribes its backlog. So all parts show
the state at one sequence number (see `oms.api.slices`), and the backlog contains every change after it (see
`oms.api.backlog`). If the backlog grows too long, the service closes the stream. The client must then open a
new stream, which starts with a new snapshot.

Only a few streams at a time send a snapshot of several parts. The others wait, and begin their snapshot
after the wait. A stream whose client is slow does not make them wait: it continues, but another stream may
begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from fastapi import WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from oms.api.backlog import Backlog, Message, Notice, Readers, Text
from oms.api.callers import owner_of
from oms.api.feed import Feed
from oms.api.followers import MissedEventError
from oms.api.integers import json_text
from oms.api.problems import ProblemError, deny, log_rejection
from oms.api.query_models import StreamQuery
from oms.api.route import check_query, first_problem
from oms.api.settings import Settings
from oms.facade import Facade

__all__ = ["EVENT_MISSED", "PART_LENGTH", "READER_SENT_DATA", "READER_TOO_SLOW", "Streams"]

T = TypeVar("T")

EVENT_MISSED = 1011
"""The close code if the streams missed a change because of an interrupt. The client should open a new one."""
READER_SENT_DATA = 1003
"""The close code for a client that sent a message, which is not allowed."""
READER_TOO_SLOW = 4008
"""The close code for a client that is too slow. The client should open a new stream."""

PART_LENGTH = 5_000
"""The maximum number of orders, price levels, and fills in a part of a snapshot.

A part may be longer by the fills of one trade.
"""

LARGE = 200
"""Above this weight, the text of an event is created in a worker thread. It takes about a millisecond."""

_MOST_SNAPSHOTS = 2  # that are sent at a time, if they have several parts
_PATIENCE = 1.0  # seconds that a client may take for a part while other streams wait


class _PartText(NamedTuple):
    """One part of a snapshot as JSON text, the snapshot's sequence number, and True if there are more."""

    text: str
    sequence: int
    more: bool


class Streams:
    """The `/stream` endpoint. It limits the number of open streams."""

    def __init__(self, books: Facade, feed: Feed, settings: Settings) -> None:
        self._books = books
        self._feed = feed
        self._settings = settings
        self._open = 0
        self._worker = ThreadPoolExecutor(1, "oms-stream")
        self._places = asyncio.Semaphore(_MOST_SNAPSHOTS)
        self._readers = Readers(books, feed)
        books.subscribe(self._readers)

    async def stream(self, websocket: WebSocket) -> None:
        """Send a snapshot of one symbol or all symbols, then every change, until the stream is closed."""
        try:
            symbol = _read_symbol(websocket)
            self._check_number()
        except ProblemError as error:
            log_rejection(websocket, error)
            await deny(websocket, error)
            return
        self._open += 1
        backlog = Backlog(symbol, owner_of(websocket), self._settings.stream_backlog)
        try:
            await websocket.accept()
            await self._serve(websocket, backlog)
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
        sending = asyncio.create_task(self._send(websocket, backlog))
        receiving = asyncio.create_task(_receive(websocket))
        overflow = asyncio.create_task(backlog.overflow.wait())
        tasks: tuple[asyncio.Task[object], ...] = (sending, receiving, overflow)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._readers.close(backlog)  # before the close frame, which a slow client may not take
            for task in tasks:
                task.cancel()
        code = READER_TOO_SLOW if overflow in done else READER_SENT_DATA
        try:
            for task in done:
                task.result()  # raises the task's exception; `sending` ends only with an exception
        except MissedEventError:
            code = EVENT_MISSED
        await websocket.close(code)

    async def _send(self, websocket: WebSocket, backlog: Backlog) -> None:
        sequence = await self._send_snapshot(websocket, backlog)
        while True:
            notice = await backlog.next()
            text = await self._text(notice, backlog)
            if text is not None:
                await websocket.send_text(text.after(sequence))
                sequence = notice.event.sequence
            await asyncio.sleep(0)  # let other tasks run, because sending does not wait for a fast client

    async def _text(self, notice: Notice, backlog: Backlog) -> Text | None:
        feed, symbol, viewer = self._feed, backlog.symbol, backlog.viewer
        make = partial(feed.message, notice, symbol, viewer)
        worker = self._worker if feed.weight(notice.event) > LARGE else None
        future = notice.text(feed.key(notice, symbol, viewer), make, worker)
        # Shielded, because another stream may wait for the same text when this one ends.
        return future.result() if future.done() else await asyncio.shield(asyncio.wrap_future(future))

    # ------------------------------------------------------------------ snapshots

    async def _send_snapshot(self, websocket: WebSocket, backlog: Backlog) -> int:
        """Send all parts of a snapshot, and return its sequence number."""
        turn = _Turn(self._places)
        try:
            part = await self._run(self._begin, backlog)
            if part.more and self._places.locked():
                self._readers.remove(backlog)
                await turn.take()
                part = await self._run(self._begin, backlog)
            elif part.more:
                await turn.take()
            await _send_part(websocket, part, turn)
            while part.more:
                part = await self._run(self._continue, backlog, part.sequence)
                await _send_part(websocket, part, turn)
        finally:
            turn.release()
        return part.sequence

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in the worker thread. Only one runs at a time, in the order of the calls."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *arguments)

    def _begin(self, backlog: Backlog) -> _PartText:
        """Begin a snapshot, and subscribe the backlog before releasing the lock, so no change is lost."""
        with self._books.locked(to_read=True):
            sequence = self._books.last_sequence
            backlog.begin(self._feed.snapshot(backlog.symbol, backlog.viewer))
            self._readers.add(backlog)
        return _next_part(backlog, {"type": "snapshot", "sequence": sequence, "symbol": backlog.symbol})

    def _continue(self, backlog: Backlog, sequence: int) -> _PartText:
        return _next_part(backlog, {"type": "snapshot_part", "sequence": sequence})


class _Turn:
    """A place among the streams that send a snapshot of several parts."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_taken = False

    async def take(self) -> None:
        """Wait for a free place."""
        await self._places.acquire()
        self._is_taken = True

    def release(self) -> None:
        """Give the place to another stream, unless this has already happened."""
        if self._is_taken:
            self._is_taken = False
            self._places.release()


def _next_part(backlog: Backlog, head: Message) -> _PartText:
    assert backlog.snapshot is not None
    part = backlog.snapshot.next_part(PART_LENGTH)
    if not part.more:
        backlog.snapshot = None
    text = json_text({**head, "more": part.more, **part.fields})
    return _PartText(text, head["sequence"], part.more)


async def _send_part(websocket: WebSocket, part: _PartText, turn: _Turn) -> None:
    """Send a part. If this takes too long, give the turn to another stream."""
    timer = asyncio.get_running_loop().call_later(_PATIENCE, turn.release)
    try:
        await websocket.send_text(part.text)
    finally:
        timer.cancel()


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
