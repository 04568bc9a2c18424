"""Subscribers are notified after each change, in order, even if one of them raises."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from oms import (
    Event,
    InvalidArgumentError,
    OmsError,
    Order,
    OrderAdded,
    OrderAmended,
    OrderManagement,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Side,
    TradePlaced,
)

BUY, SELL = Side.BUY, Side.SELL
ORDER = Order(1, "JPM", BUY, 20, 20)


@pytest.fixture
def om() -> OrderManagement:
    return OrderManagement()


@pytest.fixture
def events(om: OrderManagement) -> list[Event]:
    events: list[Event] = []
    om.subscribe(events.append)
    return events


def test_each_method_publishes_one_event_that_describes_its_change(
    om: OrderManagement, events: list[Event]
) -> None:
    om.add_order(*ORDER)
    after = om.amend_order(1, amount=15)
    trade = om.place_trade("JPM", BUY, 5)
    om.remove_order(1)
    om.add_orders([ORDER, ORDER._replace(order_id=2)])
    removed = om.remove_orders()
    assert events == [
        OrderAdded(ORDER, sequence=1),
        OrderAmended(ORDER, after, sequence=2),
        TradePlaced(trade, remaining=10, sequence=3),
        OrderRemoved(ORDER._replace(amount=10), sequence=4),
        OrdersAdded((ORDER, ORDER._replace(order_id=2)), sequence=5),
        OrdersRemoved(removed, sequence=6),
    ]


def test_an_event_is_immutable_compared_by_type_and_content_and_can_be_pickled() -> None:
    event = OrderAdded(ORDER, sequence=1, note="why")
    same = pickle.loads(pickle.dumps(event))  # noqa: S301  # our own bytes
    assert type(same) is OrderAdded
    assert (same == event, same != event, hash(same) == hash(event)) == (True, False, True)
    assert all(event != other for other in (OrderAdded(ORDER, sequence=2, note="why"), tuple(event), None))
    for name in ("sequence", "order", "other"):
        with pytest.raises(AttributeError):
            setattr(event, name, 2)
    assert event.subject() is ORDER


def test_events_of_different_types_are_never_equal() -> None:
    event: Event = OrderAdded(ORDER, sequence=1)
    assert event != OrderRemoved(ORDER, sequence=1)


def test_a_call_that_changes_nothing_publishes_nothing(om: OrderManagement, events: list[Event]) -> None:
    om.add_order(*ORDER)
    om.amend_order(1, amount=20, price=20)
    om.add_orders([])
    om.remove_orders("IBM")
    for failing_call in (lambda: om.add_order(*ORDER), lambda: om.place_trade("JPM", BUY, 21)):
        with pytest.raises(OmsError):
            failing_call()
    with om.transaction():
        pass
    assert [event.sequence for event in events] == [1]


def test_sequence_numbers_also_count_changes_without_subscribers(om: OrderManagement) -> None:
    om.add_order(*ORDER)
    events: list[Event] = []
    unsubscribe = om.subscribe(events.append)
    om.remove_order(1)
    unsubscribe()
    unsubscribe()
    om.add_order(*ORDER)
    om.subscribe(events.append)
    om.remove_order(1)
    assert [event.sequence for event in events] == [2, 4]


def test_a_change_is_made_before_its_event_is_published(om: OrderManagement) -> None:
    counts: list[int] = []
    om.subscribe(lambda _: counts.append(len(om)))
    om.add_order(*ORDER)
    om.remove_order(1)
    assert counts == [1, 0]


def test_an_event_caused_by_a_callback_is_published_after_all_subscribers_received_the_current_event(
    om: OrderManagement,
) -> None:
    calls: list[str] = []

    def follow(event: Event) -> None:
        calls.append(f"first gets {event.sequence}")
        if event.sequence < 3:
            om.add_order(event.sequence + 10, "JPM", BUY, 1, 1)

    om.subscribe(follow)
    om.subscribe(lambda event: calls.append(f"second gets {event.sequence}"))
    om.add_order(*ORDER)
    assert calls == [f"{who} gets {n}" for n in (1, 2, 3) for who in ("first", "second")]


def test_the_events_of_a_transaction_in_a_callback_are_published_in_order(
    om: OrderManagement, events: list[Event]
) -> None:
    def follow(event: Event) -> None:
        if event.sequence == 1:
            with om.transaction("follow"):
                om.add_order(2, "JPM", BUY, 1, 1)
                om.add_order(3, "JPM", BUY, 1, 1)
            with om.what_if():
                om.remove_orders()

    om.subscribe(follow)
    om.add_order(*ORDER)
    assert [(event.sequence, event.note) for event in events] == [(1, None), (2, "follow"), (3, "follow")]


def test_a_subscriber_added_by_a_callback_receives_only_later_events(om: OrderManagement) -> None:
    late: list[int] = []

    def add_subscriber(event: Event) -> None:
        if event.sequence == 1:
            om.subscribe(lambda event: late.append(event.sequence))

    om.subscribe(add_subscriber)
    with om.transaction():
        om.add_order(1, "JPM", BUY, 1, 1)
        om.add_order(2, "JPM", BUY, 1, 1)
    om.remove_order(1)
    assert late == [3]


def test_a_subscriber_removed_by_a_callback_receives_no_more_events(
    om: OrderManagement, events: list[Event]
) -> None:
    unsubscribe: list[Callable[[], None]] = []
    om.subscribe(lambda _: unsubscribe[0]())
    late: list[Event] = []
    unsubscribe.append(om.subscribe(late.append))
    om.add_order(*ORDER)
    assert (len(events), late) == (1, [])


def test_a_callback_that_raises_does_not_stop_other_callbacks_and_its_error_reaches_the_caller(
    om: OrderManagement, events: list[Event]
) -> None:
    def fail(event: Event) -> None:
        raise ValueError(f"at {event.sequence}")

    om.subscribe(fail)
    after: list[Event] = []
    om.subscribe(after.append)
    with pytest.raises(ValueError, match="at 1") as caught:
        om.add_order(*ORDER)
    assert caught.value.__notes__ == ["raised by a subscriber of event 1, after the change was made"]
    assert events == after == [OrderAdded(ORDER, sequence=1)]
    assert 1 in om
    om._check()


def test_the_errors_of_several_callbacks_reach_the_caller_as_a_group(om: OrderManagement) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event.sequence)

    om.subscribe(fail)
    om.subscribe(fail)
    with pytest.raises(ExceptionGroup) as caught:
        om.add_order(*ORDER)
    assert [type(error) for error in caught.value.exceptions] == [ValueError, ValueError]
    with pytest.raises(ExceptionGroup) as caught, om.transaction():
        om.remove_order(1)
        om.add_order(*ORDER)
    assert [str(error) for error in caught.value.exceptions] == ["2", "2", "3", "3"]
    assert 1 in om


def test_an_interrupt_in_a_callback_is_raised_after_all_subscribers_are_notified(
    om: OrderManagement, events: list[Event]
) -> None:
    def interrupt(_: Event) -> None:
        raise KeyboardInterrupt

    om.subscribe(interrupt)
    after: list[Event] = []
    om.subscribe(after.append)
    with pytest.raises(KeyboardInterrupt):
        om.add_order(*ORDER)
    assert events == after
    assert 1 in om


def test_a_callback_that_subscribes_twice_is_notified_twice(om: OrderManagement) -> None:
    events: list[Event] = []
    first, _ = om.subscribe(events.append), om.subscribe(events.append)
    om.add_order(*ORDER)
    first()
    om.remove_order(1)
    assert [event.sequence for event in events] == [1, 1, 2]


def test_subscribe_rejects_a_value_that_is_not_callable(om: OrderManagement) -> None:
    bad: Any = "print"
    with pytest.raises(InvalidArgumentError, match="callback must be a callable"):
        om.subscribe(bad)


def test_a_transaction_in_a_callback_during_a_batch_publishes_no_event_twice(
    om: OrderManagement, events: list[Event]
) -> None:
    def follow(event: Event) -> None:
        if event.sequence == 1:
            with om.transaction():
                om.add_order(9, "JPM", BUY, 1, 1)

    om.subscribe(follow)
    with om.transaction():
        om.add_order(1, "JPM", BUY, 1, 1)
        om.add_order(2, "JPM", BUY, 1, 1)
    assert [event.sequence for event in events] == [1, 2, 3]


def test_an_exception_whose_add_note_fails_still_reaches_the_caller(
    om: OrderManagement, events: list[Event]
) -> None:
    class FrozenError(Exception):
        def add_note(self, note: str, /) -> None:
            raise AttributeError("frozen")

    def fail(_: Event) -> None:
        raise FrozenError

    om.subscribe(fail)
    after: list[Event] = []
    om.subscribe(after.append)
    with pytest.raises(FrozenError):
        om.add_order(*ORDER)
    assert events == after != []


def test_a_stop_iteration_of_a_callback_reaches_the_caller(om: OrderManagement) -> None:
    def stop(_: Event) -> None:
        raise StopIteration

    om.subscribe(stop)
    with pytest.raises(StopIteration):
        om.add_order(*ORDER)
    with pytest.raises(StopIteration), om.transaction():
        om.remove_order(1)


def test_a_subscriber_added_inside_a_transaction_receives_all_its_events_at_the_commit(
    om: OrderManagement,
) -> None:
    late: list[int] = []
    with om.transaction():
        om.add_order(*ORDER)
        om.subscribe(lambda event: late.append(event.sequence))
        om.remove_order(1)
    assert late == [1, 2]
