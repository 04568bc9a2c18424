"""`oms replay`: replay a recording, and compare its books with the published data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import typer

from oms.cli.capture import replay_capture
from oms.cli.costs import Cost, cost_table, costs
from oms.cli.exit_codes import ExitCode
from oms.cli.ladder import ladder
from oms.cli.options import (
    BookFile,
    ChecksumPolicy,
    Depth,
    Format,
    Ignored,
    Jobs,
    JournalFile,
    Json,
    LotSize,
    Quoted,
    RecordingFiles,
    Symbol,
    Ticks,
    TickSize,
    TradesFile,
    UnknownOrders,
)
from oms.cli.progress import Driven, drive
from oms.cli.replay_files import replay_files
from oms.cli.style import heading, new_console
from oms.cli.summary import as_json, summary, verdict
from oms.feeds import (
    FeedError,
    Recording,
    ReplayUnit,
    Unknown,
    UnknownFeedError,
    feed_of,
    open_capture,
    open_recording,
)
from oms.feeds.formats import DEFAULT_UNKNOWN, AnyFeed
from oms.feeds.levels.messages import LevelFeedName
from oms.instrument import TICKS_AND_LOTS

__all__ = ["replay"]


def replay(
    files: RecordingFiles,
    *,
    feed: Format = None,
    symbol: Symbol = None,
    quote: Quoted = None,
    book: BookFile = None,
    trades: TradesFile = None,
    unknown: UnknownOrders = None,
    ignore: Ignored = None,
    depth: Depth = None,
    tick: TickSize = None,
    lot: LotSize = None,
    checksums: ChecksumPolicy = None,
    journal: JournalFile = None,
    jobs: Jobs = None,
    ticks: Ticks = False,
    as_object: Json = False,
) -> None:
    """Replay recordings, show the final books, and compare them with the published data.

    For example: oms replay message.csv --book orderbook.csv --quote 100 5000

    Exit codes: 0 = everything matches, 1 = mismatch or unreadable lines,
    2 = usage error or a file that cannot be read to the end.
    """
    feeds: list[AnyFeed] = [_feed_of(file, feed) for file in files]
    options: dict[str, object] = {
        **{"book": book, "trades": trades, "unknown": unknown, "ignore": ignore, "symbol": symbol},
        **{"depth": depth, "tick": tick, "lot": lot, "checksums": checksums},
    }
    for path, name in zip(files, feeds, strict=True):
        owner = "this file" if len(files) == 1 else path.name
        _reject_options_of_other_feeds(name, unknown, options, owner)
    if len(files) > 1:
        _reject_options_of_one_file(options | {"journal": journal})
        units = [
            ReplayUnit(path, name, None, tick, lot, unknown, depth=depth, checksums=checksums)
            for path, name in zip(files, feeds, strict=True)
        ]
        agrees = replay_files(units, quote=quote or (), jobs=jobs, ticks=ticks, as_object=as_object)
    elif feeds[0] in get_args(LevelFeedName):
        agrees = replay_capture(
            open_capture(files[0], feeds[0], depth),
            tick_size=tick,
            lot_size=lot,
            checksums=checksums or "verify",
            quote=quote or (),
            journal=journal,
            ticks=ticks,
            as_object=as_object,
        )
    else:
        recording = open_recording(files[0], feeds[0], symbol, tick_size=tick, lot_size=lot)
        driven = drive(
            recording,
            unknown=unknown or DEFAULT_UNKNOWN[recording.feed],
            ignore=tuple(ignore or ()),
            book=book,
            trades=trades,
            journal=journal,
        )
        _print(recording, driven, tuple(costs(driven.om, driven.symbol, quote or ())), ticks, as_object)
        agrees = driven.report.agrees
    if not agrees:
        raise typer.Exit(ExitCode.DISAGREES)


def _print(
    recording: Recording, driven: Driven, quotes: tuple[Cost, ...], ticks: bool, as_object: bool
) -> None:
    if not as_object:
        _show(recording, driven, quotes, ticks=ticks)
        return
    described = as_json(
        driven.report,
        file=recording.path,
        feed=recording.feed,
        symbol=driven.symbol,
        resting=len(driven.om),
        quotes=quotes,
    )
    rate = {"seconds": round(driven.seconds, 3), "events_per_second": driven.events_per_second}
    print(json.dumps(described | rate))


def _feed_of(file: Path, feed: AnyFeed | None) -> AnyFeed:
    if file.exists() and not file.is_file() and not file.is_dir():
        # A replay reads the file more than once, but a pipe can be read only once.
        raise FeedError(str(file), None, "a pipe or a device cannot be read more than once")
    try:
        return feed_of(file) if feed is None else feed
    except UnknownFeedError as error:
        raise UnknownFeedError(error.path, error.row, f"{error.problem}; see --format") from error


_APPLIES_TO: dict[str, tuple[AnyFeed, ...]] = {
    "book": ("lobster",),
    "trades": ("bitstamp",),
    "unknown": ("bitstamp", "lobster"),
    "ignore": ("bitstamp", "lobster"),
    "symbol": ("bitstamp", "lobster"),
    "depth": ("kraken",),
    "tick": ("bitget", "bitstamp", "kraken", "okx"),
    "lot": ("bitget", "bitstamp", "kraken", "okx"),
    "checksums": ("bitget", "kraken", "okx"),
}


def _reject_options_of_one_file(options: Mapping[str, object]) -> None:
    for option in ("book", "trades", "ignore", "symbol", "journal"):
        if options[option] is not None:
            raise typer.BadParameter("it applies to a single file", param_hint=f"'--{option}'")


def _reject_options_of_other_feeds(
    feed: AnyFeed, unknown: Unknown | None, options: Mapping[str, object], owner: str
) -> None:
    for option, feeds in _APPLIES_TO.items():
        if options[option] is not None and feed not in feeds:
            problem = f"it applies to {', '.join(feeds)}, but {owner}'s format is {feed}"
            raise typer.BadParameter(problem, param_hint=f"'--{option}'")
    if feed == "bitstamp" and unknown == "seed":
        problem = "Bitstamp recordings cannot be seeded; use skip or raise"
        raise typer.BadParameter(problem, param_hint="'--unknown'")


def _show(recording: Recording, driven: Driven, quotes: tuple[Cost, ...], *, ticks: bool) -> None:
    console, units = new_console(), TICKS_AND_LOTS if ticks else recording.units
    console.print(heading(f"{driven.symbol}, recorded by {recording.feed} ({recording.units.describe()})"))
    console.print(ladder(driven.om, driven.symbol, units))
    if quotes:
        console.print(cost_table(quotes, units))
    console.print(summary(driven.report))
    console.print(f" {driven.seconds:.1f} s: {driven.events_per_second:,.0f} events per second", style="dim")
    console.print()
    console.print(verdict(driven.report))
