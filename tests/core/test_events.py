"""Events say what they change, and every table of the project has every kind of event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from oms import (
    Event,
    InvalidOrderError,
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
from oms.api import first_responses, stream
from oms.books import APPLY, UNDO
from oms.columns import event_rows
from oms.events import KINDS
from oms.journal import batch, record, verification
from support.sessions import do, session

BUY, SELL = Side
TABLES: dict[str, Mapping[type[Event], object]] = {
    "what a change does to the books": APPLY,
    "how it is undone": UNDO,
    "how the journal writes and reads it": record.FORMATS,
    "what the journal changes in its tables": batch.CHANGES,
    "the verb that repeats it": verification.REPLAY,
    "its message in the stream": stream.MESSAGES,
    "the response to a request that made it": first_responses.RESPONSE_SUBJECTS,
}


def test_the_set_of_kinds_has_every_public_subclass_of_event() -> None:
    public = {getattr(events, name) for name in events.__all__}
    assert {each for each in public if issubclass(each, Event)} - {Event} == KINDS


@pytest.mark.parametrize("purpose", TABLES)
def test_every_table_has_every_kind_of_event(purpose: str) -> None:
    assert set(TABLES[purpose]) == KINDS


class _Halted(NamedTuple):
    symbol_of_halt: str
    sequence: int
    note: str | None = None


class TradingHalted(Event, _Halted):
    """A kind of event that nothing here knows."""

    __slots__ = ()


@pytest.mark.parametrize(
    "use",
    [
        lambda event: event.symbol,
        lambda event: event.rows(),
        lambda event: list(event_rows(event)),
        lambda event: to_columns([event]),
        record.body_of,
        lambda event: record.event_of(1, "TradingHalted", None, "{}"),
        lambda event: stream.MESSAGES[type(event)](event, None),
        first_responses.FirstResponses(),
        lambda event: APPLY[type(event)],
        lambda event: UNDO[type(event)],
    ],
    ids=["symbol", "rows", "event rows", "columns", "write", "read", "stream", "replay", "apply", "undo"],
)
def test_a_kind_of_event_that_is_unknown_is_an_error_everywhere(use: Callable[[Any], object]) -> None:
    with pytest.raises((InvalidOrderError, KeyError, NotImplementedError), match="TradingHalted"):
        use(TradingHalted("JPM", 1))


@pytest.mark.parametrize("seed", range(10))
def test_the_changes_of_all_events_add_up_to_the_resting_orders(seed: int) -> None:
    om = OrderManagement()
    heard: list[Event] = []
    om.subscribe(heard.append)
    for command in session(seed, 60):
        do(command, om)
    total: Counter[tuple[int, str, Side, int]] = Counter()
    for event in heard:
        for *what, change in event.rows():
            total[tuple(what)] += change  # type: ignore[index]  # a row without its last column
    resting = {(o.order_id, o.symbol, o.side, o.price): o.amount for o in om}
    assert {what: amount for what, amount in total.items() if amount} == resting


def test_an_event_says_its_symbol_or_none_if_it_has_many_orders() -> None:
    order = Order(1, "JPM", BUY, 5, 20)
    om = OrderManagement()
    heard: list[Event] = []
    om.subscribe(heard.append)
    om.add_orders([order, Order(2, "IBM", SELL, 5, 20)])
    om.amend_order(1, price=21)
    om.place_trade("JPM", BUY, 2)
    om.remove_order(1)
    om.remove_orders()
    om.add_order(*order)
    assert [(type(event), event.symbol) for event in heard] == [
        (OrdersAdded, None),
        (OrderAmended, "JPM"),
        (TradePlaced, "JPM"),
        (OrderRemoved, "JPM"),
        (OrdersRemoved, None),
        (OrderAdded, "JPM"),
    ]
