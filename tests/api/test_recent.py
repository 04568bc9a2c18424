"""The memory of recent events contains only consecutive events, and never more than its limit."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from oms import Event, Order, OrderManagement, OrdersAdded, Side, TradePlaced
from oms.api.recent import RecentEvents
from support.sessions import execute, session


def size(event: Event) -> int:
    return 1 if type(event).__name__ == "OrderAmended" else len(list(event.rows()))


def kept(events: list[Event], limit: int) -> list[Event]:
    """Return the latest events that contain at most `limit` orders and fills."""
    latest: list[Event] = []
    total = 0
    for event in reversed(events):
        total += size(event)
        if total > limit:
            break
        latest.insert(0, event)
    return latest


@given(
    seed=st.integers(0, 500),
    limit=st.integers(1, 20),
    after=st.none() | st.integers(0, 40),
    length=st.integers(1, 20),
)
def test_pages_are_those_of_a_list_of_the_latest_events(
    seed: int, limit: int, after: int | None, length: int
) -> None:
    om, recent = OrderManagement(), RecentEvents(limit)
    events: list[Event] = []
    om.subscribe(events.append)
    om.subscribe(recent)
    for command in session(seed, 15):
        execute(command, om)
    trades = [event for event in events if isinstance(event, TradePlaced)]
    for numbered, page in (
        ({event.sequence: event for event in events}, recent.page_of_events(after, length)),
        ({event.trade.trade_id: event for event in trades}, recent.page_of_trades(after, length)),
    ):
        latest = kept(list(numbered.values()), limit)
        first = len(numbered) - len(latest) + 1
        begin = first if after is None else after + 1
        numbers = [number for number in numbered if number >= begin] if begin >= first else []
        assert page.first == first
        assert page.events == tuple(numbered[number] for number in islice(numbers, length))
        assert page.more is (len(numbers) > length)


def test_a_missed_event_drops_the_events_before_the_gap() -> None:
    recent = RecentEvents(100)
    orders = (Order(1, "JPM", Side.BUY, 1, 1),)
    for sequence in (1, 2, 4):
        recent(OrdersAdded(orders, sequence))
    assert recent.page_of_events(None, 10) == (4, (OrdersAdded(orders, 4),), False)
    recent.continue_at(7, 3)
    assert recent.page_of_events(None, 10) == (7, (), False)
    assert recent.page_of_trades(None, 10) == (3, (), False)
    recent.continue_at(7, 3)
    recent(OrdersAdded(orders, 7))
    assert recent.page_of_events(6, 10).events == (OrdersAdded(orders, 7),)
