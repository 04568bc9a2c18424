"""The part of `oms replay` that handles captures of level-2 feeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from oms import OrderManagement, Side
from oms.cli.costs import cost_table, costs
from oms.cli.progress import DrivenLevels, drive_levels
from oms.cli.style import STYLE_OF, heading, new_console, new_table
from oms.cli.summary import points
from oms.display import counted
from oms.feeds import Capture, Checksums, LevelReport, SymbolReport
from oms.instrument import TICKS_AND_LOTS

__all__ = ["as_json", "replay_capture"]


def replay_capture(
    capture: Capture,
    *,
    tick_size: str | None,
    lot_size: str | None,
    checksums: Checksums,
    quote: Sequence[int],
    journal: Path | None,
    ticks: bool,
    as_object: bool,
) -> bool:
    """Replay a capture and print the report.

    Return True if every line could be read, and every book had a snapshot and was never stale after it.
    """
    driven = drive_levels(
        capture, tick_size=tick_size, lot_size=lot_size, checksums=checksums, journal=journal
    )
    if as_object:
        described = as_json(driven.report, driven.om, file=capture.path, feed=capture.feed, quote=quote)
        rate = {"seconds": round(driven.seconds, 3), "messages_per_second": driven.messages_per_second}
        print(json.dumps(described | rate))
    else:
        _show(capture, driven, quote, ticks=ticks)
    return driven.report.agrees


def as_json(
    report: LevelReport, om: OrderManagement, *, file: str, feed: str, quote: Sequence[int]
) -> dict[str, object]:
    """Return the report as a JSON object, in ticks and lots."""
    return {
        "file": file,
        "format": feed,
        "messages": report.messages,
        "checksums_ok": report.checksums_ok,
        "checksums_failed": report.checksums_failed,
        "gaps": report.gaps,
        "unread": report.unread,
        "stale": report.stale,
        "agrees": report.agrees,
        "disagreements": report.disagreements,
        "passed_over": report.passed_over,
        "first_rows": report.first_rows,
        "resting_orders": len(om),
        "symbols": {
            symbol: _symbol_as_json(om, symbol, symbol_report, quote)
            for symbol, symbol_report in report.symbols.items()
        },
    }


def _symbol_as_json(
    om: OrderManagement, symbol: str, symbol_report: SymbolReport, quote: Sequence[int]
) -> dict[str, object]:
    counts = asdict(symbol_report)
    instrument = counts.pop("instrument")
    return {
        "tick": instrument["tick_size"],
        "lot": instrument["lot_size"],
        **counts,
        "best_buy": om.best_price(symbol, Side.BUY),
        "best_sell": om.best_price(symbol, Side.SELL),
        "quotes": [cost._asdict() for cost in costs(om, symbol, quote)],
    }


def _show(capture: Capture, driven: DrivenLevels, quote: Sequence[int], *, ticks: bool) -> None:
    console, report = new_console(), driven.report
    console.print(heading(f"{counted(len(report.symbols), 'symbol')}, captured from {capture.feed}"))
    console.print(_table(driven, ticks=ticks))
    for symbol, symbol_report in report.symbols.items() if quote else ():
        console.print(heading(f"{symbol} ({symbol_report.instrument.describe()})"))
        units = TICKS_AND_LOTS if ticks else symbol_report.instrument
        console.print(cost_table(costs(driven.om, symbol, quote), units))
    for reason, lines in report.passed_over.items():
        row = report.first_rows[reason]
        console.print(Text(f" lines skipped: {lines:,}, {reason}, first in row {row:,}", "dim"))
    console.print(
        f" {driven.seconds:.1f} s: {driven.messages_per_second:,.0f} messages per second", style="dim"
    )
    console.print()
    console.print(_verdict(driven))
    console.print(*points(report.disagreements), sep="\n", end="")


def _table(driven: DrivenLevels, *, ticks: bool) -> Table:
    table = new_table()
    table.add_column("symbol", overflow="fold")
    for header in ("messages", "checksums", "failed", "gaps", "crossed", "best ask", "best bid"):
        table.add_column(header, justify="right", overflow="fold")
    for symbol, symbol_report in driven.report.symbols.items():
        table.add_row(
            symbol,
            *(
                f"{count:,}"
                for count in (
                    symbol_report.messages,
                    symbol_report.checksums_ok,
                    symbol_report.checksums_failed,
                    symbol_report.gaps,
                )
            ),
            f"{symbol_report.crossed:,}",
            *_best(driven.om, symbol, symbol_report, ticks=ticks),
        )
    return table


def _best(om: OrderManagement, symbol: str, symbol_report: SymbolReport, *, ticks: bool) -> Iterator[Text]:
    units = TICKS_AND_LOTS if ticks else symbol_report.instrument
    for side in Side:
        price = om.best_price(symbol, side)
        shown = "none" if price is None else units.show_price(price)
        yield Text(
            "stale" if symbol_report.stale else shown, "bold red" if symbol_report.stale else STYLE_OF[side]
        )


def _verdict(driven: DrivenLevels) -> Text:
    report = driven.report
    if not report.followed:
        return Text("Not every book followed its feed:", "bold red")
    if report.unread:
        return Text(
            "Every book followed the readable lines of its feed, but some lines could not be read:",
            "bold red",
        )
    if report.checksums_failed:
        verdict = f"Every book followed its feed. Wrong checksums ignored: {report.checksums_failed:,}."
        return Text(verdict, "bold yellow")
    if not report.checksums_ok:
        return Text("Every book followed its feed. The capture contains no checksums.", "bold")
    return Text(f"All {report.checksums_ok:,} checksums match the books.", "bold green")
