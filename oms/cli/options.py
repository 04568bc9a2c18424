"""The arguments and options of the commands, as types.

Options of numbers take one or many: `--quote 100 500` is `--quote 100 --quote 500`.
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
    "JournalFile",
    "Json",
    "LotSize",
    "ManyValuesCommand",
    "Quoted",
    "RecordingFile",
    "Symbol",
    "TickSize",
    "TradesFile",
    "UnknownOrders",
    "spread",
]

_LONGEST = 1000  # digits: Python refuses to read numbers a few times longer


def _integer(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(rf"\d{{1,{_LONGEST}}}", text, re.ASCII) and int(text) >= least:
            return int(text)
        raise typer.BadParameter(f"an integer >= {least} is wanted, not {reprlib.repr(text)}")

    return parse


RecordingFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="A recording or a capture, compressed or not."),
]
Format = Annotated[
    AnyFeed | None, typer.Option("--format", help="Who recorded it; by default its beginning tells.")
]
Symbol = Annotated[
    str | None,
    typer.Option(
        "--symbol", metavar="NAME", help="What is traded in it; by default what the file's name says."
    ),
]
Quoted = Annotated[
    list[int] | None,
    typer.Option(
        "--quote",
        parser=_integer(1),
        metavar="N...",
        help="Amounts to price at the end, in lots (LOBSTER: 1 share; Bitstamp: 1e-8 BTC; others: as shown).",
    ),
]
BookFile = Annotated[
    Path | None,
    typer.Option(
        "--book", metavar="FILE", help="LOBSTER: an orderbook file to compare the best prices with."
    ),
]
TradesFile = Annotated[
    Path | None,
    typer.Option(
        "--trades",
        metavar="FILE",
        help="Bitstamp: trades, inferred or reported, whose makers should head their book.",
    ),
]
UnknownOrders = Annotated[
    Unknown | None,
    typer.Option(
        "--unknown",
        help="What to do about orders never submitted: let them rest as their rows imply, pass over their "
        "rows, or stop with exit code 2; by default seed (LOBSTER), skip (Bitstamp).",
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth",
        parser=_integer(1),
        metavar="N",
        help="Kraken: how many levels a side were subscribed, where the capture does not say so.",
    ),
]
TickSize = Annotated[
    str | None,
    typer.Option(
        "--tick",
        metavar="SIZE",
        help="Bitget, Bitstamp, Kraken, OKX: the tick; by default what the prices show.",
    ),
]
LotSize = Annotated[
    str | None,
    typer.Option(
        "--lot",
        metavar="SIZE",
        help="Bitget, Kraken, OKX: the lot; by default what the amounts show. Bitstamp: what 1 in a volume "
        "is worth; by default 1e-8.",
    ),
]
ChecksumPolicy = Annotated[
    Checksums | None,
    typer.Option(
        "--checksums",
        help="Bitget, Kraken, OKX: what a wrong checksum does. By default (verify) its book is stale until "
        "the next snapshot; ignore keeps the book, and counts.",
    ),
]
Ignored = Annotated[
    list[int] | None,
    typer.Option(
        "--ignore",
        parser=_integer(0),
        metavar="ID...",
        help="Orders to leave out, such as one that was cancelled unseen.",
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        metavar="FILE",
        help="Keep what happens in this new file too (see oms journal --help).",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, in ticks and lots, and nothing else.")
]

_OF_MANY = re.compile("(--quote|--ignore)(=.*)?", re.DOTALL)
_NUMBER = re.compile(r"-?\d+")


class ManyValuesCommand(TyperCommand):
    """A command whose options of numbers may be followed by several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what `spread` makes of the arguments."""
        return super().parse_args(ctx, list(spread(args)))


def spread(args: Iterable[str]) -> Iterator[str]:
    """Repeat the option before each further number; no more is done after a `--`.

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
