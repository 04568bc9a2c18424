"""`oms journal`: verify, show, compact, back up, rebuild, and export a journal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from oms.cli.exit_codes import ExitCode
from oms.cli.options import Json
from oms.cli.style import new_console, new_table
from oms.clock import as_iso
from oms.columns import EVENT_COLUMNS
from oms.engine_events import EngineEvent
from oms.errors import JournalError
from oms.events import Event, TradePlaced
from oms.journal import SqliteJournal, Verification
from oms.journal import backup as backup_file
from oms.journal import rebuild as rebuild_file
from oms.journal import verify as verify_file
from oms.journal.reading import opened_to_read
from oms.journal.record import body_of
from oms.journal.table import in_columns
from oms.models import Order, Trade
from oms.submission import Execution, Submission

__all__ = ["app"]

app = typer.Typer(
    name="journal",
    help="Verify, show, compact, back up, rebuild, and export a journal.",
    no_args_is_help=True,
)

_AT_ONCE = 10_000  # rows per chunk of an export
_SHOWN = 3  # orders shown per event

JournalFile = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="A journal, such as book.db.")
]
Copy = Annotated[
    Path, typer.Argument(metavar="TO", show_default=False, help="A file that does not exist yet.")
]
First = Annotated[int | None, typer.Option("--from", min=1, metavar="N", help="Start with event number N.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="NAME", help="Only events of this kind, such as TradePlaced.")
]
OfSymbol = Annotated[str | None, typer.Option("--symbol", metavar="NAME", help="Only events of this symbol.")]
OfOrder = Annotated[
    int | None, typer.Option("--order", min=0, metavar="ID", help="Only events of this order.")
]
Most = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most N events.")]
Before = Annotated[
    int | None, typer.Option("--before", min=1, metavar="N", help="Drop the events before event N.")
]


All = Annotated[bool, typer.Option("--all", help="Drop every event.")]


class Format(Enum):
    """An export format."""

    CSV = "csv"
    JSONL = "jsonl"


Form = Annotated[
    Format, typer.Option("--format", help="CSV has one row per changed order, JSON Lines one event per line.")
]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write to this file instead of stdout.")
]


@app.command()
def verify(file: JournalFile, *, as_object: Json = False) -> None:
    """Check a journal: replay the whole event log, and compare the result with the rest of the file.

    Exit codes: 0 = file OK, 1 = file damaged (the location is printed), 2 = usage error.
    """
    if not file.exists():
        raise JournalError(str(file), "it is missing")
    try:
        result = verify_file(file)
    except JournalError as error:
        if as_object:
            print(json.dumps({"agrees": False, "place": error.place, "problem": error.problem}))
        else:
            new_console().print(f"Damaged: {error}", style="bold red", soft_wrap=True)
        raise typer.Exit(ExitCode.DISAGREES) from error
    if as_object:
        print(json.dumps({"agrees": True, **result._asdict()}))
        return
    _print(result)
    new_console().print("The file agrees with its event log.", style="bold green")


def _print(result: Verification) -> None:
    table = new_table()
    table.add_column("item")
    table.add_column("", overflow="fold")
    for name, value in result._asdict().items():
        if name != "warning":
            table.add_row(name.replace("_", " "), str(value))
    new_console().print(table)
    if result.warning is not None:
        new_console().print(f"Warning: {result.warning}", style="bold yellow", soft_wrap=True)


@app.command()
def backup(file: JournalFile, to: Copy, *, as_object: Json = False) -> None:
    """Copy a journal to a new file, even while it is open, and verify the copy.

    The new file appears only when it is complete. Exit codes: 0 = copy complete, 2 = copy failed.
    """
    result = backup_file(file, to)
    if as_object:
        print(json.dumps(result._asdict()))
        return
    _print(result)
    new_console().print("The copy is complete.", style="bold green")


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
    """Show the events, oldest first. With --json, print one JSON object per line."""
    with opened_to_read(file) as event_log:
        begin = first or event_log.head("snapshot").sequence + 1
        chosen = (event for event in event_log.events(begin) if _is_of(event, kind, symbol, order))
        events = list(islice(chosen, limit))
    if as_object:
        for event in events:
            print(_as_json(event))
        return
    table = new_table()
    for header in ("event", "kind", "content", "note"):
        table.add_column(header, overflow="fold")
    if any(event.time is not None for event in events):
        table.add_column("time (UTC)", overflow="fold")
    for event in events:
        note = repr(event.note)[1:-1] if event.note else ""
        time = [] if event.time is None else [as_iso(event.time)]
        table.add_row(str(event.sequence), type(event).__name__, _described(event), note, *time)
    new_console().print(table)


@app.command()
def compact(file: JournalFile, *, before: Before = None, everything: All = False) -> None:
    """Drop old events: those before event N (--before N), or all of them (--all).

    The command first prints which events it will drop. It replaces them with a snapshot of the orders resting
    at that point.
    """
    if not file.exists():
        raise JournalError(str(file), "it is missing")
    if (before is None) != everything:
        raise JournalError(
            str(file), f"{_extent(file)}; choose the events to drop with either --before N or --all"
        )
    store = SqliteJournal(file)
    try:
        plan = store.droppable(before)
        if plan.events:
            events, trades = _count(plan.events, "event"), _count(plan.trades, "trade")
            new_console().print(f"Dropping {events}, {plan.first} to {plan.last}, and the rows of {trades}.")
        new_console().print(f"{_count(store.compact(before), 'event')} dropped.")
    finally:
        store.close()


def _extent(file: Path) -> str:
    with opened_to_read(file) as event_log:
        first, last = event_log.head("snapshot").sequence + 1, event_log.head("now").sequence
    return (
        f"it has {_count(last - first + 1, 'event')}, {first} to {last}" if first <= last else "it is empty"
    )


@app.command()
def rebuild(file: JournalFile, *, as_object: Json = False) -> None:
    """Rebuild the order, trade, and fill tables from the events.

    Use this command if only those tables are damaged. If the events themselves are damaged, the file is left
    unchanged. Any indexes and views that you added are lost.
    """
    result = rebuild_file(file)
    if as_object:
        print(json.dumps(result._asdict()))
        return
    _print(result)
    new_console().print("The journal was rebuilt.", style="bold green")


@app.command()
def export(file: JournalFile, *, output: Output = None, form: Form = Format.CSV) -> None:
    """Export all events as CSV or JSON Lines."""
    if output is None:
        _write(file, sys.stdout, form)
        return
    if output.exists():
        raise JournalError(str(output), "the file exists already and is not overwritten; choose another name")
    stream = output.open("x", encoding="utf-8", newline="")
    try:
        with stream:
            _write(file, stream, form)
    except BaseException:
        output.unlink()  # an incomplete export could be mistaken for a complete one
        raise


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _write(file: Path, stream: TextIO, form: Format) -> None:
    with opened_to_read(file) as event_log:
        events = event_log.events(event_log.head("snapshot").sequence + 1)
        if form is Format.JSONL:
            stream.writelines(f"{_as_json(event)}\n" for event in events)
            return
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(EVENT_COLUMNS)
        for chunk in in_columns(events, _AT_ONCE):
            writer.writerows(zip(*chunk.values(), strict=True))


def _subjects(event: Event) -> Sequence[Order | Trade | Submission | Execution]:
    """Return an event's orders, trade, or executions."""
    if isinstance(event, TradePlaced):
        return (event.trade,)
    if isinstance(event, EngineEvent):
        return event.executions or event.orders
    subject: Order | tuple[Order, ...] = event.subject()
    return (subject,) if isinstance(subject, Order) else subject


def _is_of(event: Event, kind: str | None, symbol: str | None, order: int | None) -> bool:
    return kind in (None, type(event).__name__) and any(
        symbol in (None, symbol_of_row) and order in (None, order_id)
        for order_id, symbol_of_row, *_ in event.rows()
    )


def _described(event: Event) -> str:
    subjects = _subjects(event)
    text = "; ".join(
        " ".join(
            f"{name} {value}"
            for name, value in subject._asdict().items()
            if name != "fills" and value is not None
        )
        for subject in subjects[:_SHOWN]
    )
    return f"{text} ..." if len(subjects) > _SHOWN else text


def _as_json(event: Event) -> str:
    body: object = json.loads(body_of(event))
    kind, sequence, note, time = type(event).__name__, event.sequence, event.note, event.time
    return json.dumps({"kind": kind, "sequence": sequence, "note": note, "time": time, "body": body})
