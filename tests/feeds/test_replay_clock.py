"""During a replay, events have the time of the recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oms import Event, InvalidArgumentError, OrderManagement, Side
from oms.feeds import (
    Capture,
    FeedError,
    Kind,
    LevelReplay,
    Message,
    Okx,
    Outcome,
    Replay,
    ReplayClock,
    lobster,
    replay,
    replay_levels,
)
from support.sessions import noon

BUY, SELL = Side.BUY, Side.SELL
SESSION = [
    Message(1, 10, Kind.SUBMITTED, 7, BUY, 10, 101),
    Message(2, 25, Kind.SUBMITTED, 8, BUY, 10, 102),
    Message(3, 20, Kind.REDUCED, 7, BUY, 4, 101),  # a time can go back
    Message(4, 30, Kind.EXECUTED, 7, BUY, 6, 101),
    Message(5, 30, Kind.EXECUTED, 8, BUY, 1, 102),
]


def listened() -> tuple[OrderManagement, list[Event]]:
    om = OrderManagement()
    events: list[Event] = []
    om.subscribe(events.append)
    return om, events


def times(events: list[Event]) -> list[int | None]:
    return [event.time for event in events]


@pytest.mark.parametrize("midnight", [0, noon()])
def test_the_events_of_each_step_have_the_time_of_its_message(midnight: int) -> None:
    om, events = listened()
    run = Replay(SESSION, om, symbol="XYZ", midnight=midnight)
    for messages in run:
        if messages[0].row == 2:
            om.add_order(99, "XYZ", SELL, 1, 1)
    assert times(events) == [midnight + 10, midnight + 25, None, midnight + 20, midnight + 30]
    assert om.clock is None


def test_your_own_orders_between_two_steps_have_the_time_of_your_clock() -> None:
    om, events = listened()
    om.clock = noon
    for messages in Replay(SESSION[:2], om, symbol="XYZ"):
        om.add_order(90 + messages[0].row, "XYZ", SELL, 1, 1)
    assert times(events) == [10, noon(), 25, noon()]


def test_your_own_orders_in_on_event_have_the_time_of_the_recording() -> None:
    om, events = listened()
    om.clock = noon

    def add_order(messages: tuple[Message, ...]) -> None:
        om.add_order(90 + messages[0].row, "XYZ", SELL, 1, 1)

    replay(SESSION[:2], om, symbol="XYZ", on_event=add_order)
    assert times(events) == [10, 10, 25, 25]
    assert om.clock is noon


def test_a_replay_inside_on_event_of_another_one_leaves_no_clock_behind() -> None:
    om, events = listened()
    other = Replay([Message(1, 500, Kind.SUBMITTED, 70, BUY, 10, 101)], om, symbol="ABC")
    replay(SESSION[:2], om, symbol="XYZ", on_event=lambda _: list(other))
    assert times(events) == [10, 500, 25]
    assert om.clock is None


def test_the_time_of_a_lobster_message_is_added_to_the_midnight_of_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "XYZ_message_1.csv"
    file.write_text("34200.000000001,1,7,10,1000000,-1\n")
    om, events = listened()
    replay(lobster.read(file), om, symbol="XYZ", midnight=noon())
    assert times(events) == [noon() + 34_200_000_000_001]


@pytest.mark.parametrize("midnight", [-1, 2**63, 1.0, "2012-06-21", None, True])
def test_an_invalid_midnight_is_rejected(midnight: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="midnight must be an int in"):
        replay([], OrderManagement(), symbol="XYZ", midnight=midnight)


def test_orders_from_before_the_recording_have_no_time() -> None:
    om, events = listened()
    replay([Message(1, 10, Kind.DELETED, 7, BUY, 10, 101)], om, symbol="XYZ")
    assert times(events) == [None, 10]


ENDS: dict[str, Callable[[Replay], object]] = {
    "at the end": list,
    "early": lambda run: next(iter(run)) and run.close(),  # type: ignore[func-returns-value]  # unused
    "never": lambda run: next(iter(run)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("clock", [None, time.time_ns])
def test_the_end_of_a_replay_restores_the_clock(
    end: Callable[[Replay], object], clock: Callable[[], int] | None
) -> None:
    om, _ = listened()
    om.clock = clock
    run = Replay(SESSION, om, symbol="XYZ")
    assert om.clock is clock
    end(run)
    assert om.clock is clock


def test_a_replay_that_you_leave_without_closing_it_leaves_no_clock_behind(tmp_path: Path) -> None:
    om, _ = listened()
    om.clock = noon
    file = tmp_path / "capture"
    file.write_text(CAPTURE)
    run, captured = Replay(SESSION, om, symbol="XYZ"), LevelReplay(Capture(file, "okx", Okx), om)
    for _ in run:
        break
    assert om.clock is noon
    for _ in captured:
        assert om.clock is noon


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_in_a_step_restores_the_clock(error: type[BaseException]) -> None:
    om = OrderManagement(clock=noon)

    def fail(_: Event) -> None:
        raise error

    om.subscribe(fail)
    with pytest.raises((error, BaseExceptionGroup)):
        next(iter(Replay(SESSION, om, symbol="XYZ")))
    assert om.clock is noon
    with pytest.raises((error, BaseExceptionGroup)):
        replay([message._replace(order_id=90) for message in SESSION[:1]], om, symbol="XYZ")
    assert om.clock is noon


def test_a_replay_without_a_subscriber_does_not_change_the_clock() -> None:
    om = OrderManagement()
    assert list(Replay(SESSION, om, symbol="XYZ"))
    assert om.clock is None


def test_a_clock_that_is_set_during_a_replay_remains() -> None:
    om, events = listened()
    run = Replay(SESSION, om, symbol="XYZ")
    next(iter(run))
    om.clock = noon
    list(run)
    assert om.clock is noon
    assert times(events) == [10, 25, 20, 30]


def test_two_replays_into_the_same_books_have_their_own_times() -> None:
    om, events = listened()
    first = Replay(SESSION[:2], om, symbol="ABC", midnight=1000)
    later = [message._replace(order_id=message.order_id + 10) for message in SESSION[:2]]
    second = Replay(later, om, symbol="XYZ", midnight=2000)
    next(iter(first))
    next(iter(second))
    next(iter(first))
    list(first)
    list(second)
    assert times(events) == [1010, 2010, 1025, 2025]
    assert om.clock is None


def test_your_own_replay_clock_is_used_and_remains() -> None:
    clock = ReplayClock()
    om = OrderManagement(clock=clock)
    with closing(Replay(SESSION, om, symbol="XYZ")) as run:
        assert [clock.time for _ in run] == [10, 25, 20, 30]
    assert om.clock is clock


BAD_TIMES: dict[str, tuple[Any, int]] = {
    "negative": (-1, 0),
    "above the midnight": (10, 2**63 - 5),
    "above the largest": (2**63, 0),
    "float": (10.0, 0),
    "not a number": (float("nan"), 0),
}


@pytest.mark.parametrize("is_listened", [False, True])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("time", "midnight"), BAD_TIMES.values(), ids=BAD_TIMES)
def test_a_time_that_no_event_can_have_stops_the_replay_with_and_without_a_subscriber(
    time: Any, midnight: int, number: int, is_listened: bool
) -> None:
    om = listened()[0] if is_listened else OrderManagement()
    session = [Message(row, 2, Kind.SUBMITTED, row, BUY, 10, 101) for row in (1, 2, 3)]
    session[number] = session[number]._replace(time=time)
    with pytest.raises(FeedError, match="the time must be an int in 0") as caught:
        replay(session, om, symbol="XYZ", midnight=midnight)
    assert caught.value.row == number + 1
    assert len(om) == number
    assert om.clock is None


def test_the_largest_time_is_valid() -> None:
    om, events = listened()
    replay([SESSION[0]], om, symbol="XYZ", midnight=2**63 - 11)
    assert times(events) == [2**63 - 1]


@pytest.mark.parametrize("is_listened", [False, True])
@pytest.mark.parametrize("time", ["-5", "9223372036855"])
def test_a_line_of_a_capture_with_a_time_that_no_event_can_have_is_not_read(
    time: str, is_listened: bool, tmp_path: Path
) -> None:
    om = listened()[0] if is_listened else OrderManagement()
    file = tmp_path / "capture"
    file.write_text(CAPTURE.replace("1700000000007", time))
    run = LevelReplay(Capture(file, "okx", Okx), om, checksums="ignore")
    assert len(list(run)) == 1
    assert run.report().unread == 1


def test_your_orders_in_on_message_have_the_time_of_the_capture(tmp_path: Path) -> None:
    om, events = listened()
    file = tmp_path / "capture"
    file.write_text(CAPTURE)

    def add_order(om: OrderManagement, outcome: Outcome) -> None:
        om.add_order(10**9 + outcome.message.row, "XYZ", SELL, 1, 1)

    replay_levels(Capture(file, "okx", Okx), om, checksums="ignore", on_message=add_order)
    assert None not in times(events)
    assert om.clock is None


CAPTURE = """\
{"arg":{"channel":"trades","instId":"A-B"},"data":[]}
{"arg":{"channel":"books","instId":"A-B"},"action":"snapshot","data":[{"asks":[["2","1","0","1"]],\
"bids":[["1","1","0","1"]],"ts":"1700000000000","checksum":0}]}
{"arg":{"channel":"books","instId":"A-B"},"action":"update","data":[{"asks":[["2","3","0","1"]],\
"bids":[],"ts":"1700000000007","checksum":0}]}
"""


def test_the_events_of_a_capture_have_the_time_of_its_messages(tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_text(CAPTURE)
    om, events = listened()
    run = LevelReplay(Capture(file, "okx", Okx), om, checksums="ignore")
    list(run)
    first = 1_700_000_000_000_000_000
    assert set(times(events)) == {first, first + 7_000_000}
    assert times(events) == sorted(event.time or 0 for event in events)
    assert om.clock is None
