"""The streams of the shards, relayed by a gateway. Gateway and workers are real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from threading import Event
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from oms import OrderManagement, Side
from oms.api import Settings, create_app
from oms.cluster.gateway import Addresses, create_gateway, streams
from oms.cluster.ownership.shards import Shards
from support.api_server import Address, next_message, serving, stream
from support.clusters import NAMES, SYMBOLS, MemoryDirectory

BUY = Side.BUY


class Served:
    """A gateway and the workers of three shards, on free ports."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.books = {name: OrderManagement() for name in NAMES}
        self.addresses = Addresses()
        for name in NAMES:
            self.addresses.set(name, self.serve_books(name).http)
        gateway = create_gateway(
            Shards(NAMES), MemoryDirectory(), self.addresses, Settings(most_streams=2), patience=0.05
        )
        self.gateway = stack.enter_context(serving(gateway))

    def serve_books(self, name: str, api_key: str | None = None) -> Address:
        return self.stack.enter_context(serving(create_app(self.books[name], Settings(api_key=api_key))))


@pytest.fixture
def served() -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(stack)


def rejection(served: Served, query: str) -> tuple[int, str]:
    """Return the status and the code of a stream that is rejected."""
    with pytest.raises(InvalidStatus) as caught:
        stream(served.gateway, query)
    response = caught.value.response
    return response.status_code, json.loads(response.body)["code"]


def test_a_stream_shows_the_books_of_the_shard_of_a_symbol_or_of_a_whole_shard(served: Served) -> None:
    served.books["s2"].add_order(1, "AAPL", BUY, 5, 9)
    with stream(served.gateway, "?symbol=AAPL") as one, stream(served.gateway, "?shard=s2") as whole:
        assert one.response is not None
        assert one.response.headers["oms-shard"] == "s2"
        assert [next_message(one)["symbol"], next_message(whole)["symbol"]] == ["AAPL", None]
        served.books["s2"].add_order(2, "MSFT", BUY, 5, 9)
        served.books["s2"].add_order(3, "AAPL", BUY, 5, 9)
        assert next_message(one)["sequence"] == 3
        assert [next_message(whole)["sequence"] for _ in range(2)] == [2, 3]


def test_a_rejected_stream_has_the_problem_of_the_gateway_or_of_the_worker(served: Served) -> None:
    assert rejection(served, "") == (422, "shard_required")
    assert rejection(served, "?shard=s4") == (422, "invalid_order")
    assert rejection(served, "?symbol=AAPL&x=1") == (422, "invalid_order")
    with stream(served.gateway, "?shard=s1"), stream(served.gateway, "?shard=s2"):
        assert rejection(served, "?shard=s3") == (503, "too_many_streams")
    served.addresses.set("s1", served.serve_books("s1", api_key="correct-horse-battery").http)
    assert rejection(served, "?shard=s1") == (401, "unauthorized")
    bearer = {"Authorization": "Bearer correct-horse-battery"}
    with stream(served.gateway, f"?symbol={SYMBOLS['s1']}", **bearer) as connection:
        assert next_message(connection)["type"] == "snapshot"


def test_without_a_worker_a_stream_is_rejected(served: Served) -> None:
    served.addresses.set("s1", "http://127.0.0.1:9")
    assert rejection(served, "?shard=s1") == (503, "shard_unavailable")
    served.addresses.set("s1", None)
    assert rejection(served, "?shard=s1") == (503, "shard_unavailable")


def test_a_stream_ends_when_another_worker_takes_over_and_a_new_one_begins_with_a_snapshot(
    served: Served,
) -> None:
    with stream(served.gateway, "?shard=s1") as connection:
        next_message(connection)
        served.books["s1"] = OrderManagement()
        served.books["s1"].add_order(1, "JPM", BUY, 5, 9)
        served.addresses.set("s1", served.serve_books("s1").http)
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
    with stream(served.gateway, "?shard=s1") as connection:
        assert len(next_message(connection)["orders"]) == 1


class PausedWorker:
    """The connection to a worker that is paused. To close it takes until the client knows that it is closed.

    `was_known` says whether the client knew it after 30 seconds.
    """

    def __init__(self) -> None:
        self.response, self.close_code = SimpleNamespace(headers={}), None
        self.is_known, self.is_closed, self.was_known = Event(), Event(), False

    async def __aenter__(self) -> PausedWorker:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.was_known = await asyncio.to_thread(self.is_known.wait, 30)
        self.is_closed.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "{}"
        await asyncio.Event().wait()


def test_a_stream_of_a_paused_worker_ends_as_soon_as_another_worker_has_taken_over(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = PausedWorker()

    async def connect(*_: object, **__: object) -> PausedWorker:
        return worker

    monkeypatch.setattr(streams, "connect", connect)
    with stream(served.gateway, "?shard=s1") as connection:
        next_message(connection)
        served.addresses.set("s1", "http://127.0.0.1:9")
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=60)
        worker.is_known.set()
    assert worker.is_closed.wait(60)
    assert worker.was_known


def test_a_client_that_sends_a_message_is_disconnected_as_by_a_worker(served: Served) -> None:
    with stream(served.gateway, "?shard=s1") as connection:
        next_message(connection)
        connection.send("hello")
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1003


def test_closed_streams_make_room_for_others(served: Served) -> None:
    for _ in range(5):
        with stream(served.gateway, "?shard=s1") as connection:
            next_message(connection)
    with stream(served.gateway, "?shard=s1"), stream(served.gateway, "?shard=s1"):
        pass
