"""The shards that a body concerns. A malformed request gets the usual problem, and claims nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms.api.problems import ProblemError
from oms.client import InProcess
from oms.cluster.gateway.concerns import BOOKS_READERS, ENGINE_READERS, Concerns
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from support.clusters import MemoryCluster

Json = dict[str, Any]
ORDER: Json = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
OTHER = {**ORDER, "order_id": 2, "symbol": "AAPL"}
JSON = {"Content-Type": "application/json"}


def test_every_body_has_a_reader() -> None:
    for routes, readers in ((BOOKS, BOOKS_READERS), (ENGINE, ENGINE_READERS)):
        assert {path for (_, path), rule in routes.items() if rule in (Rule.BODY, Rule.BODY_OR_SHARD)} == set(
            readers
        )


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("/orders", ORDER, Concerns(("JPM",), (1,))),
        ("/orders", [ORDER, OTHER, {**ORDER, "order_id": 3}], Concerns(("JPM", "AAPL"), (1, 2, 3))),
        ("/trades", {"symbol": "JPM", "side": "BUY", "amount": 1}, Concerns(("JPM",))),
        (
            "/transactions",
            {
                "verbs": [
                    {"verb": "add_orders", "orders": [ORDER, OTHER]},
                    {"verb": "add_order", **ORDER},
                    {"verb": "amend_order", "order_id": 7, "price": 1},
                    {"verb": "remove_order", "order_id": 8},
                    {"verb": "place_trade", "symbol": "IBM", "side": "BUY", "amount": 1},
                ]
            },
            Concerns(("JPM", "AAPL", "IBM"), (1, 2, 1), (7, 8)),
        ),
        (
            "/what-if",
            {"questions": [{"question": "depth", "symbol": "IBM", "side": "BUY"}, {"question": "count"}]},
            Concerns(("IBM",), everything="the question count"),
        ),
    ],
)
def test_a_body_concerns_all_symbols_and_orders_that_it_names(
    path: str, content: Any, expected: Concerns
) -> None:
    assert BOOKS_READERS[path](content) == expected


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("/submissions", {**ORDER, "order_id": "x"}, Concerns(("JPM",), ("x",))),
        ("/reductions", {"order_id": "x", "amount": 1}, Concerns(orders=("x",))),
        ("/day-ends", {"symbol": "JPM"}, Concerns(("JPM",))),
        ("/day-ends", {}, Concerns()),
        (
            "/transactions",
            {
                "verbs": [
                    {"verb": "submit", **ORDER},
                    {"verb": "replace", "order_id": "x", "price": 1},
                    {"verb": "reduce", "order_id": 7, "amount": 1},
                    {"verb": "cancel", "order_id": "7"},
                    {"verb": "cancel_all", "symbol": "IBM"},
                ]
            },
            Concerns(("JPM", "IBM"), (1,), ("x", 7, "7")),
        ),
        (
            "/transactions",
            {"verbs": [{"verb": "cancel_all"}]},
            Concerns(everything="cancel_all without a symbol"),
        ),
        ("/what-if", {"questions": [{"question": "symbols"}]}, Concerns(everything="the question symbols")),
    ],
)
def test_a_body_for_an_engine_concerns_all_symbols_and_orders_that_it_names(
    path: str, content: Any, expected: Concerns
) -> None:
    assert ENGINE_READERS[path](content) == expected


def test_a_submission_whose_terms_contradict_each_other_is_rejected_before_its_id_is_claimed() -> None:
    with pytest.raises(ProblemError, match="expires must be a time for GTD orders"):
        ENGINE_READERS["/submissions"]({**ORDER, "time_in_force": "GTD"})


# ---------------------------------------------------------------------- malformed requests


class Pair:
    """A gateway, and one of its workers."""

    def __init__(self, *, engine: bool) -> None:
        self.cluster = MemoryCluster(engine=engine)
        self.gateway, self.worker = (
            httpx.Client(base_url="http://oms", transport=InProcess(app))
            for app in (self.cluster.gateway, self.cluster.workers["s1"])
        )

    def check(self, method: str, path: str, body: bytes, headers: Any = JSON) -> None:
        """Check that the gateway rejects a request as the worker does, and claims and sends nothing."""
        self.cluster.reset()
        expected = self.worker.request(method, path, content=body, headers=headers)
        actual = self.gateway.request(method, path, content=body, headers=headers)
        assert 400 <= expected.status_code < 500, expected.content
        assert (actual.status_code, actual.content) == (expected.status_code, expected.content)
        assert actual.headers["content-type"] == expected.headers["content-type"]
        assert not self.cluster.directory.shards
        assert not self.cluster.network.sent

    def close(self) -> None:
        self.gateway.close()
        self.worker.close()


@pytest.fixture(scope="module", params=[False, True], ids=["books", "engine"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(engine=request.param)
    yield pair
    pair.close()


def paths(pair: Pair) -> list[str]:
    return sorted(
        ENGINE_READERS if pair.gateway.get("/last-price?symbol=JPM").status_code == 200 else BOOKS_READERS
    )


HEADERS: list[Any] = [
    {},
    {"Content-Type": "text/plain"},
    {**JSON, "Idempotency-Key": ""},
    {**JSON, "Idempotency-Key": "a b"},
    {**JSON, "Idempotency-Key": "x" * 256},
    [(b"Content-Type", b"application/json"), (b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"b")],
]
BODIES = [
    b"",
    b"null",
    b"{",
    b"\xff",
    b"[]",
    b"{}",
    b'{"a":1,"a":1}',
    b"1",
    b'"x"',
    b"[1]",
    b"NaN",
    b'{"x":1}',
]
VALID = json.dumps(ORDER).encode()


def test_a_malformed_head_gets_the_usual_problem(pair: Pair) -> None:
    for path in paths(pair):
        for headers in HEADERS:
            for body in (VALID, b"{", b"") if path != "/what-if" else ():
                pair.check("POST", path, body, headers)
        for query in ("x=1", "symbol=JPM", "symbol=%FF") if path != "/day-ends" else ():
            pair.check("POST", f"{path}?{query}", VALID)


def test_a_malformed_body_gets_the_usual_problem(pair: Pair) -> None:
    for path in paths(pair):
        for body in BODIES:
            if (path, body) != ("/day-ends", b"{}") and path != "/what-if":
                pair.check("POST", path, body)
        pair.check("POST", path, b" " * (5 * 2**20))


values: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, 1, -1, 2**63, str(2**63 - 1), "", "JPM", "BUY", 1.5, True, [], {}, "x"]
)


@settings(max_examples=60)
@given(data=st.data())
def test_a_body_with_an_invalid_field_gets_the_usual_problem(pair: Pair, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(pair)))
    content: Json = data.draw(
        st.dictionaries(st.sampled_from([*ORDER, "verb", "x", "orders"]), values, max_size=6)
    )
    content = {**ORDER, **content} if data.draw(st.booleans()) else content
    verb = {
        "verb": data.draw(st.sampled_from(["add_order", "submit", "cancel", "place_trade", "x"])),
        **content,
    }
    wrapped: Any = {
        "/transactions": {"verbs": [verb]},
        "/what-if": {"verbs": [verb], "questions": [{"question": data.draw(values), **content}]},
    }.get(path, content)
    if path == "/orders" and data.draw(st.booleans()):
        wrapped = [ORDER, content]
    readers = ENGINE_READERS if "/submissions" in paths(pair) else BOOKS_READERS
    try:
        readers[path](wrapped)
    except ProblemError:
        pair.check("POST", path, json.dumps(wrapped).encode())
