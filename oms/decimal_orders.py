"""Orders from columns whose prices and amounts are decimal numbers.

A column of a million prices has few different prices, so each distinct value is converted once. Two kinds of
columns are converted even faster, without a function call for each value:

- Floats, if all of them are very near to a tick. Then nothing is left to round or to reject.
- Text and Decimal, if all numbers are plain multiples of the size, without an exponent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from oms.errors import InvalidArgumentError, InvalidOrderError
from oms.frames import as_columns, as_integers, check_present
from oms.models import MAX_INT, Order, OrderRow, check_symbol, new_order
from oms.order_rows import as_lists, is_single, sound_lists
from oms.sides import as_sides
from oms.size import Size, check_rounding

__all__ = ["decimal_orders"]

_HASHED_BY_VALUE = {str, int, float, Decimal, Fraction}
_SAMPLE = 1000  # the number of values that decides whether a column has many different ones
_MOST_DIGITS = 18  # before the decimal point; a price with more digits is rare
# Up to this number of units, the float nearest to a tick differs from the tick by less than 0.5 % of a tick.
_MOST_UNITS = 2**45


def decimal_orders(
    sizes: tuple[Size, Size],
    source: object,
    constants: Mapping[str, object],
    rounding: object,
    sides: object,
) -> tuple[Order, ...]:
    """Return the orders in a mapping or a frame of columns. `sizes` are the lot size and the tick size.

    `constants` contains the symbol and the side of all orders, or None where each row has its own.

    Raises InvalidOrderError if the columns do not form valid orders, and InvalidArgumentError for an invalid
    rounding or mapping of sides. O(m) for m orders.
    """
    check_rounding("rounding", rounding)
    columns = as_columns(source)
    if columns is None:
        raise InvalidOrderError("columns", source, "a mapping of columns, a data frame, or an Arrow table")
    for name, value in constants.items():
        if value is not None:
            if name in columns:
                raise InvalidOrderError(name, value, f"None, because `columns` has a column {name!r}")
            columns[name] = value
    _check_constants(columns, sides)
    table = as_lists(columns)
    table["side"] = as_sides(as_integers(table["side"]), sides)
    for size in sizes:
        table[size.field] = _units(size, as_integers(table[size.field]), rounding)
    rows = cast("Iterable[OrderRow]", zip(*sound_lists(table), strict=True))
    return tuple(map(new_order, rows))


def _check_constants(columns: Mapping[object, object], sides: object) -> None:
    """Raise InvalidOrderError if a single symbol or side is not valid, even if there are no rows."""
    symbol, side = columns.get("symbol"), columns.get("side")
    if is_single(symbol):
        check_symbol(symbol)
    if is_single(side):
        try:
            as_sides([side], sides)
        except InvalidOrderError as error:
            raise InvalidOrderError("side", side, error.allowed) from None


def _units(size: Size, values: list[Any], rounding: object) -> list[int]:
    """Return a column of prices in ticks, or a column of amounts in lots. Raises InvalidOrderError."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _HASHED_BY_VALUE and not _has_signaling_nan(kinds, values):
        sample = values[:_SAMPLE]
        repeated = len(set(sample)) <= len(sample) // 2
        distinct = list(set(values)) if repeated else values
        units = _units_of_kind(size, kinds.pop(), distinct, rounding)
        if units is not None and repeated:
            unit_of = dict(zip(distinct, units, strict=True))
            return [unit_of[value] for value in values]
        if units is not None:
            return units
    check_present(size.field, values)
    return [_unit_in_row(row, size, value, rounding) for row, value in enumerate(values)]


def _has_signaling_nan(kinds: set[type], values: list[Any]) -> bool:
    """Return True if a column of Decimals contains Decimal("sNaN"), which has no hash."""
    return Decimal in kinds and any(map(Decimal.is_snan, values))


def _units_of_kind(size: Size, kind: type, values: list[Any], rounding: object) -> list[int] | None:
    """Return the units of values of one type, or None if a value is rejected."""
    units: list[int] | None = None
    if kind is float:
        units = _units_of_near_floats(size, values)
    elif kind is str or kind is Decimal:
        units = _units_of_plain_texts(size, list(map(str, values)))
    if units is not None:
        return units
    try:
        units = [size.rounded(value, rounding) for value in values]
    except InvalidArgumentError:
        return None
    return units if min(units) > 0 else None


def _units_of_near_floats(size: Size, floats: list[float]) -> list[int] | None:
    """Return each float as a number of units, or None if one is not very near to a whole number of units.

    The limits are half of those that `Size` has for a float. The other half is far more than the error of
    this arithmetic: the division of two integers is correctly rounded, and the subtraction is exact.
    """
    per_unit = size.scale / size.step
    try:
        units = [round(value * per_unit) for value in floats]
    except (ValueError, OverflowError):  # NaN, or infinite
        return None
    if min(units) < 1 or max(units) > _MOST_UNITS:
        return None
    pairs = list(zip(floats, units, strict=True))
    differences = [abs(value - number * size.step / size.scale) for value, number in pairs]
    ratios = [difference / value for difference, value in zip(differences, floats, strict=True)]
    return units if max(differences) * per_unit < 0.005 and max(ratios) < 5e-10 else None


def _units_of_plain_texts(size: Size, texts: list[str]) -> list[int] | None:
    """Return each decimal number as a number of units, or None if one of them needs the slower conversion.

    The slower conversion handles exponents, more decimal places than the size has, and numbers that are not a
    multiple of the size. One regex checks all texts, joined with line breaks. A text that itself contains a
    line break would look like two numbers, so the line breaks are counted.
    """
    fraction = rf"(?:\.\d{{1,{size.decimals}}})?" if size.decimals else ""
    lines = "\n".join(texts) + "\n"
    if re.fullmatch(rf"(?:\d{{1,{_MOST_DIGITS}}}{fraction}\n)++", lines, re.ASCII) is None:
        return None
    if lines.count("\n") > len(texts):
        return None
    parts = [text.partition(".") for text in texts]
    numbers = [int(whole + fraction.ljust(size.decimals, "0")) for whole, _, fraction in parts]
    units = numbers if size.step == 1 else [number // size.step for number in numbers]
    if size.step > 1 and [unit * size.step for unit in units] != numbers:
        return None
    return units if min(units) > 0 and max(units) <= MAX_INT else None


def _unit_in_row(row: int, size: Size, value: object, rounding: object) -> int:
    field = f"{size.field} in row {row}"
    try:
        units = size.rounded(value, rounding)
    except InvalidArgumentError as error:
        raise InvalidOrderError(field, error.value, error.allowed, error.remedy) from None
    if not units:
        raise InvalidOrderError(field, value, f"at least {size.size}")
    return units
