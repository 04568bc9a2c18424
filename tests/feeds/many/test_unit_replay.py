"""A unit has the books and the report of a plain replay. These tests cover oms.feeds.many.sources too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oms import Instrument, InvalidArgumentError, OrderManagement, Side
from oms.feeds import (
    FeedError,
    LevelReport,
    Outcome,
    ReplayUnit,
    UnitReplay,
    UnknownOrderError,
    open_capture,
    open_recording,
    replay,
    replay_levels,
)
from support.many_units import CAPTURE, write_units

SESSION = (
    "10.0,1,7,10,1000,-1\n10.5,1,8,10,1001,-1\n12.0,1,9,5,990,1\n12.0,4,7,10,1000,-1\n12.0,4,8,1,1001,-1\n"
)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "XYZ_2020-01-02_0_57600000_message_5.csv"
    path.write_text(SESSION)
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture"
    path.write_text(CAPTURE)
    return path


def test_a_finished_recording_has_the_books_and_the_report_of_a_plain_replay(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [500])
    om, recording = OrderManagement(), open_recording(unit.path)
    report = replay(recording, om, symbol=recording.symbol)
    run = UnitReplay(unit)
    assert run.finish() == run.finish() == report
    assert (run.om.state_hash(), run.om.last_sequence) == (om.state_hash(), om.last_sequence)
    assert run.symbols == ("DEMO",)
    assert run.instrument("DEMO") == recording.units


def test_a_finished_capture_has_the_books_and_the_report_of_a_plain_replay(capture: Path) -> None:
    om = OrderManagement()
    report = replay_levels(open_capture(capture), om)
    run = UnitReplay(ReplayUnit(capture))
    assert run.finish() == report
    assert run.om.state_hash() == om.state_hash()
    assert run.symbols == ("ETH/USD", "XBT/USD")
    assert run.instrument("XBT/USD") == Instrument("0.1", "0.1")


def test_a_step_applies_one_event_and_yields_its_time(session: Path) -> None:
    run = UnitReplay(ReplayUnit(session, midnight=10**15))
    assert run.latest is None
    steps = [(time - 10**15, [message.row for message in latest_messages(run)]) for time in run]
    second = 10**9
    assert steps == [
        (10 * second, [1]),
        (10 * second + second // 2, [2]),
        (12 * second, [3]),
        (12 * second, [4, 5]),
    ]
    assert run.om.best_price("XYZ", Side.BUY) == 1001


def latest_messages(run: UnitReplay) -> tuple[Any, ...]:
    assert isinstance(run.latest, tuple)
    return run.latest


def test_a_step_of_a_capture_yields_the_time_of_the_message(capture: Path) -> None:
    run = UnitReplay(ReplayUnit(capture))
    seen = []
    for time in run:
        assert isinstance(run.latest, Outcome)
        assert time == run.latest.message.time
        seen.append((run.latest.message.row, run.symbols))
    assert seen == [(1, ("XBT/USD",)), (2, ("ETH/USD", "XBT/USD")), (3, ("ETH/USD", "XBT/USD"))]


def test_a_second_loop_continues_where_the_first_one_stopped(session: Path) -> None:
    run = UnitReplay(ReplayUnit(session))
    assert next(iter(run)) == 10 * 10**9
    assert len(list(run)) == 3
    assert list(run) == []


def test_every_yields_the_first_event_of_each_interval(session: Path) -> None:
    second = 10**9
    assert list(UnitReplay(ReplayUnit(session)).every(1)) == [10 * second, 12 * second]
    assert list(UnitReplay(ReplayUnit(session)).every(0.5)) == [10 * second, 10_500_000_000, 12 * second]
    assert list(UnitReplay(ReplayUnit(session)).every(0.7)) == [10 * second, 10_500_000_000, 12 * second]
    assert list(UnitReplay(ReplayUnit(session)).every(60)) == [10 * second]


def test_an_invalid_interval_is_rejected_before_the_first_step(session: Path) -> None:
    run = UnitReplay(ReplayUnit(session))
    with pytest.raises(
        InvalidArgumentError, match="seconds must be a finite number of seconds above 0, not 0"
    ):
        run.every(0)
    assert run.latest is None


def test_your_own_orders_have_the_time_of_the_recording(session: Path) -> None:
    run = UnitReplay(ReplayUnit(session, midnight=10**15))
    events: list[Any] = []
    run.om.subscribe(events.append)
    for number, time in enumerate(run):
        if number == 1:
            run.om.add_order(10**6, "XYZ", Side.BUY, 1, 1000)
            assert events[-1].time == time
    assert run.finish().agrees


def test_the_options_of_a_recording_are_those_of_a_replay(session: Path, tmp_path: Path) -> None:
    session.write_text("10.0,3,7,10,1000,-1\n" + SESSION.replace(",7,", ",3,"))
    unit = ReplayUnit(session, symbol="ABC", unknown="raise", ignore=(7,))
    run = UnitReplay(unit)
    report = run.finish()
    assert not isinstance(report, LevelReport)
    assert (run.symbols, report.ignored) == (("ABC",), 1)
    with pytest.raises(UnknownOrderError):
        UnitReplay(ReplayUnit(session, unknown="raise")).finish()
    book = tmp_path / "book.csv"
    book.write_text("1000,10,-9999999999,0\n")
    assert UnitReplay(ReplayUnit(session, book=book)).finish().disagreements


def test_the_sizes_of_a_capture_can_be_set_one_by_one(capture: Path) -> None:
    run = UnitReplay(ReplayUnit(capture, lot_size="0.01"))
    run.finish()
    assert run.instrument("XBT/USD") == Instrument("0.1", "0.01")
    assert run.instrument("ETH/USD") == Instrument("0.01", "0.01")


@pytest.mark.parametrize(
    "option",
    [{"symbol": "X"}, {"unknown": "skip"}, {"ignore": (7,)}, {"book": "b"}, {"trades": "t"}, {"midnight": 1}],
    ids=lambda option: next(iter(option)),
)
def test_an_option_of_recordings_is_rejected_for_a_capture(capture: Path, option: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"{next(iter(option))} must be left out for a file of kraken"
    ):
        UnitReplay(ReplayUnit(capture, **option))


@pytest.mark.parametrize(
    "option", [{"depth": 10}, {"checksums": "verify"}], ids=lambda option: next(iter(option))
)
def test_an_option_of_captures_is_rejected_for_a_recording(session: Path, option: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"{next(iter(option))} must be left out for a file of lobster"
    ):
        UnitReplay(ReplayUnit(session, **option))


def test_checksums_can_be_ignored(capture: Path) -> None:
    capture.write_text(CAPTURE.replace("3617920322", "1"))
    assert not UnitReplay(ReplayUnit(capture)).finish().agrees
    assert UnitReplay(ReplayUnit(capture, checksums="ignore")).finish().agrees


def test_an_unknown_symbol_has_no_instrument(session: Path, capture: Path) -> None:
    with pytest.raises(
        InvalidArgumentError, match="symbol must be 'XYZ', the symbol of the recording, not 'ABC'"
    ):
        UnitReplay(ReplayUnit(session)).instrument("ABC")
    with pytest.raises(InvalidArgumentError, match="symbol must be one with a known Instrument"):
        UnitReplay(ReplayUnit(capture)).instrument("ABC")


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="No such file"):
        UnitReplay(ReplayUnit(tmp_path / "a.csv"))
