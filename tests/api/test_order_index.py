"""A page from the index equals a page of the sorted list of all orders, and reads only its own orders."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from oms import Event, MatchingEngine, Order, OrderManagement, Side
from oms.api import create_app, order_index
from oms.api.engine.order_index import index_of_engine
from oms.api.order_index import Contents, OrderIndex, index_of_books
from support.engine_sessions import POLICY, engine_session
from support.missed_events import without_publication
from support.sessions import execute, session

BUY, SELL = Side.BUY, Side.SELL

symbols = st.sampled_from([None, "JPM", "日経 \0", "IBM"])
sides = st.sampled_from([None, BUY, SELL])
owners = st.sampled_from([None, "Ann", "日経 \0 ' ü", "Bob"])


def numbers_of(om: Any, symbol: str | None, side: Side | None, owner: str | None) -> list[int]:
    """Return the numbers of the selected orders, from the naive listing of the books."""
    if isinstance(om, OrderManagement):
        return sorted(order.order_id for order in om.orders(symbol, side))
    arrivals = om._books.register.arrivals
    return [arrivals[each.order.order_id] for each in om.orders(symbol, side, owner)]


def check(om: Any, index: OrderIndex, selection: tuple[Any, Any, Any], after: int, limit: int) -> None:
    every = numbers_of(om, *selection)
    later = [number for number in every if number > after]
    following = later[limit - 1] if len(later) > limit else None
    with om.locked():
        assert index.page(*selection, after, limit) == (later[:limit], following, len(every))
        assert index.count(selection[2]) == len(numbers_of(om, None, None, selection[2]))


@given(
    seed=st.integers(0, 10_000),
    resting=st.integers(0, 10),
    symbol=symbols,
    side=sides,
    after=st.integers(-1, 30),
    limit=st.integers(1, 6),
)
def test_each_page_equals_that_of_the_sorted_orders(
    seed: int, resting: int, symbol: str | None, side: Side | None, after: int, limit: int
) -> None:
    om = OrderManagement()
    commands = session(seed, 25)
    for command in commands[:resting]:
        execute(command, om)
    index = index_of_books(om)
    for command in commands[resting:]:
        execute(command, om)
        check(om, index, (symbol, side, None), after, limit)


@given(
    seed=st.integers(0, 10_000),
    resting=st.integers(0, 10),
    selection=st.tuples(symbols, sides, owners),
    after=st.integers(0, 30),
    limit=st.integers(1, 6),
)
def test_each_page_of_an_engine_equals_that_of_its_open_orders(
    seed: int, resting: int, selection: tuple[str | None, Side | None, str | None], after: int, limit: int
) -> None:
    engine = MatchingEngine(self_trade_prevention=POLICY)
    commands = engine_session(seed, 25)
    for command in commands[:resting]:
        execute(command, engine)
    index = index_of_engine(engine)
    for command in commands[resting:]:
        execute(command, engine)
        check(engine, index, selection, after, limit)


def books(count: int = 6) -> OrderManagement:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", (BUY, SELL)[n % 2], 5, 100 + n) for n in range(count))
    return om


def test_a_page_is_complete_although_an_event_was_not_published() -> None:
    om = books()
    index = index_of_books(om)
    without_publication(om, lambda: om.remove_order(3))
    om.add_order(9, "JPM", BUY, 1, 1)  # this event cannot be applied, because one is missing
    check(om, index, (None, None, None), -1, 5)
    om.add_order(3, "JPM", BUY, 1, 1)
    check(om, index, (None, BUY, None), -1, 5)


def test_a_page_is_complete_although_an_event_was_applied_only_in_part() -> None:
    om = books()
    index = index_of_books(om)

    def interrupted(event: Event) -> Iterable[Any]:
        yield from list(changes(event))[:1]
        raise KeyboardInterrupt

    changes, index._changes = index._changes, interrupted
    with pytest.raises(KeyboardInterrupt):
        om.place_trade("JPM", BUY, 15)
    index._changes = changes
    om.add_order(9, "JPM", BUY, 1, 1)
    check(om, index, (None, None, None), -1, 5)


def test_an_interrupted_build_is_repeated() -> None:
    om = books()
    index = index_of_books(om)
    without_publication(om, lambda: om.remove_order(3))
    contents = index._contents

    def interrupted() -> Contents:
        raise KeyboardInterrupt

    index._contents = interrupted
    with pytest.raises(KeyboardInterrupt), om.locked():
        index.count(None)
    index._contents = contents
    check(om, index, (None, None, None), -1, 5)


def test_an_event_that_is_published_after_a_build_is_ignored() -> None:
    om = books()
    index = index_of_books(om)
    events = list[Event]()
    om.subscribe(events.append)
    om.add_order(9, "JPM", BUY, 1, 1)
    index(events[0])
    check(om, index, (None, None, None), -1, 9)


def test_the_lists_of_an_owner_without_orders_are_deleted() -> None:
    engine = MatchingEngine()
    index = index_of_engine(engine)
    engine.submit(1, "JPM", BUY, 5, 20, owner="Ann")
    engine.cancel(1)
    assert index._by_owner.keys() == {None}
    assert index._by_owner[None]._by_book == {}


class Reads(list[int]):
    """The numbers that the sorted lists have returned."""


def count_reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads, merged = Reads(), heapq.merge

    def merge(*numbers: Any) -> Any:
        assert len(numbers) <= 2, "a page merges at most the two sides of one symbol"
        for number in merged(*numbers):
            reads.append(number)
            yield number

    monkeypatch.setattr(order_index, "merge", merge)
    return reads


@pytest.mark.parametrize(
    "query", ["", "&symbol=JPM", "&side=BUY", "&symbol=JPM&side=BUY", "&after=500", "&decimals=true"]
)
def test_a_page_of_ten_orders_reads_eleven_of_a_thousand(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    om = books(1000)
    service = TestClient(create_app(om))
    reads = count_reads(monkeypatch)
    monkeypatch.setattr(OrderManagement, "orders", None)
    assert len(service.get(f"/orders?limit=10{query}").json()["orders"]) == 10
    assert len(reads) == 11


@pytest.mark.parametrize("query", ["", "&symbol=S7", "&side=BUY", "&symbol=S7&side=BUY"])
def test_a_page_of_many_symbols_merges_at_most_two_lists(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    om = OrderManagement()
    om.add_orders(Order(n, f"S{n % 200}", Side.BUY, 5, 100) for n in range(1_000))
    service = TestClient(create_app(om))
    reads = count_reads(monkeypatch)
    assert service.get(f"/orders?limit=4{query}").json()["total"] == (5 if "symbol" in query else 1_000)
    assert len(reads) == 5


def test_a_page_of_an_owner_reads_only_the_orders_of_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MatchingEngine()
    for n in range(300):
        engine.submit(n, ("JPM", "IBM")[n % 2], BUY, 5, 100, owner=("Ann", "Bob")[n % 150 == 0])
    service = TestClient(create_app(engine))
    reads = count_reads(monkeypatch)
    monkeypatch.setattr(MatchingEngine, "orders", None)
    page = service.get("/orders?limit=10&owner=Bob").json()
    assert [order["order_id"] for order in page["orders"]] == [0, 150]
    assert (page["total"], page["next"], reads) == (2, None, [1, 151])


def test_a_what_if_leaves_no_trace_in_the_index_of_an_engine() -> None:
    engine = MatchingEngine()
    index = index_of_engine(engine)
    with engine.what_if():
        engine.submit(50, "JPM", Side.SELL, 1, 7, owner="Ann")
        assert index.count("Ann") == 1
        assert index.count(None) == 1
    engine.submit("secret", "JPM", Side.SELL, 77, 102, owner="Bob")
    assert [index.count(owner) for owner in ("Ann", "Bob", None)] == [0, 1, 1]
    engine.cancel("secret")
    assert index.count(None) == 0
