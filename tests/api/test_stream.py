"""Streams of a real server: complete from the snapshot on, and without effect on the books."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from random import Random
from threading import Event
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from oms import OmsError, Order, OrderManagement, Side
from oms.api import Settings, create_app, server
from oms.api.backlog import Readers
from oms.api.stream import READER_TOO_SLOW
from support.api_server import Address, next_message, serving, stream
from support.book_commands import commands, run
from support.strategies import symbols


@pytest.fixture(scope="module")
def om() -> OrderManagement:
    return OrderManagement()


@pytest.fixture(scope="module")
def address(om: OrderManagement) -> Iterator[Address]:
    with serving(create_app(om, Settings(most_streams=4))) as address:
        yield address


@pytest.fixture(autouse=True)
def empty(om: OrderManagement) -> None:
    om.remove_orders()


def with_integers(content: Any) -> Any:
    """Return a message in which the integers that were sent as strings are integers again."""
    if isinstance(content, list):
        return list(map(with_integers, content))
    if not isinstance(content, dict):
        return content
    fields = {key: with_integers(value) for key, value in content.items()}
    return fields | {key: int(fields[key]) for key in ("order_id", "amount", "price") if key in fields}


class Rebuilt:
    """The resting orders, rebuilt from the messages of a stream."""

    def __init__(self, connection: ClientConnection) -> None:
        """Read all parts of the snapshot."""
        part = with_integers(next_message(connection))
        assert part["type"] == "snapshot"
        self.sequence: int = part["sequence"]
        self.parts = [len(part["orders"])]
        listed = part["orders"]
        while part["more"]:
            part = with_integers(next_message(connection))
            assert (part["type"], part["sequence"]) == ("snapshot_part", self.sequence)
            self.parts.append(len(part["orders"]))
            listed += part["orders"]
        self.orders = {order["order_id"]: order for order in listed}
        assert len(self.orders) == len(listed), "each order is in one part"

    def apply(self, change: dict[str, Any]) -> None:
        assert change["previous"] == self.sequence
        assert change["sequence"] > self.sequence
        self.sequence = change["sequence"]
        match change["type"]:
            case "OrderAdded":
                self.orders[change["order"]["order_id"]] = change["order"]
            case "OrdersAdded":
                self.orders |= {order["order_id"]: order for order in change["orders"]}
            case "OrderRemoved":
                del self.orders[change["order"]["order_id"]]
            case "OrdersRemoved":
                for order in change["orders"]:
                    del self.orders[order["order_id"]]
            case "OrderAmended":
                assert self.orders[change["before"]["order_id"]] == change["before"]
                self.orders[change["after"]["order_id"]] = change["after"]
            case "TradePlaced":
                for fill in change["trade"]["fills"]:
                    self._fill(fill)

    def _fill(self, fill: dict[str, int]) -> None:
        order = self.orders[fill["order_id"]]
        order["amount"] -= fill["amount"]
        if not order["amount"]:
            del self.orders[fill["order_id"]]


@given(st.lists(commands, max_size=20), st.lists(commands, max_size=20), st.none() | symbols)
@settings(max_examples=40)
def test_a_client_can_rebuild_the_resting_orders_from_the_messages_alone(
    om: OrderManagement, address: Address, before: list[Any], after: list[Any], symbol: str | None
) -> None:
    om.remove_orders()
    run(om, before)
    with stream(address, f"?symbol={symbol}" if symbol else "") as connection:
        rebuilt = Rebuilt(connection)
        run(om, after)
        om.add_order(10**6, symbol or "END", Side.BUY, 1, 1)  # a known last change
        while 10**6 not in rebuilt.orders:
            rebuilt.apply(with_integers(next_message(connection)))
    assert rebuilt.orders == {order.order_id: order._asdict() for order in om.orders(symbol)}


def test_what_a_client_rebuilds_equals_the_books_at_each_number_while_threads_change_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.api.stream.PART_LENGTH", 7)
    monkeypatch.setattr("oms.api.stream.LARGE", 3)
    om = OrderManagement()
    om.add_orders(Order(number, f"S{number % 5}", Side.BUY, 9, number % 11 + 1) for number in range(300))
    states = {om.last_sequence: set(om.orders())}
    om.subscribe(lambda event: states.update({event.sequence: set(om.orders())}))
    stop = Event()

    def change(seed: int) -> None:
        random = Random(seed)
        while not stop.is_set():
            random_change(om, random)

    with serving(create_app(om, Settings(stream_backlog=10_000))) as address, ThreadPoolExecutor() as pool:
        changing = [pool.submit(change, seed) for seed in range(2)]
        try:
            for symbol in (None, None, "S2"):
                with stream(address, f"?symbol={symbol}" if symbol else "") as connection:
                    rebuilt = Rebuilt(connection)
                    assert max(rebuilt.parts) <= 7
                    for _ in range(60):
                        expected = [
                            each for each in states[rebuilt.sequence] if symbol in (None, each.symbol)
                        ]
                        assert rebuilt.orders == {each.order_id: each._asdict() for each in expected}
                        rebuilt.apply(with_integers(next_message(connection)))
        finally:
            stop.set()
        for each in changing:
            each.result()


def random_change(om: OrderManagement, random: Random) -> None:
    """Make a random change of books with about 300 orders and 5 symbols."""
    number, symbol, side = random.randrange(400), f"S{random.randrange(5)}", random.choice(list(Side))
    with suppress(OmsError):
        match random.randrange(7):
            case 0 | 1:
                om.add_order(number, symbol, side, random.randint(1, 9), random.randint(1, 12))
            case 2:
                om.remove_order(number)
            case 3:
                om.amend_order(number, amount=random.randint(1, 9), price=random.randint(1, 12))
            case 4:
                om.place_trade(symbol, side, random.randint(1, 60))
            case 5:
                om.add_orders(Order(number + n, f"S{n % 5}", side, 5, 7) for n in range(1_000, 1_020))
            case _:
                om.remove_orders(symbol, Side.SELL)


def test_each_message_has_the_number_of_the_previous_message(om: OrderManagement, address: Address) -> None:
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    with stream(address, "?symbol=JPM") as connection:
        snapshot = next_message(connection)
        start = snapshot["sequence"]
        assert [order["order_id"] for order in snapshot["orders"]] == [1]
        om.add_order(2, "IBM", Side.BUY, 1, 1)
        om.amend_order(1, amount=7)
        om.place_trade("JPM", Side.BUY, 3)
        amended, traded = next_message(connection), next_message(connection)
    assert (amended["type"], amended["previous"], amended["sequence"]) == ("OrderAmended", start, start + 2)
    assert (traded["type"], traded["previous"], traded["sequence"]) == ("TradePlaced", start + 2, start + 3)
    assert traded["trade"]["fills"] == [{"order_id": 1, "amount": 3, "price": 20}]


def test_streams_of_different_symbols_do_not_share_the_message_about_orders_of_both(
    om: OrderManagement, address: Address
) -> None:
    with stream(address, "?symbol=A") as one, stream(address, "?symbol=B") as other, stream(address) as both:
        for each in (one, other, both):
            next_message(each)
        om.add_orders([Order(1, "A", Side.BUY, 1, 1), Order(2, "B", Side.BUY, 1, 1)])
        orders = [next_message(each)["orders"] for each in (one, other, both)]
    assert [[order["order_id"] for order in listed] for listed in orders] == [[1], [2], [1, 2]]


def test_messages_and_the_trades_of_a_snapshot_have_the_times_of_their_events() -> None:
    ticks = count(2**53 - 1)
    om = OrderManagement(clock=lambda: next(ticks))
    client = TestClient(create_app(om, Settings()))
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.place_trade("JPM", Side.BUY, 5)
    om.clock = None
    om.place_trade("JPM", Side.BUY, 5)
    with client.websocket_connect("/stream?symbol=JPM") as connection:
        snapshot = connection.receive_json()
        om.clock = lambda: 5
        om.add_order(2, "JPM", Side.BUY, 20, 20)
        om.clock = None
        om.remove_orders()
        messages = [connection.receive_json(), connection.receive_json()]
    assert [trade["time"] for trade in snapshot["trades"]] == [str(2**53), None]
    assert [message["time"] for message in messages] == [5, None]
    assert list(messages[0])[:4] == ["type", "previous", "sequence", "time"]


def test_a_snapshot_contains_the_last_twenty_trades(om: OrderManagement, address: Address) -> None:
    om.add_order(1, "TAPE", Side.SELL, 100, 20)
    for _ in range(30):
        om.place_trade("TAPE", Side.SELL, 2)
    with stream(address, "?symbol=TAPE") as connection:
        trades = next_message(connection)["trades"]
    assert len(trades) == 20
    assert trades[-1]["sequence"] == om.last_sequence
    assert [trade["sequence"] for trade in trades] == sorted(trade["sequence"] for trade in trades)


def test_the_stream_of_a_slow_client_is_closed_and_that_of_a_fast_client_is_not() -> None:
    om = OrderManagement()
    crowd = [Order(n, "JPM", Side.BUY, 10**6, 5) for n in range(1_000)]
    with serving(create_app(om, Settings(stream_backlog=8))) as address, stream(address) as quick:
        assert next_message(quick)["type"] == "snapshot"
        readers = readers_of(om)
        with connection_that_reads_nothing(address) as slow:
            wait_until(lambda: len(readers) == 2)
            # Until the buffers of the connection are full and the server gives up. Then the server waits
            # only for a few seconds before it drops the connection without a close frame.
            rounds = 0
            while len(readers) == 2:
                rounds += 1
                assert rounds < 500, "the buffers take less"
                om.add_orders(crowd)
                assert next_message(quick)["type"] == "OrdersAdded"
                om.remove_orders()
                assert next_message(quick)["type"] == "OrdersRemoved"
            end = b""
            while not end.endswith(CLOSE_FRAME):
                chunk = slow.recv(2**16)
                assert chunk, "the connection ended without a close frame"
                end = end[-3:] + chunk


def readers_of(om: OrderManagement) -> Readers:
    """Return the subscriber that all streams of the only application share."""
    callbacks = om._ledger.subscribers.callbacks.values()
    return next(callback for callback in callbacks if isinstance(callback, Readers))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 30
    while not condition():
        assert monotonic() < deadline
        sleep(0.01)


CLOSE_FRAME = b"\x88\x02" + READER_TOO_SLOW.to_bytes(2)


def connection_that_reads_nothing(address: Address) -> socket.socket:
    """Open a stream and read only the response that opens it."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(30)
    reader.connect(address)
    request = f"GET /stream HTTP/1.1\r\nHost: {address.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2l4dGVlbiBieXRlcy4uLg==\r\n\r\n"
    reader.sendall((request + key).encode())
    assert b" 101 " in reader.recv(30)
    return reader


def test_a_stream_is_closed_if_its_client_sends_a_message(address: Address) -> None:
    with stream(address) as connection:
        next_message(connection)
        connection.send("hello")
        ends_with(connection, 1003)


@pytest.mark.parametrize(
    ("query", "field"), [("?symbol=", "symbol"), ("?x=1", "x"), ("?symbol=A&symbol=B", "symbol")]
)
def test_a_stream_with_an_invalid_query_gets_a_problem(address: Address, query: str, field: str) -> None:
    with pytest.raises(InvalidStatus) as rejection, stream(address, query):
        pass
    assert rejection.value.response.status_code == 422
    assert rejection.value.response.headers["content-type"] == "application/problem+json"
    assert json.loads(rejection.value.response.body or b"")["field"] == field


def test_a_stream_beyond_the_limit_is_rejected(address: Address) -> None:
    with stream(address) as one, stream(address) as two, stream(address) as three, stream(address) as four:
        for each in (one, two, three, four):
            next_message(each)
        with pytest.raises(InvalidStatus) as rejection, stream(address):
            pass
    assert json.loads(rejection.value.response.body or b"")["code"] == "too_many_streams"


def test_a_rejected_stream_is_not_logged_as_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = "k" * 40
    with serving(create_app(settings=Settings(api_key=key, most_streams=0))) as address:
        for query, headers, status in (
            ("", {}, 401),
            ("?x=1", {"Authorization": f"Bearer {key}"}, 422),
            ("", {"Authorization": f"Bearer {key}"}, 503),
        ):
            with pytest.raises(InvalidStatus) as rejection, stream(address, query, **headers):
                pass
            assert rejection.value.response.status_code == status
            assert rejection.value.response.body
    assert "ERROR" not in capsys.readouterr().err


def wait_until_a_stream_can_be_opened(address: Address) -> None:
    deadline = monotonic() + 30
    while True:
        try:
            with stream(address, "?symbol=X") as reader:
                assert next_message(reader)["type"] == "snapshot"
        except InvalidStatus:
            assert monotonic() < deadline
            sleep(0.1)
        else:
            return


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux closes a connection whose client reads nothing"
)
def test_a_client_that_reads_nothing_is_disconnected_and_another_can_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_UNREAD_MILLISECONDS", 200)
    om = OrderManagement()
    om.add_orders(Order(number, "J" * 300, Side.BUY, 1, 1) for number in range(20_000))
    with serving(create_app(om, Settings(most_streams=1))) as address:
        stuck = socket.create_connection(address)
        handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        stuck.sendall(f"GET /stream HTTP/1.1\r\nHost: x\r\n{handshake}{key}".encode())
        assert stuck.recv(12) == b"HTTP/1.1 101"
        wait_until_a_stream_can_be_opened(address)
        stuck.close()


def test_streams_are_closed_when_the_server_stops() -> None:
    with ExitStack() as last, serving(create_app(settings=Settings())) as address:
        connection = last.enter_context(stream(address))
        next_message(connection)
        assert httpx.get(f"{address.http}/health").json() == {"alive": True}
        last.callback(ends_with, connection, 1012)


def ends_with(connection: ClientConnection, code: int) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        next_message(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
