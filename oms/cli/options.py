"""The arguments and options of the commands, as types."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from oms.feeds import Feed, Unknown

__all__ = ["BookFile", "Format", "Ignored", "Json", "Quoted", "RecordingFile", "TradesFile", "UnknownOrders"]

_LONGEST = 1000  # digits: Python refuses to read numbers a few times longer


def _integer(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(rf"\d{{1,{_LONGEST}}}", text, re.ASCII) and int(text) >= least:
            return int(text)
        raise typer.BadParameter(f"an integer >= {least} is wanted, not {reprlib.repr(text)}")

    return parse


RecordingFile = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="A recording, .csv or .csv.gz.")
]
Format = Annotated[
    Feed | None, typer.Option("--format", help="Who recorded it; by default its first row tells.")
]
Quoted = Annotated[
    list[int] | None,
    typer.Option(
        "--quote",
        parser=_integer(1),
        metavar="N...",
        help="Amounts to price at the end, in lots (shares; 1e-8 BTC).",
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
        "--trades", metavar="FILE", help="Bitstamp: inferred trades, whose makers should head their book."
    ),
]
UnknownOrders = Annotated[
    Unknown | None,
    typer.Option(
        "--unknown",
        help="What to do about orders never submitted; by default seed (LOBSTER), skip (Bitstamp).",
    ),
]
Ignored = Annotated[
    list[int] | None,
    typer.Option("--ignore", parser=_integer(0), metavar="ID...", help="Orders to leave out."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, in ticks and lots, and nothing else.")
]
