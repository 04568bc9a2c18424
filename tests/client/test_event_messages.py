"""Clients read past events and trades as values, and reject pages that are not what they asked for."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from oms import (
    Event,
    InvalidArgumentError,
    Order,
    OrderAdded,
    OrderManagement,
    OrdersAdded,
    Side,
    TradePlaced,
    to_columns,
)
from oms.api import Settings, create_app
from oms.api.integers import json_text
from oms.client import Client, InProcess, RequestRejectedError, UnexpectedResponseError, operations
from support.clients import BACKENDS, URL
from support.sessions import execute, noon, session

CLIENTS = [name for name in BACKENDS if name != "library"]


def without_notes(events: list[Event]) -> tuple[Event, ...]:
    """Return the events as a client reads them, without their notes and the remaining amounts of trades."""
    subjects = [
        (event.trade, None) if isinstance(event, TradePlaced) else event.subject() for event in events
    ]
    return tuple(
        event.about(subject, event.sequence, None, event.time)
        for event, subject in zip(events, subjects, strict=True)
    )


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("page", [1000, 3])
def test_a_client_reads_all_events_and_trades_with_their_times(
    name: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PAGE_SIZE", page)
    om = OrderManagement(clock=noon)
    events: list[Event] = []
    om.subscribe(events.append)
    with BACKENDS[name](om) as backend:
        client: Any = backend
        assert (client.events(), client.trades()) == ((), ())
        for command in session(3, 30):
            execute(command, om)
        om.clock = None
        om.add_order(99_999, "JPM", Side.BUY, 1, 1)
        expected = without_notes(events)
        trades = tuple(event for event in expected if isinstance(event, TradePlaced))
        assert client.events() == expected
        assert client.events(4) == client.events(after=4, limit=None) == expected[4:]
        assert client.events(4, 5) == expected[4:9]
        assert client.events(10**99) == client.trades(10**99) == ()
        assert client.trades() == trades
        assert client.trades(after=1, limit=1) == trades[1:2]
    assert sorted(set(to_columns(expected)["sequence"])) == [event.sequence for event in expected]
    assert to_columns(trades)["time"][0] == noon()


def test_events_that_are_no_longer_available_raise_an_error() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    with Client(URL, transport=InProcess(create_app(om, Settings()))) as client:
        om.remove_orders()
        assert [event.sequence for event in client.events()] == [2]
        with pytest.raises(RequestRejectedError, match="event 1 is no longer available") as caught:
            client.events(after=0)
        assert (caught.value.code, caught.value.outcome_unknown) == ("no_longer_available", False)


@pytest.mark.parametrize(
    ("after", "limit"), [(-1, None), (1.0, None), (True, 1), (None, 0), ("1", 1), (1, 2.0)]
)
def test_an_invalid_argument_is_rejected_before_a_request(after: Any, limit: Any) -> None:
    transport = httpx.MockTransport(lambda _: pytest.fail("a request was sent"))
    with Client(URL, transport=transport) as client:
        for method in (client.events, client.trades):
            with pytest.raises(InvalidArgumentError, match=r"(after|limit) must be an int"):
                method(after, limit)


ORDER = Order(1, "JPM", Side.BUY, 20, 20)._asdict()
ADDED = {"type": "OrderAdded", "previous": 4, "sequence": 5, "time": 7, "order": ORDER}
LATER = ADDED | {"previous": 5, "sequence": 6}


def client_that_reads(page: dict[str, Any]) -> Client:
    def respond(_: httpx.Request) -> httpx.Response:
        content = json.loads(json_text({"first": 1, **page}))
        return httpx.Response(200, json=content)

    return Client(URL, transport=httpx.MockTransport(respond))


def test_a_valid_page_is_read() -> None:
    with client_that_reads({"events": [ADDED, LATER], "next": None}) as client:
        first, second = client.events(after=4)
        assert first == OrderAdded(Order(**ORDER), 5, time=7)
        assert second.sequence == 6
    many = ADDED | {"type": "OrdersAdded", "orders": [ORDER], "time": None}
    with client_that_reads({"events": [many], "next": None}) as client:
        assert client.events() == (OrdersAdded((Order(**ORDER),), 5),)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"events": [LATER], "next": None}, "not consecutive"),
    ({"events": [ADDED, ADDED], "next": None}, "not consecutive"),
    ({"events": [ADDED, LATER | {"sequence": 7}], "next": None}, "not consecutive"),
    ({"events": [ADDED], "next": 6}, "next is 6"),
    ({"events": [], "next": 4}, "next is 4"),
    ({"events": [ADDED, LATER, LATER | {"sequence": 7}], "next": None}, "not consecutive"),
    ({"events": [ADDED | {"type": "OrderSplit"}], "next": None}, "type is 'OrderSplit'"),
    ({"events": [ADDED | {"time": "x"}], "next": None}, "time is 'x'"),
    ({"events": [ADDED | {"order": None}], "next": None}, "None is not a JSON object"),
    ({"events": [ADDED | {"type": "OrdersAdded", "orders": []}], "next": None}, "orders is empty"),
    ({"events": [{name: value for name, value in ADDED.items() if name != "time"}], "next": None}, "time is"),
    ({"events": [ADDED]}, "next is None"),
]


@pytest.mark.parametrize(("page", "reason"), WRONG)
def test_a_page_that_was_not_requested_raises_an_error(page: dict[str, Any], reason: str) -> None:
    with client_that_reads(page) as client, pytest.raises(UnexpectedResponseError, match=reason):
        client.events(after=4, limit=2)
