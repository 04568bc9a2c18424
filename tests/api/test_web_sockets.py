"""WebSocket connections of a real server: limits for clients, and long messages."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app, web_sockets
from oms.api.web_sockets import FRAGMENT, MOST_FRAMES, TOO_MANY_FRAMES
from support.api_server import Address, next_message, serving, stream

TEXT, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x0, 0x8, 0x9, 0xA
FINAL = 0x80


class Frame(NamedTuple):
    """A received frame. `first` contains the opcode and the flags."""

    first: int
    payload: bytes


class RawClient:
    """A client that can send any frames. All payloads have the mask 0."""

    def __init__(self, address: Address, query: str = "") -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._file = self._socket.makefile("rb")
        request = f"GET /stream{query} HTTP/1.1\r\nHost: {address.host}\r\nConnection: Upgrade\r\n"
        upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        extensions = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        key = "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4uLg==\r\n\r\n"
        self._socket.sendall(f"{request}{upgrade}{extensions}{key}".encode())
        self.headers = b"".join(iter(self._file.readline, b"\r\n")).lower()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, *frames: tuple[int, bytes]) -> None:
        """Send frames in one packet."""
        self._socket.sendall(
            b"".join(bytes((first, 0x80 | len(data), 0, 0, 0, 0)) + data for first, data in frames)
        )

    def receive(self) -> Frame:
        first, length = self._file.read(2)
        if length >= 126:
            length = int.from_bytes(self._file.read(2 if length == 126 else 8))
        return Frame(first, self._file.read(length))

    def receive_until_the_end(self) -> list[Frame]:
        frames = [self.receive()]
        while frames[-1].first != FINAL | CLOSE:
            frames.append(self.receive())
        assert self._file.read(1) == b""
        return frames


@pytest.fixture(scope="module")
def om() -> OrderManagement:
    return OrderManagement()


@pytest.fixture(scope="module")
def address(om: OrderManagement) -> Iterator[Address]:
    with serving(create_app(om, Settings())) as address:
        yield address


def test_each_ping_is_answered_with_its_payload(address: Address) -> None:
    with RawClient(address) as client:
        assert client.receive().first == FINAL | TEXT
        client.send(*[(FINAL | PING, bytes([number])) for number in range(50)])
        assert [client.receive() for _ in range(50)] == [
            Frame(FINAL | PONG, bytes([number])) for number in range(50)
        ]


@pytest.mark.parametrize(
    "frames",
    [
        [(FINAL | PING, b"")],
        [(FINAL | PING, b"x" * 125)],
        [(FINAL | PONG, b"")],
        [(TEXT, b""), (CONTINUATION, b"")],
        [(CONTINUATION, b""), (FINAL | PING, b"")],
    ],
    ids=["pings", "long pings", "pongs", "pieces of a message", "pieces and pings"],
)
def test_a_client_that_sends_too_many_frames_is_disconnected(
    om: OrderManagement, address: Address, frames: list[tuple[int, bytes]]
) -> None:
    with stream(address) as other:
        next_message(other)
        with RawClient(address) as client:
            client.receive()
            if frames[0][0] == CONTINUATION:
                client.send((TEXT, b""))
            client.send(*frames[:1], *frames[-1:] * (2 * MOST_FRAMES))
            *answers, last = client.receive_until_the_end()
        assert int.from_bytes(last.payload[:2]) == TOO_MANY_FRAMES
        assert len(answers) <= MOST_FRAMES
        om.add_order(1, "JPM", Side.BUY, 1, 1)
        assert next_message(other)["type"] == "OrderAdded"
        om.remove_order(1)


def test_frames_of_an_earlier_time_do_not_count(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_sockets, "FRAME_SECONDS", 0.0)
    with RawClient(address) as client:
        client.receive()
        for _ in range(5):
            client.send(*[(FINAL | PING, b"")] * 90)
            assert {client.receive() for _ in range(90)} == {Frame(FINAL | PONG, b"")}


def test_a_flood_right_behind_the_request_is_not_parsed_at_once(address: Address) -> None:
    with RawClient(address) as client:
        client.send(*[(FINAL | PING, b"")] * 10_000)
        received = 0
        try:
            while client.receive().first != FINAL | CLOSE:
                received += 1
        except (ConnectionError, ValueError):
            pass  # the server has closed the connection before it has read everything
    assert received <= MOST_FRAMES + 1


def test_messages_are_not_compressed(address: Address) -> None:
    with RawClient(address) as client:
        assert client.headers.startswith(b"http/1.1 101 ")
        assert b"sec-websocket-extensions" not in client.headers


def test_a_long_message_is_sent_in_fragments(om: OrderManagement, address: Address) -> None:
    om.add_orders(Order(number, "FRAG", Side.BUY, 1, number) for number in range(1, 2_001))
    with RawClient(address, "?symbol=FRAG") as client, stream(address, "?symbol=FRAG") as other:
        frames = [client.receive()]
        while frames[-1].first not in (FINAL | TEXT, FINAL | CONTINUATION):
            client.send((FINAL | PING, b"between"))
            frames.append(client.receive())
        frames = [frame for frame in frames if frame.first & 0xF != PONG]
        assert len(frames) > 1
        assert [frame.first for frame in frames] == [
            TEXT,
            *[CONTINUATION] * (len(frames) - 2),
            FINAL | CONTINUATION,
        ]
        assert max(len(frame.payload) for frame in frames) == FRAGMENT
        assert [order["order_id"] for order in next_message(other)["orders"]] == list(range(1, 2_001))
    om.remove_orders()
