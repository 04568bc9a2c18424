"""`oms serve` is killed amid a stream of orders and trades; what it acknowledged is there, and only once."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from oms import journal
from oms.api import Settings, create_app
from support.api_books import JPM
from support.serve_process import oms_serve


def request(number: int) -> tuple[str, dict[str, Any]]:
    if number % 3 == 2:
        return "/trades", {**JPM, "amount": 3}
    return "/orders", {**JPM, "order_id": number, "amount": 2 + number % 7, "price": 5 + number % 4}


def ask(client: Any, number: int) -> Any:
    path, body = request(number)
    return client.post(path, json=body, headers={"Idempotency-Key": f"k{number}"})


def client_of(url: str) -> httpx.Client:
    """Return a client that waits as long as a busy machine needs: only the kill may end its requests."""
    return httpx.Client(base_url=url, timeout=120)


def kills(file: Path, lives: int, rng: random.Random) -> None:
    acknowledged: dict[int, Any] = {}
    number = 0
    for _ in range(lives):
        with oms_serve("--journal", str(file)) as (process, url), client_of(url) as client:
            quiet, killer = rng.randint(0, 40), Timer(rng.uniform(0, 0.01), process.kill)
            with suppress(httpx.TransportError):
                for count in range(10_000):
                    if count == quiet:
                        killer.start()
                    said = ask(client, number)
                    if said.is_success:
                        acknowledged[number] = said.json()
                    number += 1
            killer.join()
        check(file, acknowledged, number)


def check(file: Path, acknowledged: dict[int, Any], last: int) -> None:
    """What was acknowledged is answered as before, and the one in flight is done once at most."""
    with journal.open(file, verify=True) as om:
        before = om.last_sequence
        assert before in (len(acknowledged), len(acknowledged) + 1)
        client = TestClient(create_app(om, Settings()))
        for number, answer in acknowledged.items():
            assert ask(client, number).json() == answer
        assert om.last_sequence == before
        said = ask(client, last)
        if said.is_success:
            acknowledged[last] = said.json()
        assert om.last_sequence == len(acknowledged)


def quiet_kills(file: Path, lives: int, rng: random.Random) -> None:
    """Kill the service while it answers amendments that change nothing, each under a key of its own."""
    order = {**JPM, "order_id": 1, "amount": 5, "price": 5}
    with journal.open(file) as om:
        TestClient(create_app(om, Settings())).post("/orders", json=order)
    acknowledged: dict[str, tuple[Any, Any]] = {}
    for life in range(lives):
        body = {"amount": 5 + life}
        with oms_serve("--journal", str(file)) as (process, url), client_of(url) as client:
            quiet, killer = rng.randint(0, 20), Timer(rng.uniform(0, 0.01), process.kill)
            with suppress(httpx.TransportError):
                for count in range(10_000):
                    if count == quiet:
                        killer.start()
                    key = f"{life}.{count}"
                    said = client.patch("/orders/1", json=body, headers={"Idempotency-Key": key})
                    assert said.is_success, said.text
                    acknowledged[key] = body, said.json()
            killer.join()
        with journal.open(file, verify=True) as om:
            om.amend_order(1, amount=6 + life)
            again = TestClient(create_app(om, Settings()))
            for key, (asked, answer) in acknowledged.items():
                retried = again.patch("/orders/1", json=asked, headers={"Idempotency-Key": key})
                assert retried.json() == answer
            assert om.get_order(1).amount == 6 + life
            assert om.last_sequence == 2 + life
    assert len(acknowledged) > lives


def test_a_key_under_which_nothing_changed_is_remembered_after_a_kill(tmp_path: Path) -> None:
    quiet_kills(tmp_path / "book.db", 2, random.Random(1))


@pytest.mark.long
def test_keys_under_which_nothing_changed_are_remembered_after_fifty_kills(tmp_path: Path) -> None:
    quiet_kills(tmp_path / "book.db", 50, random.Random(2))


@pytest.mark.slow
def test_a_retry_after_a_kill_gets_the_first_answer(tmp_path: Path) -> None:
    kills(tmp_path / "book.db", 3, random.Random(1))


@pytest.mark.long
def test_a_retry_after_a_hundred_kills_gets_the_first_answer(tmp_path: Path) -> None:
    kills(tmp_path / "book.db", 100, random.Random(2))
