"""Replay reports as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from oms.cli.costs import Cost
from oms.feeds import Report

__all__ = ["as_json", "points", "summary", "verdict"]


def summary(report: Report) -> Table:
    """Return a table of a report's counts."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for what, count, remark in _counts(report):
        table.add_row(what, f"{count:,}", Text(remark, "dim"))
    return table


def _counts(report: Report) -> Iterator[tuple[str, int, str]]:
    yield "events", report.events, _listed(report.kinds)
    yield "unknown orders", report.unknown, ", ".join(_unknown_orders(report))
    yield "ignored", report.ignored, ""
    yield "rejected", report.rejected, ""
    yield "contradictions", sum(report.contradictions.values()), ""
    yield "crossed", report.crossed, "the best ask was not above the best bid" if report.crossed else ""
    if report.trades:
        fills = f"{report.trades_equal_fills:,} with the same fills"
        yield "trades", report.trades, f"{report.trades_equal_cost:,} at the published cost, {fills}"
    if report.rows is not None:
        equal = report.rows - sum(report.row_differences.values())
        yield "rows of the book file", report.rows, f"{equal:,} equal"
    if report.states is not None:
        yield "best-price states", report.states, f"{report.states_equal:,} equal to the book file's"
    if report.makers is not None:
        yield "makers", report.makers, f"{report.makers_at_head:,} were the first order of their book"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts.items())


def _unknown_orders(report: Report) -> Iterator[str]:
    for count, what in ((report.seeded, "seeded"), (report.unknown - report.seeded, "not added")):
        if count:
            yield f"{count:,} {what}"


def verdict(report: Report) -> RenderableType:
    """Return the comparison's result as text, along with any reservations and remarks."""
    reservations = ", and ".join(report.reservations)
    if not report.agrees:
        outcome = Text("The data disagree with the published data:", "bold red")
    elif not report.compared:
        outcome = Text("There was no published data to compare with", "bold")
        outcome.append(f"; {reservations}." if reservations else ".")
    elif reservations:
        outcome = Text(f"The data agree with the published data, but {reservations}.", "bold yellow")
    else:
        outcome = Text("The data agree with the published data.", "bold green")
    sentences = [] if report.agrees else [*report.disagreements, *report.reservations]
    return Group(*points(report.remarks, "dim"), outcome, *points(sentences))


def points(sentences: Iterable[str], style: str = "") -> Iterator[Table]:
    """Yield the sentences as list items, each with a dash in front."""
    for sentence in sentences:
        point = Table.grid(padding=(0, 1))
        point.add_row(Text("-", style), Text(sentence, style))
        yield point


def as_json(
    report: Report, *, file: str, feed: str, symbol: str, resting: int, quotes: Iterable[Cost]
) -> dict[str, object]:
    """Return the report as a JSON object, in ticks and lots. Results of skipped comparisons are None."""
    compares_trades = feed == "lobster"  # no other feed publishes the cost of its trades
    return {
        "file": file,
        "format": feed,
        "symbol": symbol,
        "tick": report.units.tick_size,
        "lot": report.units.lot_size,
        "events": report.events,
        "kinds": report.kinds,
        "unknown": report.unknown,
        "seeded": report.seeded,
        "ignored": report.ignored,
        "rejected": report.rejected,
        "rejections": report.rejections,
        "contradictions": report.contradictions,
        "first_rows": report.first_rows,
        "trades": report.trades if compares_trades else None,
        "trades_equal_cost": report.trades_equal_cost if compares_trades else None,
        "trades_equal_fills": report.trades_equal_fills if compares_trades else None,
        "crossed": report.crossed,
        "rows": report.rows,
        "row_differences": report.row_differences,
        "states": report.states,
        "states_equal": report.states_equal,
        "makers": report.makers,
        "makers_at_head": report.makers_at_head,
        "makers_not_found": report.makers_not_found,
        "agrees": report.agrees if report.compared else None,
        "disagreements": report.disagreements,
        "reservations": report.reservations,
        "remarks": report.remarks,
        "resting_orders": resting,
        "quotes": [quote._asdict() for quote in quotes],
    }
