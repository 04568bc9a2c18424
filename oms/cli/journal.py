"""`oms journal`: check a journal's file, show what happened, drop history, and export events."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from oms.cli.exit_codes import ExitCode
from oms.cli.options import Json
from oms.cli.style import new_console, new_table
from oms.errors import JournalError
from oms.events import Event, OrderAmended, OrdersAdded, OrdersRemoved
from oms.journal import SqliteJournal
from oms.journal import verify as verify_file
from oms.journal.reading import opened_to_read
from oms.journal.record import BODIES

__all__ = ["app"]

app = typer.Typer(name="journal", help="Check, show, compact and export a journal.", no_args_is_help=True)

JournalFile = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="A journal, such as book.db.")
]
First = Annotated[int | None, typer.Option("--from", min=1, metavar="N", help="Begin with this event.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="NAME", help="Such as TradePlaced.")]
OfSymbol = Annotated[str | None, typer.Option("--symbol", metavar="NAME", help="Of this symbol only.")]
OfOrder = Annotated[int | None, typer.Option("--order", min=0, metavar="ID", help="Of this order only.")]
Most = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most so many.")]
Before = Annotated[
    int | None, typer.Option("--before", min=1, metavar="N", help="Keep this event and what follows it.")
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write here, not to stdout.")]

COLUMNS: tuple[str, ...] = (
    "sequence",
    "kind",
    "note",
    "part",
    "trade_id",
    "order_id",
    "symbol",
    "side",
    "amount",
    "price",
    "total_price",
)
"""Of an export: a row for each order or fill that an event is about; a trade has a row of its own first."""


@app.command()
def verify(file: JournalFile, *, as_object: Json = False) -> None:
    """Replay the whole trail and compare all that the file holds with it.

    Exit codes: 0 it agrees, 1 it is damaged (and where), 2 wrong use.
    """
    if not file.exists():
        raise JournalError(str(file), "it is missing")
    try:
        found = verify_file(file)
    except JournalError as error:
        if as_object:
            print(json.dumps({"agrees": False, "place": error.place, "problem": error.problem}))
        else:
            new_console().print(f"Damaged: {error}", style="bold red", soft_wrap=True)
        raise typer.Exit(ExitCode.DISAGREES) from error
    if as_object:
        print(json.dumps({"agrees": True, **found._asdict()}))
        return
    table = new_table()
    table.add_column("what")
    table.add_column("", overflow="fold")
    for name, value in found._asdict().items():
        table.add_row(name.replace("_", " "), str(value))
    new_console().print(table)
    new_console().print("The file agrees with its trail.", style="bold green")


@app.command()
def show(
    file: JournalFile,
    *,
    first: First = None,
    kind: Kind = None,
    symbol: OfSymbol = None,
    order: OfOrder = None,
    limit: Most = 100,
    as_object: Json = False,
) -> None:
    """Show what happened, event by event; with --json one object a line."""
    with opened_to_read(file) as trail:
        begin = first or trail.head("snapshot").sequence + 1
        chosen = (event for event in trail.events(begin) if _is_of(event, kind, symbol, order))
        events = list(islice(chosen, limit))
    if as_object:
        for event in events:
            print(json.dumps({"kind": type(event).__name__, **_as_object(event)}))
        return
    table = new_table()
    for header in ("event", "kind", "what", "note"):
        table.add_column(header, overflow="fold")
    for event in events:
        table.add_row(
            str(event.sequence),
            type(event).__name__,
            _described(event),
            repr(event.note)[1:-1] if event.note else "",
        )
    new_console().print(table)


@app.command()
def compact(file: JournalFile, *, before: Before = None) -> None:
    """Drop the history before an event, or all; what rests then stays as the snapshot it begins with."""
    if not file.exists():
        raise JournalError(str(file), "it is missing")
    kept = SqliteJournal(file)
    try:
        dropped = kept.compact(before)
    finally:
        kept.close()
    new_console().print(f"{dropped} events dropped.")


@app.command()
def export(file: JournalFile, *, output: Output = None) -> None:
    """Write all events as CSV: a row for each order, trade or fill; all numbers are whole."""
    with opened_to_read(file) as trail:
        rows = (row for event in trail.events(trail.head("snapshot").sequence + 1) for row in _rows(event))
        if output is None:
            _write(sys.stdout, rows)
            return
        with output.open("w", encoding="utf-8", newline="") as stream:
            _write(stream, rows)


def _write(stream: Any, rows: Iterator[dict[str, object]]) -> None:
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _rows(event: Event) -> Iterator[dict[str, object]]:
    for part, said in _parts(event):
        common: dict[str, object] = {
            "sequence": event.sequence,
            "kind": type(event).__name__,
            "note": event.note,
            "part": part,
        }
        fills = said.pop("fills", ())
        yield common | said
        trade = {name: said[name] for name in ("trade_id", "symbol", "side") if name in said}
        for fill in fills:
            yield common | trade | fill._asdict() | {"part": "fill"}


def _parts(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """The orders, or the trade, that an event is about; an amended one as before and after."""
    names = ("before", "after") if isinstance(event, OrderAmended) else ("",)
    for name, subject in zip(names, event.subject(), strict=True):
        many = isinstance(event, OrdersAdded | OrdersRemoved)
        for each in subject if many else (subject,):
            yield name or type(each).__name__.lower(), each._asdict()


def _said(event: Event) -> Iterator[dict[str, Any]]:
    return (said for _, said in _parts(event))


def _is_of(event: Event, kind: str | None, symbol: str | None, order: int | None) -> bool:
    return kind in (None, type(event).__name__) and any(
        symbol in (None, said["symbol"])
        and (
            order is None
            or said.get("order_id") == order
            or any(fill.order_id == order for fill in said.get("fills", ()))
        )
        for said in _said(event)
    )


def _described(event: Event) -> str:
    return "; ".join(
        " ".join(f"{name} {value}" for name, value in said.items() if name != "fills")
        for said in islice(_said(event), 3)
    ) + (" ..." if len(list(islice(_said(event), 4))) > 3 else "")


def _as_object(event: Event) -> dict[str, object]:
    body: object = json.loads(BODIES[type(event)](event))
    return {"sequence": event.sequence, "note": event.note, "body": body}
