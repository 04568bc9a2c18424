"""The `/stream` of one shard, relayed from its worker to a client.

The gateway passes messages on in both directions as they are, so a client sees the snapshot and the changes
of one shard. If another worker takes over, the gateway closes the stream with the code 1012. The client then
opens a new stream, as it does after each interruption, and the new owner begins with a snapshot. A gateway
does not continue a stream itself, because a client could not tell which messages it has missed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response as HandshakeResponse

from oms.api.problems import ProblemError, deny
from oms.api.settings import Settings
from oms.cluster.gateway.choice import CHOOSER, chosen_shard, without
from oms.cluster.gateway.members import Members
from oms.cluster.gateway.problems import shard_unavailable
from oms.cluster.gateway.workers import NoResponseError
from oms.cluster.shards import Shards
from oms.contract import SHARD_HEADER

__all__ = ["OWNER_CHANGED", "Streams"]

OWNER_CHANGED = 1012
"""The close code after another worker has taken over the shard. The client should open a new stream."""

_ABNORMAL = {1005, 1006}  # a peer cannot send these codes
_SENT = ("authorization", "cookie")
_WAITING = 2  # messages that wait for a slow client; the worker then waits too


class Streams:
    """The relays of all streams. `patience` is how long a stream waits for a worker, in seconds."""

    def __init__(self, shards: Shards, members: Members, settings: Settings, patience: float) -> None:
        self._shards = shards
        self._members = members
        self._most = settings.most_streams
        self._patience = patience
        self._open = 0

    async def stream(self, websocket: WebSocket) -> None:
        """Relay the stream of the shard that the query names, until one side closes it."""
        query: bytes = websocket.scope["query_string"]
        try:
            shard = chosen_shard(self._shards, "GET", "/stream", query)
            self._check_number()
            address = await self._address(shard)
        except ProblemError as error:
            await deny(websocket, error)
            return
        self._open += 1
        try:
            await self._relay(websocket, shard, address, without(query, CHOOSER))
        finally:
            self._open -= 1

    def _check_number(self) -> None:
        if self._open >= self._most:
            detail = f"at most {self._most} streams may be open; close one, or try again later"
            raise ProblemError("too_many_streams", detail)

    async def _address(self, shard: str) -> str:
        address = self._members.address(shard)
        if address is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._members.changed(shard, None), self._patience)
            address = self._members.address(shard)
        if address is None:
            error = NoResponseError(shard, "it has no worker", may_have_arrived=False)
            raise shard_unavailable(error, None, may_change=False)
        return address

    async def _relay(self, websocket: WebSocket, shard: str, address: str, query: bytes) -> None:
        headers = [(name, websocket.headers[name]) for name in _SENT if name in websocket.headers]
        url = address.replace("http", "ws", 1).rstrip("/") + "/stream"
        connecting = connect(
            f"{url}?{query.decode('ascii')}" if query else url,
            additional_headers=headers,
            compression=None,
            max_size=None,
            max_queue=_WAITING,
            proxy=None,
        )
        try:
            connection = await connecting
        except InvalidStatus as error:
            await _reject(websocket, shard, error.response)
            return
        except (OSError, InvalidHandshake, TimeoutError) as error:
            failure = NoResponseError(
                shard, f"{address} did not open a stream: {error}", may_have_arrived=False
            )
            await deny(websocket, shard_unavailable(failure, None, may_change=False))
            return
        async with connection:
            await websocket.accept(headers=[(SHARD_HEADER.lower().encode(), shard.encode())])
            code = await self._pass_on(websocket, connection, shard, address)
        if websocket.client_state is WebSocketState.CONNECTED:
            await websocket.close(code)

    async def _pass_on(
        self, websocket: WebSocket, connection: ClientConnection, shard: str, address: str
    ) -> int:
        """Pass messages on until one side closes the stream, or the owner changes. Return the close code."""
        tasks: dict[asyncio.Task[None], int | None] = {
            asyncio.create_task(_to_client(connection, websocket)): None,
            asyncio.create_task(_to_worker(websocket, connection)): None,
            asyncio.create_task(self._members.changed(shard, address)): OWNER_CHANGED,
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()
        codes = [tasks[task] for task in done if tasks[task] is not None]
        code = codes[0] if codes else connection.close_code
        return OWNER_CHANGED if code is None or code in _ABNORMAL else code


async def _to_client(connection: ClientConnection, websocket: WebSocket) -> None:
    try:
        async for message in connection:
            assert isinstance(message, str), "streams contain text"
            await websocket.send_text(message)
    except (ConnectionClosed, WebSocketDisconnect):
        return


async def _to_worker(websocket: WebSocket, connection: ClientConnection) -> None:
    """Pass on what the client sends, which the worker rejects, until it disconnects."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await connection.send(message.get("text") or message.get("bytes") or "")
    except ConnectionClosed:
        return


async def _reject(websocket: WebSocket, shard: str, response: HandshakeResponse) -> None:
    """Pass on the response of a worker that rejects the stream."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        media_type = response.headers.get("content-type")
        denial = Response(bytes(response.body), response.status_code, {SHARD_HEADER: shard}, media_type)
        await websocket.send_denial_response(denial)
    else:
        await websocket.close(1008)
