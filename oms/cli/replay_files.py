"""The part of `oms replay` that replays several files at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from oms import Side
from oms.cli import capture, summary
from oms.cli.costs import Cost, cost_table, costs
from oms.cli.progress import bar
from oms.cli.style import STYLE_OF, heading, new_console, new_table
from oms.display import counted
from oms.feeds import (
    LevelReport,
    ReplayProgress,
    ReplayResult,
    ReplayUnit,
    Report,
    UnitReplay,
    UnitsError,
    replay_many,
)
from oms.instrument import TICKS_AND_LOTS, Instrument

__all__ = ["replay_files"]


class _Symbol(NamedTuple):
    """One symbol's books at the end. Prices are in ticks, or None if a side is empty or the book is stale."""

    symbol: str
    instrument: Instrument
    best: tuple[int | None, ...]
    costs: tuple[Cost, ...]


class _End(NamedTuple):
    """The result for a file: its JSON object, and a row of the table for each symbol."""

    as_object: dict[str, object]
    symbols: tuple[_Symbol, ...]


@dataclass(frozen=True, slots=True)
class _Ends:
    """The analysis of a file, which prices these amounts (lots) at the end of the file."""

    amounts: tuple[int, ...]

    def __call__(self, run: UnitReplay) -> _End:
        """Return the result that the command shows for one file."""
        report, om = run.finish(), run.om
        symbols = tuple(
            _Symbol(
                symbol,
                run.instrument(symbol),
                tuple(om.best_price(symbol, side) for side in Side),
                tuple(costs(om, symbol, self.amounts)),
            )
            for symbol in run.symbols
        )
        file, feed = run.unit.name, str(run.unit.feed)
        if isinstance(report, LevelReport):
            return _End(capture.as_json(report, om, file=file, feed=feed, quote=self.amounts), symbols)
        [only] = symbols
        as_object = summary.as_json(
            report, file=file, feed=feed, symbol=only.symbol, resting=len(om), quotes=only.costs
        )
        return _End(as_object, symbols)


def replay_files(
    units: Iterable[ReplayUnit], *, quote: Sequence[int], jobs: int | None, ticks: bool, as_object: bool
) -> bool:
    """Replay several files and print a table. Return True if none of them disagrees with its data.

    If some files cannot be read, print the results of the others, and then raise UnitsError.
    """
    results, error = _replayed(units, _Ends(tuple(quote)), jobs)
    if as_object:
        print(json.dumps([result.value.as_object for result in results]))
    elif results:
        _show(results, ticks=ticks)
    if error is not None:
        raise error
    return all(result.report.agrees for result in results)


def _replayed(
    units: Iterable[ReplayUnit], analysis: _Ends, jobs: int | None
) -> tuple[tuple[ReplayResult[_End], ...], UnitsError | None]:
    """Replay the units with a progress bar. Return the results, and the error if some units have none."""
    with bar() as progress:
        task = progress.add_task("replaying files", total=None, count=0, unit="events")
        events = 0

        def advance(step: ReplayProgress) -> None:
            nonlocal events
            events += 0 if step.result is None else _events(step.result.report)
            description = f"replayed {step.finished} of {step.total} files"
            progress.update(
                task,
                description=description,
                completed=step.finished_bytes,
                total=step.total_bytes,
                count=events,
            )

        try:
            return replay_many(units, analysis, workers=jobs, progress=advance), None
        except UnitsError as error:
            return error.results, error


def _events(report: Report | LevelReport) -> int:
    return report.messages if isinstance(report, LevelReport) else report.events


def _show(results: Iterable[ReplayResult[_End]], *, ticks: bool) -> None:
    console = new_console()
    console.print(_table(results, ticks=ticks))
    for result in results:
        for symbol in result.value.symbols:
            if symbol.costs:
                console.print(
                    heading(f"{result.unit.name}: {symbol.symbol} ({symbol.instrument.describe()})")
                )
                console.print(cost_table(symbol.costs, TICKS_AND_LOTS if ticks else symbol.instrument))
    problems = [(result.unit.name, result.report.disagreements) for result in results]
    console.print(_verdict([result.report for result in results]))
    console.print(
        *summary.points(f"{name}: {sentences[0]}" for name, sentences in problems if sentences),
        sep="\n",
        end="",
    )


def _table(results: Iterable[ReplayResult[_End]], *, ticks: bool) -> Table:
    table = new_table()
    table.add_column("file", overflow="fold")
    table.add_column("symbol", overflow="fold")
    for header in ("events", "agrees", "best ask", "best bid"):
        table.add_column(header, justify="right", overflow="fold")
    for result in results:
        for symbol in result.value.symbols:
            units = TICKS_AND_LOTS if ticks else symbol.instrument
            table.add_row(
                result.unit.name,
                symbol.symbol,
                f"{_events_of(result.report, symbol.symbol):,}",
                _agreement(result.report),
                *_best(symbol, units),
            )
    return table


def _events_of(report: Report | LevelReport, symbol: str) -> int:
    return report.symbols[symbol].messages if isinstance(report, LevelReport) else report.events


def _agreement(report: Report | LevelReport) -> Text:
    if not report.agrees:
        return Text("no", "bold red")
    return Text("yes", "green") if _is_compared(report) else Text("not compared", "dim")


def _is_compared(report: Report | LevelReport) -> bool:
    return report.checksums_ok > 0 if isinstance(report, LevelReport) else report.compared


def _best(symbol: _Symbol, units: Instrument) -> Iterator[Text]:
    for side, price in zip(Side, symbol.best, strict=True):
        yield Text("none", "dim") if price is None else Text(units.show_price(price), STYLE_OF[side])


def _verdict(reports: Sequence[Report | LevelReport]) -> Text:
    different = sum(not report.agrees for report in reports)
    equal = sum(report.agrees and _is_compared(report) for report in reports)
    if different:
        verb = "disagrees" if different == 1 else "disagree"
        text = f"{different:,} of {counted(len(reports), 'file')} {verb} with the published data:"
        return Text(text, "bold red")
    if equal < len(reports):
        text = (
            f"{equal:,} of {counted(len(reports), 'file')} had published data to compare with. No difference."
        )
        return Text(text, "bold")
    return Text(f"All {len(reports):,} files agree with the published data.", "bold green")
