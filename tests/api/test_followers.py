"""Every subscriber of the service notices that it has missed an event.

The indexes are built again, and the readers of a former state begin again. This file also tests
`oms.api.last_trades`. For the index of orders, see test_order_index.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from oms import Event, MatchingEngine, Order, OrderManagement, Side
from oms.api import Settings, create_app, long_reads, state_hash
from oms.api.backlog import Backlog, Notice, Readers
from oms.api.engine import queue_position
from oms.api.engine.stream import EngineTape
from oms.api.feed import Tape
from oms.api.followers import Follower, MissedEventError
from oms.api.level_slices import PriceLevels
from oms.api.slices import RestingOrders, SymbolIndex
from oms.api.stream import EVENT_MISSED
from support.missed_events import without_publication

BUY, SELL = Side.BUY, Side.SELL


def books(count: int = 6) -> OrderManagement:
    om = OrderManagement()
    om.add_orders(Order(number, f"S{number}", BUY, 5, 100 + number) for number in range(count))
    return om


# ---------------------------------------------------------------------- the rule


class Image(Follower):
    """The ids of the resting orders, and how often they were collected."""

    def __init__(self, om: OrderManagement) -> None:
        super().__init__(om)
        self.om = om
        self.builds = 0
        self.ids: set[int] = set()

    def _build(self) -> None:
        self.builds += 1
        self.ids = {order.order_id for order in self.om.orders()}

    def _apply(self, event: Event) -> None:
        (row,) = event.rows()
        self.ids ^= {row[0]}


def image_of(om: OrderManagement) -> Image:
    image = Image(om)
    with om.locked():
        image.catch_up()
        om.subscribe(image)
    return image


def check(image: Image, builds: int) -> None:
    with image.om.locked():
        image.catch_up()
        image.catch_up()
    assert image.ids == {order.order_id for order in image.om.orders()}
    assert image.builds == builds


def test_a_follower_that_misses_nothing_is_built_once() -> None:
    om = books()
    image = image_of(om)
    om.remove_order(1)
    om.add_order(7, "S7", BUY, 5, 5)
    check(image, builds=1)


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_follower_that_misses_an_event_is_built_again(later: int) -> None:
    om = books()
    image = image_of(om)
    without_publication(om, lambda: om.remove_order(1))
    for number in range(later):
        om.add_order(10 + number, "S", BUY, 5, 5)
    check(image, builds=2)
    om.remove_order(2)
    check(image, builds=2)


def test_a_follower_that_is_interrupted_while_it_applies_an_event_is_built_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = books()
    image = image_of(om)
    with monkeypatch.context() as patch:
        patch.setattr(image, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            om.remove_order(1)
    om.remove_order(2)
    check(image, builds=2)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_build_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    om = books()
    image = image_of(om)
    without_publication(om, lambda: om.remove_order(1))
    with monkeypatch.context() as patch, om.locked():
        patch.setattr(image, "_build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            image.catch_up()
    check(image, builds=2)


def test_an_image_of_a_what_if_is_not_used_after_it() -> None:
    om = books()
    image = image_of(om)
    with om.what_if():
        om.remove_order(1)
        image.catch_up()
        assert 1 not in image.ids
    check(image, builds=3)


# ---------------------------------------------------------------------- the symbols


@pytest.mark.parametrize("later", [0, 1])
def test_the_symbols_are_complete_after_a_missed_event(later: int) -> None:
    om = books()
    with om.locked():
        index = SymbolIndex(om)
        om.subscribe(index)
    without_publication(om, lambda: om.remove_order(0))
    without_publication(om, lambda: om.add_order(7, "S7", BUY, 5, 5))
    for number in range(later):
        om.add_order(10 + number, "S10", BUY, 5, 5)
    with om.locked():
        assert tuple(index.from_symbol(None)) == om.symbols()


# ---------------------------------------------------------------------- former states


@pytest.mark.parametrize("symbol", [None, "S5"])
def test_a_former_state_is_an_error_after_a_missed_event(symbol: str | None) -> None:
    om = books()
    with om.locked():
        orders = RestingOrders(om, SymbolIndex(om), symbol)
        om.subscribe(orders)
    without_publication(om, lambda: om.amend_order(5, amount=1))
    with pytest.raises(MissedEventError):
        orders.next(10)


def test_events_of_other_symbols_are_not_missing() -> None:
    om = books()
    with om.locked():
        orders = RestingOrders(om, SymbolIndex(om), "S5")
        om.subscribe(orders)
    om.remove_order(1)
    assert orders.next(10) == [(5, "S5", BUY, 5, 105)]


QUESTIONS: dict[
    str, tuple[type[Any], Callable[[OrderManagement], object], Callable[[OrderManagement], object]]
] = {
    "depth": (
        PriceLevels,
        lambda om: long_reads.depth(om, "JPM", BUY),
        lambda om: om.depth("JPM", BUY),
    ),
    "quote": (
        RestingOrders,
        lambda om: long_reads.quote(om, "JPM", BUY, 40),
        lambda om: om.quote("JPM", BUY, 40),
    ),
    "state hash": (
        RestingOrders,
        lambda om: state_hash.state_hash(om)[1],
        lambda om: om.state_hash(),
    ),
}


def missing_an_event(
    monkeypatch: pytest.MonkeyPatch,
    reader: type[Any],
    venue: OrderManagement | MatchingEngine,
    change: Callable[[], object],
) -> list[int]:
    """Let readers of this class miss a change before their second slice. Return the list of all slices."""
    original, reads = reader.next, list[int]()

    def next_slice(reading: Any, limit: int) -> list[Any]:
        reads.append(limit)
        if len(reads) == 2:
            without_publication(venue, change)
        return list(original(reading, limit))

    monkeypatch.setattr(reader, "next", next_slice)
    return reads


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_again_after_a_missed_event(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, in_slices, at_once = QUESTIONS[question]
    om = OrderManagement()
    om.add_orders(Order(number, "JPM", BUY, 5, 100 + number) for number in range(9))
    monkeypatch.setattr(long_reads, "SLICE", 3)
    monkeypatch.setattr(state_hash, "SLICE", 3)
    reads = missing_an_event(monkeypatch, reader, om, lambda: om.remove_order(8))
    assert in_slices(om) == at_once(om)
    assert om.last_sequence == 2
    assert len(reads) > 4
    assert not om._ledger.subscribers.callbacks


def test_the_place_of_an_order_in_its_queue_is_counted_again_after_a_missed_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = MatchingEngine()
    for number in range(9):
        engine.submit(number, "JPM", BUY, 5, 100)
    monkeypatch.setattr(queue_position, "SLICE", 3)
    client = TestClient(create_app(engine, Settings()))
    reads = missing_an_event(monkeypatch, RestingOrders, engine, lambda: engine.cancel(0))
    response = client.get("/queue-ahead/8").json()
    assert (response["orders"], response["amount"]) == (7, 35)
    assert len(reads) > 3


# ---------------------------------------------------------------------- streams


class Source:
    """A source whose notices contain only the event."""

    def notice(self, event: Event) -> Notice:
        return Notice(event)


def test_a_backlog_without_an_event_ends_when_the_next_stream_or_the_next_event_begins() -> None:
    async def follow(then: Callable[[OrderManagement, Readers], object]) -> None:
        om = books()
        readers = Readers(om, Source())
        om.subscribe(readers)
        backlog = Backlog("S1", None, 5)
        with om.locked():
            readers.add(backlog)
        om.amend_order(1, amount=3)
        assert (await backlog.next()).event.sequence == om.last_sequence
        waiting = asyncio.create_task(backlog.next())
        await asyncio.sleep(0)
        without_publication(om, lambda: om.amend_order(1, amount=2))
        then(om, readers)
        with pytest.raises(MissedEventError):
            await asyncio.wait_for(waiting, 30)

    def add_another(om: OrderManagement, readers: Readers) -> None:
        another = Backlog(None, None, 5)
        with om.locked():
            readers.add(another)
        assert not another.is_incomplete

    asyncio.run(follow(add_another))
    asyncio.run(follow(lambda om, _: om.remove_order(2)))


def receive(stream: Any) -> dict[str, Any]:
    message: dict[str, Any] = stream.receive_json()
    return message


def test_a_stream_without_a_change_is_closed_and_a_new_one_is_complete() -> None:
    om = books()
    with TestClient(create_app(om, Settings())) as client:
        with client.websocket_connect("/stream") as stream:
            assert receive(stream)["type"] == "snapshot"
            without_publication(om, lambda: om.remove_order(0))
            om.add_order(7, "S7", BUY, 5, 5)
            assert stream.receive() == {"type": "websocket.close", "code": EVENT_MISSED, "reason": ""}
        with client.websocket_connect("/stream") as stream:
            snapshot = receive(stream)
            assert [int(order["order_id"]) for order in snapshot["orders"]] == [1, 2, 3, 4, 5, 7]
            om.remove_order(7)
            assert receive(stream)["previous"] == snapshot["sequence"]


def test_the_snapshot_of_an_engine_is_complete_after_a_missed_event() -> None:
    engine = MatchingEngine()
    engine.submit(1, "JPM", BUY, 5, 20)
    with TestClient(create_app(engine, Settings())) as client:
        without_publication(engine, lambda: engine.cancel(1))
        without_publication(engine, lambda: engine.submit(2, "IBM", BUY, 5, 20))
        with client.websocket_connect("/stream") as stream:
            snapshot = receive(stream)
    assert [order["order_id"] for order in snapshot["orders"]] == [2]
    assert [level["symbol"] for level in snapshot["levels"]] == ["IBM"]


# ---------------------------------------------------------------------- trades


def trade(om: OrderManagement) -> None:
    om.place_trade("JPM", BUY, 1)


def submit(engine: MatchingEngine) -> None:
    engine.submit(engine.last_sequence, "JPM", BUY, 1, 20)


def new_books() -> OrderManagement:
    om = OrderManagement()
    om.add_order(0, "JPM", BUY, 100, 20)
    return om


def new_engine() -> MatchingEngine:
    engine = MatchingEngine()
    engine.submit("ask", "JPM", SELL, 100, 20)
    return engine


@pytest.mark.parametrize(
    ("new", "tape", "change", "trade_id"),
    [
        pytest.param(new_books, Tape, trade, lambda each: each.trade.trade_id, id="books"),
        pytest.param(new_engine, EngineTape, submit, lambda each: each.trade.trade_id, id="engine"),
    ],
)
def test_the_last_trades_have_no_gaps(
    new: Callable[[], Any],
    tape: Callable[[], Any],
    change: Callable[[Any], None],
    trade_id: Callable[[Any], int],
) -> None:
    om, trades = new(), tape()
    om.subscribe(trades)
    for _ in range(25):
        change(om)
    assert [trade_id(each) for each in trades.last("JPM")] == list(range(6, 26))
    without_publication(om, lambda: change(om))
    for _ in range(2):
        change(om)
    for symbol in (None, "JPM"):
        assert [trade_id(each) for each in trades.last(symbol)] == [27, 28]
    assert trades.last("IBM") == ()
