"""Replays with a progress bar in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic, perf_counter
from typing import NamedTuple, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.table import Column
from rich.text import Text

from oms import OrderManagement
from oms.cli.style import new_console
from oms.errors import JournalError
from oms.feeds import (
    Capture,
    Checksums,
    LevelReplay,
    LevelReport,
    Message,
    Recording,
    Replay,
    Report,
    Unknown,
    find_instruments,
)
from oms.journal import open as open_journal

__all__ = ["Driven", "DrivenLevels", "bar", "drive", "drive_levels", "new_bar"]

T = TypeVar("T")

_EVERY = 1024  # messages between updates of the bar


class Driven(NamedTuple):
    """A finished replay of a recording: its report, its books, and how long it took."""

    report: Report
    om: OrderManagement
    symbol: str
    seconds: float

    @property
    def events_per_second(self) -> float:
        """Events per second. The time includes reading, pricing, and comparing."""
        return round(self.report.events / self.seconds, 1)


class DrivenLevels(NamedTuple):
    """A finished replay of a capture: its report, its books, and how long it took."""

    report: LevelReport
    om: OrderManagement
    seconds: float

    @property
    def messages_per_second(self) -> float:
        """Messages per second. The time includes finding ticks and lots, reading, and verifying."""
        return round(self.report.messages / self.seconds, 1)


class _WithProgress:
    """A recording that updates a progress bar while you iterate over it. Each iteration restarts the bar."""

    def __init__(self, recording: Recording, progress: Progress) -> None:
        self._recording = recording
        self._progress = progress
        self._task = progress.add_task("opening", total=recording.size, count=0, unit="events")
        self.path = recording.path
        self.units = recording.units

    def __iter__(self) -> Iterator[Message]:
        self._progress.reset(self._task, description="finding unknown orders", count=0, unit="events")
        count = 0
        for count, message in enumerate(self._recording, 1):
            if not count % _EVERY:
                self._progress.update(self._task, completed=_bytes_read(self._recording), count=count)
            yield message
        self._progress.update(self._task, completed=self._recording.size, count=count)

    def describe(self, description: str) -> None:
        self._progress.update(self._task, description=description)


def drive(
    recording: Recording,
    *,
    unknown: Unknown,
    ignore: tuple[int, ...] = (),
    book: Path | None = None,
    trades: Path | None = None,
    journal: Path | None = None,
) -> Driven:
    """Replay a recording into new books. The arguments are the same as for `Replay`.

    Sets the instrument of the recording at the end. Shows a progress bar if stderr is a terminal.
    Raises FeedError and InvalidArgumentError.
    """
    with _new_books(journal) as om, bar() as progress:
        start = perf_counter()
        with_progress = _WithProgress(recording, progress)
        run = Replay(
            with_progress,
            om,
            symbol=recording.symbol,
            unknown=unknown,
            ignore=ignore,
            book=book,
            trades=trades,
        )
        steps = iter(run)
        next(steps, None)  # before the first event, a replay scans the whole file for unknown orders
        with_progress.describe("replaying")
        for _ in steps:
            pass
        seconds = perf_counter() - start
        om.set_instrument(recording.symbol, recording.units)
    return Driven(run.report(), om, recording.symbol, seconds)


def drive_levels(
    capture: Capture,
    *,
    tick_size: str | None = None,
    lot_size: str | None = None,
    checksums: Checksums = "verify",
    journal: Path | None = None,
) -> DrivenLevels:
    """Replay a capture into new books. If a size is None, it is inferred from the capture.

    Sets the instrument of each symbol at the end. Shows a progress bar if stderr is a terminal.
    Raises FeedError and InvalidArgumentError.
    """
    with _new_books(journal) as om, bar() as progress:
        start = perf_counter()
        messages = _counted(capture, capture, progress, "finding ticks and lots")
        instruments = find_instruments(messages, tick_size, lot_size)
        run = LevelReplay(capture, om, instruments=instruments, checksums=checksums)
        for _ in _counted(capture, run, progress, "replaying"):
            pass
        report, seconds = run.report(), perf_counter() - start
        # A feed may have to reduce the tick size or lot size, so the final instruments are known only now.
        for symbol, symbol_report in report.symbols.items():
            om.set_instrument(symbol, symbol_report.instrument)
    return DrivenLevels(report, om, seconds)


def _counted(capture: Capture, steps: Iterable[T], progress: Progress, what: str) -> Iterator[T]:
    """Yield the steps unchanged, and update a progress bar."""
    task = progress.add_task(what, total=capture.size, count=0, unit="messages")
    count = 0
    for count, step in enumerate(steps, 1):
        if not count % _EVERY:
            progress.update(task, completed=_bytes_read(capture), count=count)
        yield step
    progress.update(task, completed=capture.size, count=count)


def _bytes_read(file: Recording | Capture) -> int:
    """Return the progress in bytes. It is less than the size, even if the file has been read ahead."""
    return min(file.position, file.size - 1)


def _new_books(path: Path | None) -> OrderManagement:
    """Return empty books, in memory or with a new journal. Raises JournalError."""
    if path is None:
        return OrderManagement()
    if path.exists():
        raise JournalError(
            str(path), "the file exists already, but a replay needs a new journal; choose another name"
        )
    return open_journal(path, durability="batched", clock=None)  # the replay sets the times


@contextmanager
def bar() -> Generator[Progress]:
    """Show a progress bar on stderr if it is a terminal. Remove the bar if an error ends the replay."""
    with new_bar(new_console(stderr=True)) as progress:
        try:
            yield progress
        except BaseException:
            progress.live.transient = True
            raise


def new_bar(console: Console, clock: Callable[[], float] = monotonic) -> Progress:
    """Return a progress bar that shows the rate and the time that is left. `clock` returns seconds.

    The bar shows nothing if the console is not a terminal.
    """
    console.quiet = not console.is_terminal  # a disabled bar may still print a blank line
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),  # as wide as the other columns permit
        TaskProgressColumn(),
        _CountColumn(Column(no_wrap=True)),
        _TimeColumn(Column(no_wrap=True)),
        console=console,
        get_time=clock,
        disable=console.quiet,
    )


class _CountColumn(ProgressColumn):
    """The number of events or messages, and the average number per second."""

    def render(self, task: Task) -> Text:
        count, unit, seconds = task.fields["count"], task.fields["unit"], _seconds(task)
        rate = f", {count / seconds:,.0f}/s" if count and seconds else ""
        return Text(f"{count:,} {unit}{rate}", "progress.data.speed")


class _TimeColumn(ProgressColumn):
    """The time that is left at the average rate, or the total time of a finished task."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(_shown(_seconds(task)), "progress.elapsed")
        if not task.completed:
            return Text("-:--:-- left", "progress.remaining")
        left = _shown(_seconds(task) * (task.remaining or 0) / task.completed)
        return Text(f"{left} left", "progress.remaining")


def _seconds(task: Task) -> float:
    return (task.finished_time if task.finished else task.elapsed) or 0.0


def _shown(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
