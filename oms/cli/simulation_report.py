"""The report of `oms simulate`, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from oms import Side
from oms.cli.style import STYLE_OF, heading, new_console, new_table
from oms.display import counted
from oms.simulation import Interval, SimulationReport
from oms.simulation.report import merged

__all__ = ["Sparkline", "as_json", "show_report"]

_ROWS = 12
_POINTS = 40
_HEIGHTS = "▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = "_.-:=+*#"


class Sparkline:
    """A one-line plot: one character for each number, higher for larger numbers. None leaves a gap.

    ASCII-only terminals show characters from '_' for the smallest number to '#' for the largest.
    """

    def __init__(self, numbers: Sequence[float | None]) -> None:
        self.numbers = numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heights = _ASCII_HEIGHTS if options.ascii_only else _HEIGHTS
        known = [number for number in self.numbers if number is not None]
        least, range_ = (min(known), max(known) - min(known)) if known else (0.0, 0.0)
        yield Segment(
            "".join(
                " " if number is None else heights[int((number - least) * 7 / range_) if range_ else 0]
                for number in self.numbers
            )
        )

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(self.numbers), len(self.numbers))


def show_report(report: SimulationReport, seed: int) -> None:
    """Print a report: a table over time, a plot of each column, and the profits."""
    console, total = new_console(), report.total
    console.print(
        heading(f"{report.symbol}, simulated with seed {seed} (prices in ticks, amounts in lots)"),
        ", ".join(
            counted(number, noun)
            for number, noun in ((total.steps, "second"), (total.events, "event"), (total.trades, "trade"))
        ),
        sep="\n",
    )
    console.print(_over_time(report))
    console.print(_plots(merged(report.intervals, _POINTS)))
    console.print()
    console.print(heading("Profits in ticks times lots, with positions valued at the final value"))
    console.print(_profits(report))


def _over_time(report: SimulationReport) -> Table:
    table = new_table()
    for header in ("from", "value", "mid", "spread"):
        table.add_column(header, justify="right")
    table.add_column("asks", justify="right", style=STYLE_OF[Side.BUY])
    table.add_column("bids", justify="right", style=STYLE_OF[Side.SELL])
    for header in ("trades", "volume", "volatility"):
        table.add_column(header, justify="right")
    rows = merged(report.intervals, _ROWS)
    for n, interval in enumerate(rows, 1):
        start = timedelta(seconds=interval.first_step)
        table.add_row(str(start), *_cells(interval), end_section=n == len(rows))
    table.add_row("all", *_cells(report.total), style="bold")
    return table


def _cells(interval: Interval) -> Iterator[str]:
    yield f"{interval.value:,}"
    yield _shown(interval.mid, 1)
    yield _shown(interval.spread, 2)
    yield _shown(interval.ask_depth, 0)
    yield _shown(interval.bid_depth, 0)
    yield f"{interval.trades:,}"
    yield f"{interval.volume:,}"
    yield f"{interval.volatility:.1f} bps"


def _shown(number: Fraction | None, digits: int) -> str:
    return "none" if number is None else f"{float(number):,.{digits}f}"


def _plots(intervals: Sequence[Interval]) -> Table:
    """Return a table with a plot of each column over time, and the smallest and the largest number."""
    table = new_table()
    table.add_column("over time", no_wrap=True)
    table.add_column("")
    table.add_column("least", justify="right")
    table.add_column("most", justify="right")
    series: dict[str, tuple[list[float | None], int]] = {
        "mid": ([_float(each.mid) for each in intervals], 1),
        "spread": ([_float(each.spread) for each in intervals], 2),
        "depth": ([_float(each.depth) for each in intervals], 0),
        "volume": ([each.volume for each in intervals], 0),
        "volatility": ([each.volatility for each in intervals], 1),
    }
    for name, (numbers, digits) in series.items():
        known = [number for number in numbers if number is not None]
        ends = [f"{end:,.{digits}f}" for end in (min(known), max(known))] if known else ["none", "none"]
        table.add_row(name, Sparkline(numbers), *ends)
    return table


def _float(number: Fraction | None) -> float | None:
    return None if number is None else float(number)


def _profits(report: SimulationReport) -> Table:
    table, kinds = new_table(), list(report.profits)
    table.add_column("traders", no_wrap=True)
    for header in ("traded", "position", "profit", "per lot", *(f"from\n{kind}" for kind in kinds)):
        table.add_column(header, justify="right", overflow="fold")
    for kind, profit in report.profits.items():
        table.add_row(
            f"{profit.agents:,} {kind}",
            f"{profit.traded:,}",
            f"{profit.position:,}",
            f"{profit.profit:,}",
            _shown(Fraction(profit.profit, profit.traded) if profit.traded else None, 2),
            *(f"{profit.against.get(other, 0):,}" for other in kinds),
        )
    return table


def as_json(report: SimulationReport, seed: int) -> Mapping[str, object]:
    """Return the report as a JSON object, in ticks and lots. Means without data are None."""
    return {
        "symbol": report.symbol,
        "seed": seed,
        **_as_json(report.total),
        "profits": {kind: profit._asdict() for kind, profit in report.profits.items()},
        "intervals": [_as_json(interval) for interval in merged(report.intervals, _ROWS)],
        "state_hash": report.state_hash,
    }


def _as_json(interval: Interval) -> dict[str, object]:
    return {
        "first_step": interval.first_step,
        "steps": interval.steps,
        "events": interval.events,
        "trades": interval.trades,
        "volume": interval.volume,
        "value": interval.value,
        "mid": _float(interval.mid),
        "spread": _float(interval.spread),
        "ask_depth": _float(interval.ask_depth),
        "bid_depth": _float(interval.bid_depth),
        "volatility_bps": interval.volatility,
    }
