"""During a replay, events have the time of the recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oms import Event, InvalidArgumentError, OrderManagement, Side
from oms.feeds import Capture, Kind, LevelReplay, Message, Okx, Replay, ReplayClock, lobster, replay
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
def test_events_and_your_own_orders_have_the_time_of_the_latest_message(midnight: int) -> None:
    om, events = listened()
    run = Replay(SESSION, om, symbol="XYZ", midnight=midnight)
    for messages in run:
        if messages[0].row == 2:
            om.add_order(99, "XYZ", SELL, 1, 1)
    assert times(events) == [midnight + at for at in (10, 25, 25, 20, 30)]
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
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("clock", [None, time.time_ns])
def test_the_end_of_a_replay_restores_the_clock(
    end: Callable[[Replay], object], clock: Callable[[], int] | None
) -> None:
    om = OrderManagement(clock=clock)
    run = Replay(SESSION, om, symbol="XYZ")
    assert om.clock is clock
    end(run)
    assert om.clock is clock


def test_a_clock_that_is_set_during_a_replay_remains() -> None:
    om, events = listened()
    run = Replay(SESSION, om, symbol="XYZ")
    next(iter(run))
    om.clock = noon
    list(run)
    assert om.clock is noon
    assert times(events) == [10, noon(), noon(), noon()]


def test_replays_into_the_same_books_share_the_clock_until_the_last_one_ends() -> None:
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
