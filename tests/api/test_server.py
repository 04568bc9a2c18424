"""A real server on the loopback: many at once, and those that mean it no good."""

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


def still_answers(address: Address) -> None:
    found = httpx.get(f"{address.http}/price", params={**JPM, "amount": 22}, timeout=10)
    assert found.json()["total_price"] == 442


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /orders HTTP/1.1", "Host: x", *lines, "", ""]).encode()


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        head(JSON, "Content-Length: -1"),
        head(JSON, "Content-Length: 10", "Transfer-Encoding: chunked") + b"zz\r\n",
        head(JSON, "Transfer-Encoding: chunked") + b"nonsense\r\n",
        b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /orders/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(10),
)
def test_what_is_no_http_leaves_the_server_answering(address: Address, sent: bytes) -> None:
    answer = exchange(address, sent)
    assert b" 500 " not in answer
    assert b"Traceback" not in answer
    still_answers(address)


def exchange(address: Address, sent: bytes) -> bytes:
    """Send something, say that it is all, and take what comes: a half-closed connection."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while some := connection.recv(2**16):
                answer += some
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize("length", [["Content-Length: 70000"], ["Transfer-Encoding: chunked"]])
def test_a_body_that_is_too_large_is_refused_before_it_has_all_come(
    address: Address, length: list[str]
) -> None:
    chunk = b"11170\r\n" if "chunked" in length[0] else b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head(JSON, *length) + chunk + b" " * 66_000)  # and there it rests
        answer = connection.recv(2**16)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    still_answers(address)


def test_a_body_of_just_the_limit_is_read(address: Address) -> None:
    body = json.dumps({**ORDER, "order_id": 1000, "symbol": "LIMIT"}).encode()
    padded = body + b" " * (64 * 1024 - len(body))
    headers = {"Content-Type": "application/json"}
    assert httpx.post(f"{address.http}/orders", content=padded, headers=headers).status_code == 201
    assert httpx.post(f"{address.http}/orders", content=padded + b" ", headers=headers).status_code == 413


def test_slow_bodies_are_given_up_and_stop_nobody(address: Address) -> None:
    slow = [socket.create_connection(address, timeout=10) for _ in range(60)]
    for connection in slow:
        connection.sendall(head(JSON, "Content-Length: 100") + b"{")
    still_answers(address)
    for connection in slow:
        assert connection.recv(2**16).startswith(b"HTTP/1.1 408 ")
        connection.close()


def test_who_leaves_in_the_middle_leaves_nothing_behind(address: Address, om: OrderManagement) -> None:
    before = om.state_hash()
    for _ in range(20):
        connection = socket.create_connection(address)
        connection.sendall(head(JSON, "Content-Length: 100") + b'{"order_id": 77,')
        connection.close()
    still_answers(address)
    assert om.state_hash() == before


@pytest.mark.slow
def test_a_thousand_at_once_lose_nothing_and_the_answers_in_order_make_the_state() -> None:
    om = OrderManagement()
    requests = list(crowd(random.Random(5)))
    with serving(create_app(om, Settings())) as address:
        answers = asyncio.run(all_at_once(address, requests))
    assert len(answers) == 1000
    assert {status for status, _ in answers} <= {200, 201, 404, 409}
    done = [said for status, said in answers if status < 300]
    assert sorted(said["sequence"] for said in done) == list(range(1, om.last_sequence + 1))
    again = OrderManagement()
    by_sequence = sorted(
        (said["sequence"], number) for number, (status, said) in enumerate(answers) if status < 300
    )
    for sequence, number in by_sequence:
        repeat(again, requests[number], answers[number][1])
        assert again.last_sequence == sequence
    assert again.state_hash() == om.state_hash()


Change = tuple[str, str, dict[str, Any] | None]


def crowd(rng: random.Random) -> Iterator[Change]:
    """A thousand changes, of every kind; many of them meet the same orders."""
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
    """Ask for all in one loop, over as many connections as a process may have; return the answers."""
    free = asyncio.Semaphore(250)

    async def ask(method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body).encode() if body else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", JSON, f"Content-Length: {len(content)}"]
        async with free:
            reader, writer = await asyncio.open_connection(*address)
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + content)
            answer = await reader.read()
            writer.close()
        status, _, said = answer.partition(b"\r\n\r\n")
        return int(status.split()[1]), json.loads(said)

    return list(await asyncio.gather(*(ask(*request) for request in requests)))


def repeat(om: OrderManagement, change: Change, answer: dict[str, Any]) -> None:
    """Make a change by its request, and compare what comes of it with its answer."""
    method, path, body = change
    order_id = int(path.rpartition("/")[2]) if path.count("/") == 2 else 0
    match method, path:
        case "POST", "/orders":
            assert body is not None
            om.add_order(**{**body, "side": Side(body["side"])})
        case "POST", _:
            assert body is not None
            trade = om.place_trade(**{**body, "side": Side(body["side"])})
            assert (trade.trade_id, trade.total_price) == (answer["trade_id"], answer["total_price"])
        case "PATCH", _:
            assert om.amend_order(order_id, **(body or {})).amount == answer["amount"]
        case _:
            assert om.get_order(order_id).amount == answer["amount"]
            om.remove_order(order_id)


def test_an_answer_is_not_held_back_until_its_head_is_confirmed() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
