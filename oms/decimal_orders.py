"""Orders from columns whose prices and amounts are decimal numbers.

A column of a million prices has few different prices, so each distinct value is converted once. Two kinds of
columns are converted even faster, without a function call for each value:

- Floats, if all of them are very near to a tick. Then nothing is left to round or to reject.
- Text, if all numbers have the same number of decimal places, as in most files. Without the decimal points,
  the numbers are integers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from oms.errors import InvalidArgumentError, InvalidOrderError
from oms.frames import as_columns, as_integers, check_present
from oms.models import MAX_INT, Order, new_order
from oms.order_rows import as_lists, rows_of
from oms.sides import as_sides
from oms.size import Size, check_rounding

__all__ = ["decimal_orders"]

_HASHED_BY_VALUE = {str, int, float, Decimal, Fraction}
_MOST_DIGITS = 18  # before the decimal point; a price with more digits is rare
_MOST_UNITS = (
    2**45
)  # up to here, the float that is nearest to a tick differs from it by less than 0.5 % of a tick


def decimal_orders(
    sizes: tuple[Size, Size],
    source: object,
    constants: Mapping[str, object],
    rounding: object,
    sides: object,
) -> tuple[Order, ...]:
    """Return the orders in a mapping or a frame of columns. `sizes` are those of an amount and of a price.

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
                raise InvalidOrderError(name, value, "None, because columns contains it")
            columns[name] = value
    table = as_lists(columns)
    table["side"] = as_sides(as_integers(table["side"]), sides)
    for size in sizes:
        table[size.field] = _units(size, as_integers(table[size.field]), rounding)
    return tuple(map(new_order, rows_of(table)))


def _units(size: Size, values: list[Any], rounding: object) -> list[int]:
    """Return a column of prices in ticks, or a column of amounts in lots. Raises InvalidOrderError."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _HASHED_BY_VALUE:
        distinct = list(set(values))
        repeated = len(distinct) <= len(values) // 2
        units = _units_of_kind(size, kinds.pop(), distinct if repeated else values, rounding)
        if units is not None and repeated:
            unit_of = dict(zip(distinct, units, strict=True))
            return [unit_of[value] for value in values]
        if units is not None:
            return units
    check_present(size.field, values)
    return [_unit_in_row(row, size, value, rounding) for row, value in enumerate(values)]


def _units_of_kind(size: Size, kind: type, values: list[Any], rounding: object) -> list[int] | None:
    """Return the units of values of one type, or None if a value is rejected."""
    units: list[int] | None = None
    if kind is float:
        units = _units_of_near_floats(size, values)
    elif kind is str:
        units = _units_of_aligned_texts(size, values)
    if units is not None:
        return units
    try:
        units = [size.rounded(value, rounding) for value in values]
    except InvalidArgumentError:
        return None
    return units if min(units) > 0 else None


def _units_of_near_floats(size: Size, floats: list[float]) -> list[int] | None:
    """Return the units of floats that are all very near to their units, or None if one of them is not.

    The limits are half of those that `Size` has for a float. The other half is far more than the error of
    this arithmetic: the division of two integers is correctly rounded, and the subtraction is exact.
    """
    denominator = 10**size.decimals
    scale = denominator / size.step
    try:
        units = [round(value * scale) for value in floats]
    except (ValueError, OverflowError):  # NaN, or infinite
        return None
    if min(units) < 1 or max(units) > _MOST_UNITS:
        return None
    pairs = list(zip(floats, units, strict=True))
    differences = [abs(value - number * size.step / denominator) for value, number in pairs]
    ratios = [difference / value for difference, value in zip(differences, floats, strict=True)]
    return units if max(differences) * scale < 0.005 and max(ratios) < 5e-10 else None


def _units_of_aligned_texts(size: Size, texts: list[str]) -> list[int] | None:
    """Return the units of decimal numbers that all have as many decimal places as the first, else None."""
    decimals = len(texts[0].partition(".")[2])
    lines = "\n".join(texts) + "\n"
    digits = rf"\d{{1,{_MOST_DIGITS}}}" + (rf"\.\d{{{decimals}}}" if decimals else "")
    if decimals > size.decimals or re.fullmatch(rf"(?:{digits}\n)++", lines, re.ASCII) is None:
        return None
    numbers = list(map(int, lines.replace(".", "").split()))
    factor = 10 ** (size.decimals - decimals)
    units = [number * factor // size.step for number in numbers]
    if len(units) > len(texts) or [unit * size.step for unit in units] != [n * factor for n in numbers]:
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
