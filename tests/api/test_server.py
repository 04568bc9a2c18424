"""A real server on the loopback interface: simultaneous, slow, and invalid requests."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from oms import OrderManagement, Side
from oms.api import Settings, create_app
from oms.api.server import listen
from support.api_books import JPM, ORDER, books
from support.api_server import Address, serving


@pytest.fixture(scope="module")
def om() -> OrderManagement:
    return books()


@pytest.fixture(scope="module")
def address(om: OrderManagement) -> Iterator[Address]:
    with serving(create_app(om, Settings(body_seconds=0.5))) as address:
        yield address


def check_response(address: Address) -> None:
    response = httpx.get(f"{address.http}/price", params={**JPM, "amount": 22}, timeout=10)
    assert response.json()["total_price"] == 442


def headers(*lines: str) -> bytes:
    return "\r\n".join(["POST /trades HTTP/1.1", "Host: x", *lines, "", ""]).encode()


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        headers(JSON, "Content-Length: -1"),
        headers(JSON, "Content-Length: 10", "Transfer-Encoding: chunked") + b"zz\r\n",
        headers(JSON, "Transfer-Encoding: chunked") + b"nonsense\r\n",
        b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /orders/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(10),
)
def test_the_server_survives_invalid_http(address: Address, content: bytes) -> None:
    response = exchange(address, content)
    assert b" 500 " not in response
    assert b"Traceback" not in response
    check_response(address)


def exchange(address: Address, content: bytes) -> bytes:
    """Send the content, close the sending half of the connection, and return everything received."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        response = b""
        try:
            while chunk := connection.recv(2**16):
                response += chunk
        except ConnectionResetError:
            pass
        return response


@pytest.mark.parametrize("length", [["Content-Length: 70000"], ["Transfer-Encoding: chunked"]])
def test_a_body_that_is_too_large_is_rejected_before_it_has_arrived_completely(
    address: Address, length: list[str]
) -> None:
    chunk = b"11170\r\n" if "chunked" in length[0] else b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(headers(JSON, *length) + chunk + b" " * 66_000)  # the rest never arrives
        response = connection.recv(2**16)
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in response
    check_response(address)


@pytest.mark.parametrize(
    ("path", "body", "limit"),
    [
        ("/orders", {**ORDER, "order_id": 1000, "symbol": "LIMIT"}, 4 * 1024 * 1024),
        ("/orders/1000", {"amount": 7}, 64 * 1024),
    ],
)
def test_a_body_of_exactly_the_limit_is_accepted(
    address: Address, path: str, body: dict[str, object], limit: int
) -> None:
    content = json.dumps(body).encode()
    padded = content + b" " * (limit - len(content))
    method, media_type = "POST" if path == "/orders" else "PATCH", {"Content-Type": "application/json"}

    def status(content: bytes) -> int:
        url = f"{address.http}{path}"
        return httpx.request(method, url, content=content, headers=media_type).status_code

    assert (status(padded), status(padded + b" ")) == (201 if path == "/orders" else 200, 413)


def test_slow_bodies_time_out_and_do_not_block_other_clients(address: Address) -> None:
    slow = [socket.create_connection(address, timeout=10) for _ in range(60)]
    for connection in slow:
        connection.sendall(headers(JSON, "Content-Length: 100") + b"{")
    check_response(address)
    for connection in slow:
        assert connection.recv(2**16).startswith(b"HTTP/1.1 408 ")
        connection.close()


def test_a_client_that_disconnects_during_a_request_changes_nothing(
    address: Address, om: OrderManagement
) -> None:
    before = om.state_hash()
    for _ in range(20):
        connection = socket.create_connection(address)
        connection.sendall(headers(JSON, "Content-Length: 100") + b'{"order_id": 77,')
        connection.close()
    check_response(address)
    assert om.state_hash() == before


@pytest.mark.slow
def test_a_thousand_simultaneous_changes_are_all_made_in_the_order_of_their_responses() -> None:
    om = OrderManagement()
    requests = list(crowd(random.Random(5)))
    with serving(create_app(om, Settings())) as address:
        responses = asyncio.run(all_at_once(address, requests))
    assert len(responses) == 1000
    assert {status for status, _ in responses} <= {200, 201, 404, 409}
    changes = [body for status, body in responses if status < 300]
    assert sorted(body["sequence"] for body in changes) == list(range(1, om.last_sequence + 1))
    replayed = OrderManagement()
    by_sequence = sorted(
        (body["sequence"], number) for number, (status, body) in enumerate(responses) if status < 300
    )
    for sequence, number in by_sequence:
        replay(replayed, requests[number], responses[number][1])
        assert replayed.last_sequence == sequence
    assert replayed.state_hash() == om.state_hash()


Change = tuple[str, str, dict[str, Any] | None]


def crowd(rng: random.Random) -> Iterator[Change]:
    """Yield a thousand changes of every kind. Many of them concern the same orders."""
    for number in range(1000):
        match number % 5:
            case 0 | 1:
                price, amount = rng.randint(1, 9), rng.randint(1, 30)
                order = {"order_id": number, "symbol": "JPM", "side": rng.choice(["BUY", "SELL"])}
                yield "POST", "/orders", {**order, "amount": amount, "price": price}
            case 2:
                side, amount = rng.choice(["BUY", "SELL"]), rng.randint(1, 40)
                yield "POST", "/trades", {"symbol": "JPM", "side": side, "amount": amount}
            case 3:
                yield "PATCH", f"/orders/{max(0, number - rng.choice([2, 3, 12]))}", {"price": 10 + number}
            case _:
                yield "DELETE", f"/orders/{max(0, number - rng.choice([3, 4, 13]))}", None


async def all_at_once(address: Address, requests: list[Change]) -> list[tuple[int, dict[str, Any]]]:
    """Send all requests in one event loop, over at most 250 connections, and return the responses."""
    free = asyncio.Semaphore(250)

    async def send(method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body).encode() if body else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", JSON, f"Content-Length: {len(content)}"]
        async with free:
            reader, writer = await asyncio.open_connection(*address)
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + content)
            response = await reader.read()
            writer.close()
        status, _, response_body = response.partition(b"\r\n\r\n")
        return int(status.split()[1]), json.loads(response_body)

    return list(await asyncio.gather(*(send(*request) for request in requests)))


def replay(om: OrderManagement, change: Change, response: dict[str, Any]) -> None:
    """Make the change of a request, and compare the result with the response."""
    method, path, body = change
    order_id = int(path.rpartition("/")[2]) if path.count("/") == 2 else 0
    match method, path:
        case "POST", "/orders":
            assert body is not None
            om.add_order(**{**body, "side": Side(body["side"])})
        case "POST", _:
            assert body is not None
            trade = om.place_trade(**{**body, "side": Side(body["side"])})
            assert (trade.trade_id, trade.total_price) == (response["trade_id"], response["total_price"])
        case "PATCH", _:
            assert om.amend_order(order_id, **(body or {})).amount == response["amount"]
        case _:
            assert om.get_order(order_id).amount == response["amount"]
            om.remove_order(order_id)


def test_the_socket_has_the_protocol_that_makes_asyncio_send_without_delay() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
