"""The instruments that `oms serve` sets when it starts: the options --instrument and --instruments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import typer

from oms.errors import OmsError
from oms.instrument import Instrument
from oms.models import check_symbol

__all__ = ["read_instruments"]

_OPTION = "SYMBOL=TICK:LOT or SYMBOL=TICK:LOT:CURRENCY, such as AAPL=0.01:1:USD"
_FILE = (
    'JSON in the form of GET /instruments, such as {"instruments": [{"symbol": "AAPL", "tick_size": "0.01",'
    ' "lot_size": "1", "currency": "USD"}]}'
)
_FIELDS = {"symbol", *(field.name for field in fields(Instrument))}


def read_instruments(texts: Iterable[str], file: Path | None) -> dict[str, Instrument]:
    """Return the instruments in the values of --instrument and in the file of --instruments, by symbol.

    Raises typer.BadParameter if a value or the file is invalid, or if a symbol occurs twice. Raises OSError
    if the file cannot be read.
    """
    instruments: dict[str, Instrument] = {}
    for origin, symbol, instrument in [*map(_from_option, texts), *(_from_file(file) if file else ())]:
        if symbol in instruments:
            raise typer.BadParameter(f"{origin}: the instrument of {symbol!r} is given twice; pass it once")
        instruments[symbol] = instrument
    return instruments


def _from_option(text: str) -> tuple[str, str, Instrument]:
    """Parse a value of --instrument. A symbol may contain an equals sign."""
    origin = f"--instrument {text}"
    symbol, _, sizes = text.rpartition("=")
    tick_size, _, rest = sizes.partition(":")
    lot_size, colon, currency = rest.partition(":")
    try:
        check_symbol(symbol)
        instrument = Instrument(tick_size, lot_size, currency=currency if colon else None)
    except OmsError as error:
        raise typer.BadParameter(f"{origin} must be {_OPTION}: {error}") from None
    return origin, symbol, instrument


def _from_file(file: Path) -> Iterator[tuple[str, str, Instrument]]:
    origin = f"--instruments {file.name}"
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_object)
        for item in _items(content):
            symbol = item.pop("symbol")
            check_symbol(symbol)
            yield origin, symbol, Instrument(**item)
    except (OmsError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{origin} must be {_FILE}: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is repeated in an object")
    return values


def _items(content: object) -> Iterator[dict[str, Any]]:
    """Yield the objects in the list `instruments`. Raises ValueError."""
    items = cast("dict[str, object]", content).get("instruments") if isinstance(content, dict) else None
    if not isinstance(items, list) or len(cast("dict[str, object]", content)) > 1:
        raise ValueError("it is not an object with only the list instruments")
    for item in cast("list[object]", items):
        if not isinstance(item, dict):
            raise ValueError(f"{item!r} is not an object")  # noqa: TRY004 - the file is invalid, not a type
        names = set(cast("dict[str, Any]", item))
        if missing := sorted({"symbol", "tick_size", "lot_size"} - names):
            raise ValueError(f"an instrument has no {missing[0]}")
        if unknown := sorted(names - _FIELDS):
            raise ValueError(f"an instrument has the unknown field {unknown[0]!r}")
        yield dict(cast("dict[str, Any]", item))
