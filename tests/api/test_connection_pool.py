"""A state machine of the connection pool: which connections it closes, and in which order.

The model keeps the waiting connections in a list. A connection waits for its client if it has no complete
request, or if the client does not read the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from uvicorn.server import ServerState

from oms.api.connection_pool import Pool
from oms.api.connections import HttpConnection
from support.api_connections import FakeTransport, new_connection

MOST = 4
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
RESPONSE = b"HTTP/1.1 204 "


@dataclass(eq=False)
class Client:
    """A client, and what the model knows about its connection."""

    connection: HttpConnection
    transport: FakeTransport
    sent: int = 0  # bytes of the current request
    reads: bool = True
    may_respond: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0  # complete requests
    responses: int = 0

    @property
    def is_busy(self) -> bool:
        """True if the application works on a request of this client."""
        return self.requests > self.responses


class PoolMachine(RuleBasedStateMachine):
    """Clients that connect, send pieces of requests, read or do not read, and disconnect."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pool = Pool(MOST, head_seconds=1_000)
        self.state = ServerState()
        self.clients: list[Client] = []
        self.waiting: list[Client] = []
        self.number = 0

    def teardown(self) -> None:
        def end() -> None:
            for client in self.clients:
                client.transport.close()
                client.may_respond.set()

        self.run(end)
        self.loop.close()

    def run(self, act: Callable[[], Any]) -> Any:
        """Run a function in the event loop, and then everything that follows from it."""

        async def settle() -> Any:
            result = act()
            for _ in range(20):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(settle())

    async def application(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        (client,) = (each for each in self.clients if each.connection.client == scope["client"])
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        await client.may_respond.wait()
        client.may_respond.clear()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    @rule()
    def connect(self) -> None:
        connection, transport = self.run(lambda: new_connection(self.application, self.pool, self.state))
        self.number += 1
        connection.client = ("client", self.number)
        client = Client(connection, transport)
        self.clients.append(client)
        self.waiting.append(client)
        while len(self.clients) > MOST and self.waiting:
            self.clients.remove(self.waiting.pop(0))

    def some_client(self, data: st.DataObject, *, busy: bool) -> Client | None:
        clients = [client for client in self.clients if client.is_busy == busy]
        return data.draw(st.sampled_from(clients)) if clients else None

    @rule(data=st.data(), length=st.integers(1, len(REQUEST)))
    def send_a_piece(self, data: st.DataObject, length: int) -> None:
        client = self.some_client(data, busy=False)
        if client is None:
            return
        piece = REQUEST[client.sent : client.sent + length]
        client.sent += len(piece)
        if client.sent == len(REQUEST):
            client.sent, client.requests = 0, client.requests + 1
            if client.reads:
                self.waiting.remove(client)
        self.run(lambda: client.connection.data_received(piece))

    @rule(data=st.data())
    def respond(self, data: st.DataObject) -> None:
        client = self.some_client(data, busy=True)
        if client is None or not client.reads:
            return
        self.run(client.may_respond.set)
        client.responses += 1
        self.waiting.append(client)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def stop_or_continue_to_read(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.clients))
        client.reads = not client.reads
        if client.reads:
            self.run(client.connection.resume_writing)
        else:
            self.run(client.connection.pause_writing)
        if client.is_busy and client.reads:
            self.waiting.remove(client)
        elif client.is_busy:
            self.waiting.append(client)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.clients))
        self.clients.remove(client)
        if client in self.waiting:
            self.waiting.remove(client)
        self.run(client.transport.close)
        self.run(client.may_respond.set)

    @invariant()
    def the_pool_agrees_with_the_model(self) -> None:
        assert list(self.pool.waiting) == [client.connection for client in self.waiting]
        assert self.state.connections == {client.connection for client in self.clients}
        assert len(self.clients) <= MOST
        for client in self.clients:
            assert not client.transport.ended
            assert client.transport.written.count(RESPONSE) == client.responses


TestPool = pytest.mark.slow(PoolMachine.TestCase)
TestPool.settings = settings(max_examples=60, stateful_step_count=40)
