"""The `/stream` of one shard, relayed from its worker to a client.

The gateway forwards messages unchanged in both directions, so a client sees the snapshot and the changes of
one shard. If another worker takes over the shard, the gateway closes the stream with the code 1012. The
client then opens a new stream, as it does after each interruption, and the new owner begins with a snapshot.
The gateway does not continue the stream with the new owner, because the client could not tell which messages
it has missed.

If the gateway reads from standbys, the stream of a shard comes from a standby. This stream continues when the
shard gets a new owner.
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
from oms.cluster.gateway.credentials import Credentials
from oms.cluster.gateway.members import Members
from oms.cluster.gateway.problems import shard_unavailable
from oms.cluster.gateway.workers import NoResponseError, Workers
from oms.cluster.ownership.shards import Shards
from oms.contract import LAG_HEADERS, ROLE_HEADER, SHARD_HEADER

__all__ = ["OWNER_CHANGED", "Streams"]

OWNER_CHANGED = 1012
"""The close code after another worker has taken over the shard. The client should open a new stream."""

_FAILURES = (OSError, InvalidHandshake, TimeoutError)
_OF_STANDBY = {421, 503}
"""The statuses with which a standby rejects a stream that the owner may accept."""
_ABNORMAL = {1005, 1006}  # a peer cannot send these codes
_CLOSING_SECONDS = 1.0  # in which a worker must respond to a close frame; until then, its stream is counted
_WAITING = 2  # messages that are buffered for a slow client, before the worker must wait too


class Streams:
    """The relays of all streams. A new stream waits at most `patience` seconds for a worker."""

    def __init__(
        self,
        shards: Shards,
        members: Members,
        workers: Workers,
        settings: Settings,
        credentials: Credentials,
        patience: float,
    ) -> None:
        self._shards = shards
        self._members = members
        self._workers = workers
        self._credentials = credentials
        self._most = settings.most_streams
        self._patience = patience
        self._open = 0

    async def stream(self, websocket: WebSocket) -> None:
        """Relay the stream of the shard that the query names, until one side closes it."""
        query: bytes = websocket.scope["query_string"]
        try:
            shard = chosen_shard(self._shards, "GET", "/stream", query)
            self._check_number()
        except ProblemError as error:
            await deny(websocket, error)
            return
        self._open += 1
        try:
            await self._relay(websocket, shard, without(query, CHOOSER))
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

    async def _relay(self, websocket: WebSocket, shard: str, query: bytes) -> None:
        try:
            connection, owner = await self._opened(websocket, shard, query)
        except ProblemError as error:
            await deny(websocket, error)
            return
        except InvalidStatus as error:
            await _reject(websocket, shard, error.response)
            return
        async with connection:
            await websocket.accept(headers=_headers(shard, connection))
            code = await self._pass_on(websocket, connection, shard, owner)
            # Before the other connection, whose worker may be paused and may not respond to the close frame.
            if websocket.client_state is WebSocketState.CONNECTED:
                await websocket.close(code)

    async def _opened(
        self, websocket: WebSocket, shard: str, query: bytes
    ) -> tuple[ClientConnection, str | None]:
        """Return a connection to a standby and None, or a connection to the owner and its address.

        Raises ProblemError, or InvalidStatus with the response of a worker that rejects the stream.
        """
        standby = self._workers.standby(shard)
        if standby is not None:
            try:
                return await self._connect(websocket, standby, query), None
            except InvalidStatus as error:
                if error.response.status_code not in _OF_STANDBY:
                    raise
            except _FAILURES:
                pass
            self._workers.avoid(standby)
        address = await self._address(shard)
        try:
            return await self._connect(websocket, address, query), address
        except InvalidStatus:
            raise
        except _FAILURES as error:
            reason = f"{address} did not open a stream: {error}"
            failure = NoResponseError(shard, reason, may_have_arrived=False)
            raise shard_unavailable(failure, None, may_change=False) from None

    async def _connect(self, websocket: WebSocket, address: str, query: bytes) -> ClientConnection:
        proof = self._credentials.proof(websocket)
        url = address.replace("http", "ws", 1).rstrip("/") + "/stream"
        return await connect(
            f"{url}?{query.decode('ascii')}" if query else url,
            additional_headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in proof],
            compression=None,
            close_timeout=_CLOSING_SECONDS,
            max_size=None,
            max_queue=_WAITING,
            proxy=None,
        )

    async def _pass_on(
        self, websocket: WebSocket, connection: ClientConnection, shard: str, owner: str | None
    ) -> int:
        """Forward messages until one side closes the stream, or the shard gets a different owner.

        `owner` is the owner's address, or None if the stream comes from a standby. Return the close code.
        """
        tasks: dict[asyncio.Task[None], int | None] = {
            asyncio.create_task(_to_client(connection, websocket)): None,
            asyncio.create_task(_to_worker(websocket, connection)): None,
        }
        if owner is not None:
            tasks[asyncio.create_task(self._members.changed(shard, owner))] = OWNER_CHANGED
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


def _headers(shard: str, connection: ClientConnection) -> list[tuple[bytes, bytes]]:
    """Return the headers of the response that opens a stream. A standby's headers contain its lag."""
    assert connection.response is not None, "the connection is open"
    sent = connection.response.headers
    headers = {name: sent[name] for name in (ROLE_HEADER, *LAG_HEADERS) if name in sent}
    return [
        (name.lower().encode(), value.encode()) for name, value in {SHARD_HEADER: shard, **headers}.items()
    ]


async def _to_client(connection: ClientConnection, websocket: WebSocket) -> None:
    try:
        async for message in connection:
            assert isinstance(message, str), "streams contain text"
            await websocket.send_text(message)
    except (ConnectionClosed, WebSocketDisconnect):
        return


async def _to_worker(websocket: WebSocket, connection: ClientConnection) -> None:
    """Forward the client's messages to the worker, which rejects them, until the client disconnects."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await connection.send(message.get("text") or message.get("bytes") or "")
    except ConnectionClosed:
        return


async def _reject(websocket: WebSocket, shard: str, response: HandshakeResponse) -> None:
    """Forward the response of a worker that rejects the stream."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        media_type = response.headers.get("content-type")
        denial = Response(bytes(response.body), response.status_code, {SHARD_HEADER: shard}, media_type)
        await websocket.send_denial_response(denial)
    else:
        await websocket.close(1008)
