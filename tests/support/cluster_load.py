"""Clients that change the books of a cluster through its gateway, and a check of the logs afterwards.

Each client repeats a change with the same idempotency key until it gets a definite response. So in the end,
each change was either acknowledged or definitely rejected. The event of an acknowledged change contains its
key, so the check finds it in the log.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Event as Flag
from typing import Any, NamedTuple

import httpx

from oms import Event, Order, OrderAdded, OrderRemoved, Side, TradePlaced
from oms.api.batches import note_fields
from oms.cluster.ownership.shards import Shards

__all__ = ["Change", "Load", "Outcome", "running_load"]

Json = dict[str, Any]

_TEMPORARY = {"shard_unavailable", "not_owner", "not_ready", "journal_failed"}
_REJECTED = {"order_not_found", "duplicate_order", "insufficient_liquidity"}
_SECONDS = 120.0  # in which a change must get a definite response
_IDS = 10_000_000  # of one client


class Change(NamedTuple):
    """A change that a client sends. `key` is its idempotency key."""

    key: str
    shard: str
    method: str
    path: str
    body: Json | None


class Outcome(NamedTuple):
    """The definite response to a change. `sequence` is that of its event, or None if it was rejected.

    `began` and `ended` are the times at which it was first sent, and at which the response came.
    `attempts` is how often it was sent.
    """

    change: Change
    began: float
    ended: float
    attempts: int
    sequence: int | None
    response: Json


class Load:
    """Clients of the gateway at `url`. Each has its own random numbers, which depend on `seed`.

    They choose from some symbols in each shard, and pause for `pause` seconds after each change. `outcomes`
    grows while they run.
    """

    def __init__(self, url: str, shards: Shards, seed: int, *, clients: int = 4, pause: float = 0.01) -> None:
        self.outcomes: list[Outcome] = []
        self._url, self._shards, self._pause = url, shards, pause
        self._symbols = list(_symbols(shards, 2))
        self._ended = Flag()
        self._pool = ThreadPoolExecutor(clients)
        self._clients = [
            self._pool.submit(self._run, number, random.Random(f"{seed} {number}"))
            for number in range(clients)
        ]

    def stop(self) -> None:
        """Let each client end its present change. Raises the error of a client that has failed."""
        self._ended.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def abort(self) -> None:
        """Let each client end, and ignore its errors."""
        self._ended.set()
        self._pool.shutdown()

    def check_running(self) -> None:
        """Raise the error of a client that has failed."""
        for client in self._clients:
            if client.done():
                client.result()

    def first_after(self, shard: str, moment: float, seconds: float = 90.0) -> float:
        """Wait for the first acknowledged change of a shard that was sent after a moment.

        Return the time from the moment to the acknowledgement.
        """
        end, index = time.monotonic() + seconds, 0
        while True:
            while index < len(self.outcomes):
                outcome, index = self.outcomes[index], index + 1
                is_acknowledged = outcome.sequence is not None and outcome.change.shard == shard
                if is_acknowledged and outcome.began > moment:
                    return outcome.ended - moment
            self.check_running()
            assert time.monotonic() < end, f"no change of shard {shard} is acknowledged"
            time.sleep(0.01)

    # ------------------------------------------------------------------ one client

    def _run(self, number: int, rng: random.Random) -> None:
        ids: list[tuple[int, str]] = []  # of the orders that this client has added, and their shards
        with httpx.Client(base_url=self._url, timeout=60) as http:
            for each in count():
                if self._ended.is_set():
                    return
                change = self._chosen(rng, f"client-{number}-{each}", number * _IDS + each, ids)
                outcome = self._outcome(http, rng, change)
                if outcome.sequence is not None and change.path == "/orders":
                    ids.append((int(outcome.response["order_id"]), change.shard))
                self.outcomes.append(outcome)
                time.sleep(self._pause)

    def _chosen(self, rng: random.Random, key: str, new_id: int, ids: list[tuple[int, str]]) -> Change:
        symbol, kind = rng.choice(self._symbols), rng.random()
        shard = self._shards.of(symbol)
        if kind < 0.25 and ids:
            order_id, shard = rng.choice(ids[-20:])  # it may already be filled or removed
            return Change(key, shard, "DELETE", f"/orders/{order_id}", None)
        if kind < 0.5:
            trade = {"symbol": symbol, "side": "BUY", "amount": rng.randint(1, 12)}
            return Change(key, shard, "POST", "/trades", {**trade, "allow_partial": rng.random() < 0.5})
        is_duplicate = kind < 0.55 and len(ids) > 0
        order = {
            "order_id": rng.choice(ids)[0] if is_duplicate else new_id,
            "symbol": symbol,
            "side": "BUY",
            "amount": rng.randint(1, 9),
            "price": 1_000 if is_duplicate else rng.randint(1, 99),
        }
        return Change(key, shard, "POST", "/orders", order)

    def _outcome(self, http: httpx.Client, rng: random.Random, change: Change) -> Outcome:
        """Send a change until its outcome is known."""
        began, may_have_changed = time.monotonic(), False
        for attempt in count(1):
            response = http.request(
                change.method, change.path, json=change.body, headers={"Idempotency-Key": change.key}
            )
            content: Json = response.json()
            now = time.monotonic()
            if response.status_code in (200, 201):
                return Outcome(change, began, now, attempt, int(content["sequence"]), content)
            if content["code"] not in _TEMPORARY:
                assert content["code"] in _REJECTED, content
                return Outcome(change, began, now, attempt, None, content)
            may_have_changed |= content.get("may_have_changed", content["code"] == "journal_failed")
            if not may_have_changed and rng.random() < 0.5:  # nothing has changed, and this client gives up
                return Outcome(change, began, now, attempt, None, content)
            assert now - began < _SECONDS, content
            time.sleep(0.1)
        raise AssertionError("unreachable")

    # ------------------------------------------------------------------ the check

    def check(self, logs: Mapping[str, Sequence[Event]]) -> None:
        """Check the logs of all shards, after `stop`.

        Every acknowledged change is in the log of its shard exactly once, at the position in its response,
        and in the order of the acknowledgements. Nothing else is there, so no rejected change is.
        """
        events: defaultdict[str, list[tuple[str, Event]]] = defaultdict(list)
        for shard, log in logs.items():
            assert [event.sequence for event in log] == list(range(1, len(log) + 1))
            for event in log:
                events[note_fields(event.note)["key"]].append((shard, event))
        for outcome in self.outcomes:
            stored = events.pop(outcome.change.key, [])
            if outcome.sequence is None:
                assert stored == [], outcome
            else:
                [(shard, event)] = stored
                assert (shard, event.sequence) == (outcome.change.shard, outcome.sequence)
                _check_content(outcome, event)
        assert not events
        for shard in logs:
            _check_order([each for each in self.outcomes if each.sequence and each.change.shard == shard])


def _symbols(shards: Shards, number: int) -> Iterator[str]:
    """Yield some symbols of each shard."""
    for shard in shards.names:
        symbols = (f"SYM{each}" for each in count() if shards.of(f"SYM{each}") == shard)
        yield from (next(symbols) for _ in range(number))


def _check_content(outcome: Outcome, event: Event) -> None:
    """Check that an event is the change that was acknowledged."""
    body, response = outcome.change.body or {}, outcome.response
    match event:
        case OrderAdded(order=order):
            assert order == Order(body["order_id"], body["symbol"], Side.BUY, body["amount"], body["price"])
        case OrderRemoved(order=order):
            assert outcome.change.path == f"/orders/{order.order_id}"
            assert (order.amount, order.price) == (response["amount"], response["price"])
        case TradePlaced(trade=trade):
            assert (trade.symbol, trade.trade_id) == (body["symbol"], response["trade_id"])
            assert (trade.amount, trade.total_price) == (response["amount"], response["total_price"])
        case _:
            raise AssertionError(event)


def _check_order(outcomes: Sequence[Outcome]) -> None:
    """Check that no change comes before another one that was acknowledged before it was sent."""
    latest = 0.0
    for outcome in sorted(outcomes, key=lambda each: each.sequence or 0):
        assert outcome.ended >= latest
        latest = max(latest, outcome.began)


@contextmanager
def running_load(url: str, shards: Shards, seed: int) -> Iterator[Load]:
    """Return a context manager that stops the clients in the end, even if the block has failed."""
    load = Load(url, shards, seed)  # it starts at once
    try:
        yield load
    finally:
        load.abort()
