"""Changes whose outcome the gateway of oms.cluster.gateway.workers does not know.

A response that looks like a definite rejection must not follow an attempt that may have made the change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import httpx
import pytest

from oms import JournalError, Order, OrderAdded, Side
from oms.api.problems import ProblemError, from_exception, problem_response
from oms.client import Client, InProcess, RequestRejectedError
from oms.cluster.log.log_journal import LogJournal
from support.api_books import problem
from support.clusters import MemoryCluster
from support.replicated_log import Connection, Faults, MemoryLog, impatient

TRADE = {"symbol": "JPM", "side": "BUY", "amount": 3}


def journal_errors(connection: Connection, fault: Callable[[], object]) -> list[JournalError]:
    """Return the errors of two changes of a shard after a fault."""
    journal, errors = LogJournal(connection, patience=impatient()), list[JournalError]()
    fault()
    for _ in range(2):
        with pytest.raises(JournalError) as caught:
            journal.append([OrderAdded(Order(1, "JPM", Side.BUY, 20, 20), 1)])
        errors.append(caught.value)
    return errors


def lose_requests(connection: Connection) -> None:
    connection.faults = Faults(lost_request=1.0)


LOG = Connection(MemoryLog())
UNKNOWN, READ_ONLY = journal_errors(LOG, lambda: lose_requests(LOG))
NOT_STORED, _ = journal_errors(Connection(LOG.log), lambda: LogJournal(Connection(LOG.log)))
PROBLEMS = {
    "not owner": ProblemError("not_owner", "this worker does not serve shard s1"),
    "not ready": ProblemError("not_ready", "the worker is taking the shard over"),
    "not stored": from_exception(NOT_STORED),
    "read-only": from_exception(READ_ONLY),
    "unknown": from_exception(UNKNOWN),
}
UNCHECKED = ["forbidden", "host_refused", "request_timeout", "too_many_requests", "unauthorized"]
PROBLEMS |= {code: ProblemError(code, "rejected before the key is looked up") for code in UNCHECKED}
PATIENCE = 600.0  # seconds
DEFINITE = [name for name in PROBLEMS if name != "unknown"]
"""Responses that say that this attempt has changed nothing."""


class Jump:
    """How far the clock of all event loops has jumped."""

    seconds = 0.0


@pytest.fixture(autouse=True)
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "time", lambda _: monotonic() + Jump.seconds)


class Scripted:
    """A worker with a response for each request, by its name in PROBLEMS. It repeats the last response.

    Instead of the response `silence`, the request gets none. With the last response, the patience of the
    gateway ends, because the clock of its event loop jumps.
    """

    def __init__(self, script: Sequence[str]) -> None:
        self._script = list(script)
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = self._script[min(self.requests, len(self._script) - 1)]
        self.requests += 1
        if name == "silence":
            await asyncio.Event().wait()
        if self.requests >= len(self._script):
            Jump.seconds += 2 * PATIENCE
        await problem_response(PROBLEMS[name])(scope, receive, send)


@contextmanager
def gateway_to(script: Sequence[str], **options: Any) -> Iterator[tuple[httpx.Client, MemoryCluster]]:
    """Yield a client of a gateway whose shard `s1` has a scripted worker."""
    cluster = MemoryCluster(**{"patience": PATIENCE, "attempt_seconds": 10 * PATIENCE, **options})
    cluster.network.add("http://scripted", Scripted(script))
    cluster.addresses.set("s1", "http://scripted")
    with httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway)) as http:
        yield http, cluster


def check_unknown(response: httpx.Response) -> None:
    """Check that a response says that the change may have been made, and how to repeat it."""
    rejected = problem(response)
    assert (rejected["status"], rejected["code"]) == (503, "shard_unavailable")
    assert rejected["may_have_changed"] is True
    assert rejected["detail"].endswith(f"Idempotency-Key: {rejected['idempotency_key']}")


def test_only_the_error_of_a_change_that_may_be_stored_says_that_its_outcome_is_unknown() -> None:
    assert [each.outcome_unknown for each in (UNKNOWN, READ_ONLY, NOT_STORED)] == [True, False, False]


@pytest.mark.parametrize("name", DEFINITE)
def test_the_problem_of_a_worker_is_passed_on_if_no_attempt_can_have_made_the_change(name: str) -> None:
    with gateway_to([name]) as (http, cluster):
        cluster.network.plan = ["ConnectError"]  # it is unavailable for a moment, and nothing has changed
        rejected = problem(http.post("/trades", json=TRADE))
        assert rejected["code"] == PROBLEMS[name].code
        assert len(cluster.network.sent) == 2


@pytest.mark.parametrize("fault", ["WriteError", "ReadError", "RemoteProtocolError", "ReadTimeout"])
@pytest.mark.parametrize("name", DEFINITE)
def test_the_problem_of_a_worker_is_not_passed_on_if_an_earlier_attempt_may_have_made_the_change(
    name: str, fault: str
) -> None:
    with gateway_to([name] if fault == "WriteError" else [name, name]) as (http, cluster):
        cluster.network.plan = [fault]
        response = http.post("/trades", json=TRADE)
        check_unknown(response)
        assert PROBLEMS[name].detail in response.json()["detail"]


@pytest.mark.parametrize(
    "script", [["unknown"], ["unknown", "read-only"], ["not owner", "unknown", "not ready"]]
)
def test_a_worker_that_does_not_know_whether_it_has_stored_the_change_may_have_stored_it(
    script: list[str],
) -> None:
    with gateway_to(script) as (http, _):
        check_unknown(http.post("/trades", json=TRADE))


def test_a_worker_that_is_not_ready_and_then_takes_too_long_may_have_made_the_change() -> None:
    with gateway_to(["not ready", "silence"], attempt_seconds=0.01) as (http, _):
        response = http.post("/trades", json=TRADE)
        check_unknown(response)
        assert "http://scripted took more than 0.01 s" in response.json()["detail"]


def test_the_problem_of_a_read_is_passed_on_in_any_case() -> None:
    with gateway_to(["read-only"] * 2) as (http, cluster):
        cluster.network.plan = ["ReadError"]
        assert problem(http.get("/best-price?symbol=JPM&side=BUY"))["code"] == "journal_failed"


def test_a_shard_whose_connection_is_unavailable_for_a_moment_makes_the_change_once() -> None:
    cluster = MemoryCluster(patience=60)
    faults = ["ConnectError", "ConnectTimeout", "PoolTimeout"]
    cluster.network.plan = [*faults, None, *faults]
    with httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway)) as http:
        body = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
        assert http.post("/orders", json=body).status_code == 201
        assert http.post("/trades", json=TRADE).json()["trade_id"] == 1
    assert len(cluster.network.sent) == 8
    assert len(list(cluster.events())) == 2


def test_a_client_does_not_take_a_failed_journal_for_the_outcome_of_an_earlier_attempt() -> None:
    def next_worker(_seconds: float) -> None:
        cluster.network.plan.clear()
        cluster.network.add("http://scripted", Scripted(["read-only"]))

    with gateway_to(["not owner"] * 2) as (_, cluster):
        cluster.network.plan = ["ReadError"]
        with Client("http://oms", transport=InProcess(cluster.gateway), sleep=next_worker) as om:
            with pytest.raises(RequestRejectedError) as caught:
                om.place_trade("JPM", Side.BUY, 3)
            assert caught.value.outcome_unknown
            cluster.network.plan = []
            with pytest.raises(JournalError, match="read-only"):
                om.place_trade("JPM", Side.BUY, 3)
