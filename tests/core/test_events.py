"""Events describe their changes, and every table by kind of event covers every kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from oms import (
    Event,
    InvalidArgumentError,
    Order,
    OrderAdded,
    OrderAmended,
    OrderManagement,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Side,
    TradePlaced,
    events,
    to_columns,
)
from oms.api import event_subjects, feed
from oms.api.first_responses import FirstResponses
from oms.books import APPLY, ORDERS_BEFORE, UNDO
from oms.columns import event_rows
from oms.events import KINDS
from oms.journal import batch, record, verification
from support.sessions import execute, session

BUY, SELL = Side
TABLES: dict[str, Mapping[type[Event], object]] = {
    "how the books apply it": APPLY,
    "how the books roll it back": UNDO,
    "the orders that it changes, as they were": ORDERS_BEFORE,
    "how the journal writes and reads it": record.FORMATS,
    "how the journal updates its tables": batch.CHANGES,
    "the method that replays it": verification.REPLAY,
    "its message in the event stream": feed.MESSAGES,
    "the response to the request that caused it": event_subjects.RESPONSE_SUBJECTS,
}


def test_the_set_of_kinds_contains_every_public_subclass_of_event() -> None:
    public = {getattr(events, name) for name in events.__all__}
    assert {each for each in public if issubclass(each, Event)} - {Event} == KINDS


@pytest.mark.parametrize("purpose", TABLES)
def test_every_table_contains_every_kind_of_event(purpose: str) -> None:
    assert set(TABLES[purpose]) >= KINDS  # a matching engine adds its own kinds to the tables of the books


class _Halted(NamedTuple):
    symbol_of_halt: str
    sequence: int
    note: str | None = None
    time: int | None = None


class TradingHalted(Event, _Halted):
    """A kind of event that no table contains."""

    __slots__ = ()


@pytest.mark.parametrize(
    "use",
    [
        lambda event: event.symbol,
        lambda event: event.rows(),
        lambda event: list(event_rows(event)),
        lambda event: to_columns([event]),
        record.body_of,
        lambda event: record.event_of(1, "TradingHalted", None, None, "{}"),
        lambda event: feed.MESSAGES[type(event)](event, None),
        FirstResponses(),
        lambda event: APPLY[type(event)],
        lambda event: UNDO[type(event)],
        lambda event: ORDERS_BEFORE[type(event)],
    ],
    ids=[
        "symbol",
        "rows",
        "event rows",
        "columns",
        "write",
        "read",
        "feed",
        "replay",
        "apply",
        "undo",
        "before",
    ],
)
def test_an_unknown_kind_of_event_is_an_error_everywhere(use: Callable[[Any], object]) -> None:
    with pytest.raises((InvalidArgumentError, KeyError, NotImplementedError), match="TradingHalted"):
        use(TradingHalted("JPM", 1))


@pytest.mark.parametrize("seed", range(10))
def test_the_orders_before_an_event_are_those_after_it_without_its_changes(seed: int) -> None:
    om = OrderManagement()
    events: list[Event] = []
    om.subscribe(events.append)
    for command in session(seed, 60):
        execute(command, om)
    before: dict[int, Order] = {}
    for event in events:
        after = dict(before)
        for order_id, symbol, side, price, change in event.rows():
            resting = after.pop(order_id, None)
            amount = change + (0 if resting is None else resting.amount)
            if amount:
                after[order_id] = Order(order_id, symbol, side, amount, price)
        changed = {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)}
        rows = list(ORDERS_BEFORE[type(event)](event.subject()))
        assert {order[0]: order if rested else None for order, rested in rows} == {
            each: before.get(each) for each in changed
        }
        orders = [order for order in (*before.values(), *after.values()) if order.order_id in changed]
        assert {order[1:3] for order, _ in rows} == {(order.symbol, order.side) for order in orders}
        if isinstance(event, TradePlaced):
            last = event.trade.fills[-1].order_id
            assert event.remaining == (after[last].amount if last in after else 0)
        before = after
    assert before == {order.order_id: order for order in om}


@pytest.mark.parametrize("seed", range(10))
def test_the_changes_of_all_events_add_up_to_the_resting_orders(seed: int) -> None:
    om = OrderManagement()
    published_events: list[Event] = []
    om.subscribe(published_events.append)
    for command in session(seed, 60):
        execute(command, om)
    total: Counter[tuple[int, str, Side, int]] = Counter()
    for event in published_events:
        for *place, change in event.rows():
            total[tuple(place)] += change  # type: ignore[index]  # a row without its last column
    resting = {(o.order_id, o.symbol, o.side, o.price): o.amount for o in om}
    assert {place: amount for place, amount in total.items() if amount} == resting


def test_the_symbol_of_an_event_is_none_if_the_event_can_have_many_orders() -> None:
    order = Order(1, "JPM", BUY, 5, 20)
    om = OrderManagement()
    published_events: list[Event] = []
    om.subscribe(published_events.append)
    om.add_orders([order, Order(2, "IBM", SELL, 5, 20)])
    om.amend_order(1, price=21)
    om.place_trade("JPM", BUY, 2)
    om.remove_order(1)
    om.remove_orders()
    om.add_order(*order)
    assert [(type(event), event.symbol) for event in published_events] == [
        (OrdersAdded, None),
        (OrderAmended, "JPM"),
        (TradePlaced, "JPM"),
        (OrderRemoved, "JPM"),
        (OrdersRemoved, None),
        (OrderAdded, "JPM"),
    ]
