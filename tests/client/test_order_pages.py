"""The pages of the orders form one snapshot, whatever changes between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidOrderError, Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import AsyncClient, Client, InProcess, RequestRejectedError, UnsteadyBooksError, order_pages
from oms.client.order_pages import OrderPages
from support.clients import URL, never_sleep
from support.sessions import execute, session

BUY, SELL = Side.BUY, Side.SELL


class Busy(httpx.BaseTransport):
    """A transport that changes the books before each request, and notes the paths of all requests."""

    def __init__(
        self,
        books: OrderManagement,
        changes: Iterator[Callable[[], object]],
        service: httpx.BaseTransport | None = None,
    ) -> None:
        self._service = service or InProcess(create_app(books, Settings()))
        self._changes = changes
        self._books = books
        self.first: tuple[Order, ...] | None = None  # the orders at the first request
        self.paths: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        next(self._changes, lambda: None)()
        self.first = self._books.orders() if self.first is None else self.first
        self.paths.append(request.url.path)
        return self._service.handle_request(request)

    def close(self) -> None:
        self._service.close()


def client_of(transport: httpx.BaseTransport) -> Client:
    return Client(URL, transport=transport, sleep=never_sleep)


def selected(orders: tuple[Order, ...], symbol: str | None, side: Side | None) -> tuple[Order, ...]:
    return tuple(each for each in orders if symbol in (None, each.symbol) and side in (None, each.side))


def by_id(orders: tuple[Order, ...]) -> list[Order]:
    return sorted(orders, key=lambda order: order.order_id)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[OrderManagement, InProcess]]:
    """Yield books and their service. To create a service takes longer than a session."""
    books = OrderManagement()
    with InProcess(create_app(books, Settings())) as service:
        yield books, service


@given(
    seed=st.integers(0, 10_000),
    resting=st.integers(5, 25),
    page=st.integers(1, 4),
    symbol=st.sampled_from([None, "JPM", "IBM"]),
    side=st.sampled_from([None, BUY, SELL]),
)
def test_the_orders_are_those_at_the_first_page_whatever_changes_between_the_pages(
    shared: tuple[OrderManagement, InProcess],
    seed: int,
    resting: int,
    page: int,
    symbol: str | None,
    side: Side | None,
) -> None:
    books, service = shared
    books.remove_orders()
    commands = session(seed, 45)
    for command in commands[:resting]:
        execute(command, books)

    def change(pair: list[Any]) -> None:
        for command in pair:
            execute(command, books)

    steps = [commands[n : n + 2] for n in range(resting, len(commands), 2)]
    transport = Busy(books, (partial(change, step) for step in steps), service)
    om = client_of(transport)  # stays open, because the service is shared
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_pages, "PAGE_SIZE", page)
        assert transport.first is None
        orders = list(om.orders_by_id(symbol, side))
        assert transport.first is not None
        assert orders == by_id(selected(transport.first, symbol, side))
        transport.first = None
        assert om.orders(symbol, side) == selected(transport.first or books.orders(), symbol, side)


def many(count: int = 8) -> OrderManagement:
    books = OrderManagement()
    books.add_orders(Order(n, "JPM", BUY, 5, 100 + n) for n in range(count))
    return books


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_pages, "PAGE_SIZE", 2)


def nothing() -> None:
    """Change nothing."""


@pytest.mark.usefixtures("pages_of_two")
def test_an_order_that_was_filled_in_parts_amended_and_removed_is_as_before() -> None:
    books = many(8)
    books.amend_order(7, price=1)

    def change() -> None:
        books.place_trade("JPM", BUY, 1)
        books.place_trade("JPM", BUY, 2)
        books.amend_order(7, amount=9, price=3)
        books.place_trade("JPM", BUY, 4)
        books.remove_order(7)
        books.add_order(7, "JPM", BUY, 8, 8)

    transport = Busy(books, iter([nothing, change]))
    with client_of(transport) as om:
        assert list(om.orders_by_id())[-1] == Order(7, "JPM", BUY, 5, 1)


@pytest.mark.usefixtures("pages_of_two")
def test_the_events_are_requested_only_after_a_change() -> None:
    books = many(8)
    transport = Busy(books, iter([nothing, nothing, partial(books.remove_order, 6)]))
    with client_of(transport) as om:
        assert [order.order_id for order in om.orders_by_id()] == list(range(8))
    assert transport.paths == ["/orders", "/orders", "/orders", "/events", "/orders"]


@pytest.mark.usefixtures("pages_of_two")
def test_the_iterator_requests_a_page_only_when_it_is_needed() -> None:
    transport = Busy(many(8), iter(()))
    with client_of(transport) as om:
        orders = om.orders_by_id()
        assert not transport.paths
        assert [next(orders).order_id for _ in range(3)] == [0, 1, 2]
        assert transport.paths == ["/orders"] * 2


def test_an_invalid_argument_raises_an_error_before_the_first_request() -> None:
    with client_of(Busy(many(1), iter(()))) as om:
        for method in (om.orders, om.orders_by_id):
            with pytest.raises(InvalidOrderError):
                method("")
            with pytest.raises(InvalidOrderError):
                method(None, "BUY")  # type: ignore[arg-type]  # not a Side


@pytest.mark.usefixtures("pages_of_two")
def test_only_the_changes_of_orders_that_are_still_to_be_read_are_stored() -> None:
    books = many(8)

    def change() -> None:
        for order_id in (0, 1, 2, 5):
            books.amend_order(order_id, amount=1)

    service = InProcess(create_app(books, Settings()))
    pages = OrderPages(None, None)
    with client_of(service) as om:
        om._run(pages.read())
        change()
        om._run(pages.read())
        assert list(pages._changes) == [5]
        om._run(pages.read())
        assert not pages._changes
        last = om._run(pages.read())
        assert last is not None
        assert om._run(pages.read()) is None


def keeping(books: OrderManagement, changes: int) -> InProcess:
    """Return a service that keeps only the latest events, whose sizes add up to `changes`."""
    return InProcess(create_app(books, Settings(recent_changes=changes)))


LOST = (
    r"GET /orders: the events 2 to 5 are no longer available; read again, "
    r"or start the service with a journal, which keeps all events"
)


def four_changes(books: OrderManagement) -> None:
    for amount in (1, 2, 3, 4):
        books.amend_order(7, amount=amount)


@pytest.mark.usefixtures("pages_of_two")
def test_the_iterator_raises_an_error_if_the_events_are_no_longer_available() -> None:
    books = many(8)
    transport = Busy(books, iter([nothing, partial(four_changes, books)]), keeping(books, 3))
    with client_of(transport) as om:
        orders = om.orders_by_id()
        assert [next(orders).order_id for _ in range(2)] == [0, 1]
        with pytest.raises(UnsteadyBooksError, match=LOST) as caught:
            next(orders)
        assert not caught.value.outcome_unknown


@pytest.mark.usefixtures("pages_of_two")
def test_all_orders_are_read_again_if_the_events_are_no_longer_available() -> None:
    books = many(8)
    transport = Busy(books, iter([nothing, partial(four_changes, books)]), keeping(books, 3))
    with client_of(transport) as om:
        assert om.orders() == books.orders()
    transport = Busy(books, repeat(partial(four_changes, books)), keeping(books, 3))
    with client_of(transport) as om, pytest.raises(UnsteadyBooksError, match="10 attempts to read all pages"):
        om.orders()


@pytest.mark.usefixtures("pages_of_two")
def test_a_service_that_was_restarted_without_a_journal_is_an_error() -> None:
    books, others = many(8), OrderManagement()
    others.add_orders(books.orders())
    books.amend_order(1, amount=3)
    first, second = (InProcess(create_app(each, Settings())) for each in (books, others))
    services = iter([first, second])
    with (
        first,
        second,
        client_of(httpx.MockTransport(lambda request: next(services).handle_request(request))) as om,
        pytest.raises(UnsteadyBooksError, match="the sequence numbers have gone back"),
    ):
        list(om.orders_by_id())


@pytest.mark.usefixtures("pages_of_two")
def test_an_error_of_the_service_is_not_taken_for_missing_events() -> None:
    books = many(8)
    busy = Busy(books, iter([nothing, partial(books.remove_order, 6)]))
    problem = {"code": "not_ready", "detail": "the journal cannot be read"}

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/events":
            return busy.handle_request(request)
        return httpx.Response(503, json=problem, headers={"content-type": "application/problem+json"})

    with (
        busy,
        client_of(httpx.MockTransport(handle)) as om,
        pytest.raises(RequestRejectedError, match="cannot be read") as error,
    ):
        list(om.orders_by_id())
    assert not isinstance(error.value, UnsteadyBooksError)


@pytest.mark.usefixtures("pages_of_two")
def test_an_async_client_reads_the_same_pages() -> None:
    books = many(8)
    numbers = count(100)

    class Changing(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            books.add_order(next(numbers), "JPM", BUY, 5, 1)
            return await super().handle_async_request(request)

    async def read() -> list[Order]:
        async with AsyncClient(URL, transport=Changing(create_app(books, Settings()))) as om:
            return [order async for order in om.orders_by_id("JPM", BUY)]

    assert [order.order_id for order in asyncio.run(read())] == [*range(8), 100]
