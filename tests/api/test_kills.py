"""After `oms serve` is killed during requests, every acknowledged change was made exactly once."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Thread, Timer
from time import perf_counter_ns, sleep
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.testclient import TestClient

from oms import journal
from oms.api import Settings, create_app
from support.api_books import JPM
from support.serve_process import oms_serve
from support.slow_disk import slow_service


def request(number: int) -> tuple[str, dict[str, Any]]:
    if number % 3 == 2:
        return "/trades", {**JPM, "amount": 3}
    return "/orders", {**JPM, "order_id": number, "amount": 2 + number % 7, "price": 5 + number % 4}


def send(client: Any, number: int) -> Any:
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
            requests_before, killer = rng.randint(0, 40), Timer(rng.uniform(0, 0.01), process.kill)
            with suppress(httpx.TransportError):
                for count in range(10_000):
                    if count == requests_before:
                        killer.start()
                    response = send(client, number)
                    if response.is_success:
                        acknowledged[number] = response.json()
                    number += 1
            killer.join()
        check(file, acknowledged, number)


def check(file: Path, acknowledged: dict[int, Any], last: int) -> None:
    """Check that retries get the first responses, and that the last request is executed at most once."""
    with journal.open(file, verify=True) as om:
        before = om.last_sequence
        assert before in (len(acknowledged), len(acknowledged) + 1)
        client = TestClient(create_app(om, Settings()))
        for number, response in acknowledged.items():
            assert send(client, number).json() == response
        assert om.last_sequence == before
        retry = send(client, last)
        if retry.is_success:
            acknowledged[last] = retry.json()
        assert om.last_sequence == len(acknowledged)


class Attempt(NamedTuple):
    """A request of one of several writers. The response is None if the kill came first."""

    number: int
    sent: int
    received: int
    response: Any


def kills_under_load(file: Path, lives: int, writers: int, rng: random.Random) -> None:
    """Kill the service while several writers wait for the same syncs, and check every response."""
    numbers, made = count(), list[Attempt]()
    for _ in range(lives):
        attempts: list[Attempt] = []
        with slow_service(file, orders=0, delay=0.002) as (process, port):
            threads = [Thread(target=write, args=(port, numbers, attempts)) for _ in range(writers)]
            for thread in threads:
                thread.start()
            responses_before = rng.randint(0, 150)
            while len(attempts) < responses_before and all(thread.is_alive() for thread in threads):
                sleep(0.001)
            sleep(rng.uniform(0, 0.02))
            process.kill()
            for thread in threads:
                thread.join()
        made += made_changes(file, attempts, len(made))
    check_order(made)
    with journal.open(file, verify=True) as om:
        client = TestClient(create_app(om, Settings()))
        assert all(send(client, each.number).json() == each.response for each in made)
        assert om.last_sequence == len(made) > lives


def write(port: int, numbers: Iterator[int], attempts: list[Attempt]) -> None:
    """Send requests until the service is killed, and record those that were not rejected."""
    with client_of(f"http://127.0.0.1:{port}") as client:
        is_alive = True
        while is_alive:
            number, sent = next(numbers), perf_counter_ns()
            try:
                response = send(client, number)
            except httpx.TransportError:
                is_alive = False
                attempts.append(Attempt(number, sent, perf_counter_ns(), None))
            else:
                assert response.status_code < 500, response.text
                if response.is_success:
                    attempts.append(Attempt(number, sent, perf_counter_ns(), response.json()))


def made_changes(file: Path, attempts: list[Attempt], before: int) -> list[Attempt]:
    """Return the attempts of one life that made a change, after checking that each made it once.

    `before` is the number of changes of all earlier lives.
    """
    made = [attempt for attempt in attempts if attempt.response is not None]
    unknown = [attempt for attempt in attempts if attempt.response is None]
    with journal.open(file, verify=True) as om:
        last = om.last_sequence
        assert 0 <= last - before - len(made) <= len(unknown)
        client = TestClient(create_app(om, Settings()))
        for attempt in made:
            assert send(client, attempt.number).json() == attempt.response
        assert om.last_sequence == last
        for attempt in unknown:  # if the change is in the journal, this is a retry
            retry = send(client, attempt.number)
            if retry.is_success:
                made.append(attempt._replace(received=perf_counter_ns(), response=retry.json()))
        assert om.last_sequence == before + len(made)
    return made


def check_order(made: list[Attempt]) -> None:
    """Check that a request that was sent after another one's response has the higher sequence number."""
    assert sorted(each.response["sequence"] for each in made) == list(range(1, len(made) + 1))
    by_response, highest = deque(sorted(made, key=lambda each: each.received)), 0
    for attempt in sorted(made, key=lambda each: each.sent):
        while by_response[0].received < attempt.sent:
            highest = max(highest, by_response.popleft().response["sequence"])
        assert attempt.response["sequence"] > highest


def kills_without_changes(file: Path, lives: int, rng: random.Random) -> None:
    """Kill the service while it receives amendments that change nothing, each with its own key."""
    order = {**JPM, "order_id": 1, "amount": 5, "price": 5}
    with journal.open(file) as om:
        TestClient(create_app(om, Settings())).post("/orders", json=order)
    acknowledged: dict[str, tuple[Any, Any]] = {}
    for life in range(lives):
        body = {"amount": 5 + life}
        with oms_serve("--journal", str(file)) as (process, url), client_of(url) as client:
            requests_before, killer = rng.randint(0, 20), Timer(rng.uniform(0, 0.01), process.kill)
            with suppress(httpx.TransportError):
                for count in range(10_000):
                    if count == requests_before:
                        killer.start()
                    key = f"{life}.{count}"
                    response = client.patch("/orders/1", json=body, headers={"Idempotency-Key": key})
                    assert response.is_success, response.text
                    acknowledged[key] = body, response.json()
            killer.join()
        with journal.open(file, verify=True) as om:
            om.amend_order(1, amount=6 + life)
            client_after = TestClient(create_app(om, Settings()))
            for key, (amendment, response_body) in acknowledged.items():
                retry = client_after.patch("/orders/1", json=amendment, headers={"Idempotency-Key": key})
                assert retry.json() == response_body
            assert om.get_order(1).amount == 6 + life
            assert om.last_sequence == 2 + life
    assert len(acknowledged) > lives


def test_a_response_that_changed_nothing_is_replayed_after_a_kill(tmp_path: Path) -> None:
    kills_without_changes(tmp_path / "book.db", 2, random.Random(1))


@pytest.mark.soak
def test_responses_that_changed_nothing_are_replayed_after_fifty_kills(tmp_path: Path) -> None:
    kills_without_changes(tmp_path / "book.db", 50, random.Random(2))


@pytest.mark.long
def test_a_retry_after_a_kill_gets_the_first_response(tmp_path: Path) -> None:
    kills(tmp_path / "book.db", 3, random.Random(1))


@pytest.mark.long
def test_a_kill_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    kills_under_load(tmp_path / "book.db", lives=2, writers=8, rng=random.Random(3))


@pytest.mark.soak
def test_a_hundred_kills_under_load_lose_and_repeat_nothing(tmp_path: Path) -> None:
    kills_under_load(tmp_path / "book.db", lives=100, writers=16, rng=random.Random(4))


@pytest.mark.soak
def test_a_retry_after_a_hundred_kills_gets_the_first_response(tmp_path: Path) -> None:
    kills(tmp_path / "book.db", 100, random.Random(2))
