"""The progress bar of `oms replay`: the rate, and the time that is left."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from oms.cli import progress as module
from oms.cli.progress import drive, drive_levels, new_bar
from oms.feeds import Capture, Recording, open_capture, open_recording
from support.naive_exchange import NaiveExchange


class FakeClock:
    """A clock in seconds that moves only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bar(clock: FakeClock) -> Progress:
    """Return a progress bar on a terminal of 80 columns that follows the fake clock."""
    return new_bar(terminal(), clock)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80, height=25)


def shown(bar: Progress) -> str:
    """Return what the bar displays, with single spaces."""
    console = terminal()
    with console.capture() as capture:
        console.print(bar.get_renderable())
    return " ".join(capture.get().split())


def test_the_bar_shows_the_average_rate_and_the_time_that_is_left_at_this_rate(
    bar: Progress, clock: FakeClock
) -> None:
    task = bar.add_task("replaying", total=1000, count=0, unit="events")
    clock.seconds += 4
    bar.update(task, completed=250, count=10_000)
    assert shown(bar).endswith("25% 10,000 events, 2,500/s 0:00:12 left")
    clock.seconds += 6
    bar.update(task, completed=500, count=20_000)
    assert shown(bar).endswith("50% 20,000 events, 2,000/s 0:00:10 left")


def test_a_finished_bar_shows_the_rate_and_the_time_that_it_took(bar: Progress, clock: FakeClock) -> None:
    task = bar.add_task("replaying", total=1000, count=0, unit="messages")
    clock.seconds += 3725
    bar.update(task, completed=1000, count=7450)
    clock.seconds += 100
    assert shown(bar).endswith("100% 7,450 messages, 2/s 1:02:05")


def test_the_bar_shows_no_rate_and_no_time_before_the_first_progress(bar: Progress, clock: FakeClock) -> None:
    bar.add_task("opening", total=1000, count=0, unit="events")
    assert shown(bar).endswith("0% 0 events -:--:-- left")
    clock.seconds += 5
    assert shown(bar).endswith("0% 0 events -:--:-- left")


def test_all_figures_of_a_large_file_fit_in_a_terminal_of_80_columns(bar: Progress, clock: FakeClock) -> None:
    task = bar.add_task("finding unknown orders", total=10**9, count=0, unit="events")
    clock.seconds += 10
    bar.update(task, completed=10**9 // 4, count=1_000_000)
    assert shown(bar).startswith("finding unknown orders ")
    assert shown(bar).endswith(" 25% 1,000,000 events, 100,000/s 0:00:30 left")


def test_a_console_that_is_no_terminal_shows_no_bar(clock: FakeClock) -> None:
    console = Console(file=io.StringIO(), width=80)
    with new_bar(console, clock) as bar:
        bar.add_task("replaying", total=10, count=0, unit="events")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


# One second passes for each event or message that is read, and the bar is rendered after each.


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[str]:
    """Return a list that receives what the bar displays before each event or message."""
    displayed: list[str] = []
    bars: list[Progress] = []

    def bar_with_clock(console: Console) -> Progress:
        bars.append(new_bar(terminal(), clock))
        return bars[0]

    def slowly(read: object) -> object:
        def read_slowly(self: Recording | Capture) -> Iterator[object]:
            for item in read(self):  # type: ignore[operator] # __iter__ of either class
                clock.seconds += 1
                displayed.append(shown(bars[0]))
                yield item

        return read_slowly

    monkeypatch.setattr(module, "new_bar", bar_with_clock)
    monkeypatch.setattr(module, "_EVERY", 2)
    for kind in (Recording, Capture):
        monkeypatch.setattr(kind, "__iter__", slowly(kind.__iter__))
        monkeypatch.setattr(kind, "size", 1000)
        monkeypatch.setattr(kind, "position", 500)
    return displayed


def test_a_replay_of_a_recording_by_order_restarts_the_bar_with_each_reading(
    renderings: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "XYZ_2020-01-02_34200000_57600000_message_5.csv"
    path.write_text("".join(f"34200.{n},1,{n},10,1000000,-1\n" for n in range(1, 6)))
    drive(open_recording(path, "lobster"), unknown="seed")
    assert renderings[0].startswith("finding unknown orders ")
    assert renderings[-1].startswith("replaying ")
    assert renderings[-1].endswith(" 50% 4 events, 1/s 0:00:05 left")


def test_a_replay_of_a_capture_has_one_bar_for_each_reading(renderings: list[str], tmp_path: Path) -> None:
    exchange = NaiveExchange("okx")
    path = tmp_path / "capture"
    path.write_text(
        "\n".join([exchange.snapshot(), *(exchange.update([(0, f"1.{n}", "2")]) for n in range(1, 5))])
    )
    drive_levels(open_capture(path, "okx"))
    assert len(renderings) == 10
    assert renderings[2].startswith("finding ticks and lots ")
    assert renderings[2].endswith(" 50% 2 messages, 1/s 0:00:03 left")
    assert "finding ticks and lots" in renderings[7]
    assert " 100% 5 messages, 1/s 0:00:05 replaying " in renderings[7]
    assert renderings[7].endswith(" 50% 2 messages, 1/s 0:00:03 left")
