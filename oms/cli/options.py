"""Annotated types for command arguments and options.

Some options accept several numbers: `--quote 100 500` means `--quote 100 --quote 500`.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from oms.feeds import Checksums, Unknown
from oms.feeds.formats import AnyFeed

__all__ = [
    "BookFile",
    "ChecksumPolicy",
    "Depth",
    "Format",
    "Ignored",
    "Jobs",
    "JournalFile",
    "Json",
    "LotSize",
    "ManyValuesCommand",
    "Quoted",
    "RecordingFiles",
    "Symbol",
    "TickSize",
    "Ticks",
    "TradesFile",
    "UnknownOrders",
    "integer",
    "spread",
]

_LONGEST = 1000  # digits; by default, Python does not parse an int with more than 4,300


def integer(least: int) -> Callable[[str | int], int]:
    """Return a parser of integers that are at least `least`. The parser raises BadParameter."""

    def parse(value: str | int) -> int:
        text = str(value)  # the default of an option may be an int
        if re.fullmatch(rf"\d{{1,{_LONGEST}}}", text, re.ASCII) and int(text) >= least:
            return int(text)
        raise typer.BadParameter(f"must be an integer >= {least}, not {reprlib.repr(text)}")

    return parse


RecordingFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        show_default=False,
        help="A recording or a capture. It may be compressed. Several files are replayed at once.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        parser=integer(1),
        metavar="N",
        help="Several files: the number of processes. By default, one for each processor.",
    ),
]
Format = Annotated[
    AnyFeed | None,
    typer.Option("--format", help="The file format. By default, it is detected from the file's content."),
]
Symbol = Annotated[
    str | None,
    typer.Option(
        "--symbol",
        metavar="NAME",
        help="The recording's symbol. By default, it is taken from the file name.",
    ),
]
Quoted = Annotated[
    list[int] | None,
    typer.Option(
        "--quote",
        parser=integer(1),
        metavar="N...",
        help="Amounts (in lots) to price at the end of the replay. One lot is 1 share (LOBSTER), 1e-8 BTC "
        "(Bitstamp), or the lot size shown in the report (others).",
    ),
]
BookFile = Annotated[
    Path | None,
    typer.Option("--book", metavar="FILE", help="LOBSTER: an orderbook file to compare best prices with."),
]
TradesFile = Annotated[
    Path | None,
    typer.Option(
        "--trades",
        metavar="FILE",
        help="Bitstamp: a trade file (inferred or reported trades). Checks that each maker was first in its "
        "book.",
    ),
]
UnknownOrders = Annotated[
    Unknown | None,
    typer.Option(
        "--unknown",
        help="What to do about rows for an order that was never submitted: seed adds the order, skip ignores "
        "the rows, and raise stops with exit code 2. Default: seed (LOBSTER), skip (Bitstamp).",
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth",
        parser=integer(1),
        metavar="N",
        help="Kraken: the subscribed depth (levels per side), if the capture does not contain it.",
    ),
]
TickSize = Annotated[
    str | None,
    typer.Option(
        "--tick",
        metavar="SIZE",
        help="Bitget, Bitstamp, Kraken, OKX: the tick size. By default, it is inferred from the prices.",
    ),
]
LotSize = Annotated[
    str | None,
    typer.Option(
        "--lot",
        metavar="SIZE",
        help="Bitget, Kraken, OKX: the lot size. By default, it is inferred from the amounts. Bitstamp: the "
        "value of 1 in the volume column (default: 1e-8).",
    ),
]
ChecksumPolicy = Annotated[
    Checksums | None,
    typer.Option(
        "--checksums",
        help="Bitget, Kraken, OKX: what to do if a checksum is wrong. verify (default) treats the book as "
        "stale until the next snapshot. ignore only counts the mismatch.",
    ),
]
Ignored = Annotated[
    list[int] | None,
    typer.Option(
        "--ignore",
        parser=integer(0),
        metavar="ID...",
        help="Order ids to ignore. For example: an order whose cancellation was not recorded.",
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="Also write all events to a new journal (see oms journal --help).",
    ),
]
Ticks = Annotated[
    bool, typer.Option("--ticks", help="Show prices in ticks and amounts in lots, not in decimals.")
]
Json = Annotated[bool, typer.Option("--json", help="Print only JSON, in ticks and lots.")]

_OF_MANY = re.compile("(--quote|--ignore)(=.*)?", re.DOTALL)
_NUMBER = re.compile(r"-?\d+")


class ManyValuesCommand(TyperCommand):
    """A command whose --quote and --ignore options accept more than one number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Expand the arguments with `spread`, then parse them."""
        return super().parse_args(ctx, list(spread(args)))


def spread(args: Iterable[str]) -> Iterator[str]:
    """Repeat an option before each of its numbers: `-x 1 2` becomes `-x 1 -x 2`.

    Arguments after `--` are left unchanged.

    >>> list(spread(["--quote", "100", "500", "FILE", "--ignore=7", "8"]))
    ['--quote', '100', '--quote', '500', 'FILE', '--ignore=7', '--ignore', '8']

    """
    option, has_value, done = "", False, False
    for arg in args:
        done = done or arg == "--"
        if not done and (flag := _OF_MANY.fullmatch(arg)):
            option, has_value = flag[1], flag[2] is not None
        elif not done and option and _NUMBER.fullmatch(arg):
            if has_value:
                yield option
            has_value = True
        else:
            option = ""
        yield arg
