"""Convert the arguments of `add_orders` to rows, and check them.

Columns are checked as a whole, in C. If this fails, each value is checked, to name its column and row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

from oms.conversions import as_order
from oms.display import counted
from oms.errors import InvalidOrderError
from oms.frames import as_columns, as_integers, as_list, check_present
from oms.models import MAX_INT, Order, OrderRow, Side, check_order

__all__ = ["as_lists", "as_rows", "check_orders", "check_rows", "is_single", "sound_lists"]

_SIDES = {side.value: side for side in Side}
_INTEGERS = 0, 3, 4  # order_id, amount, price


def as_rows(orders: object) -> Sequence[OrderRow]:
    """Return the orders in an iterable, or the rows in a mapping or a frame of columns.

    Raises InvalidOrderError if an order or a row is invalid.
    """
    columns = as_columns(orders)
    if columns is not None:
        return tuple(cast("Iterable[OrderRow]", zip(*sound_lists(columns), strict=True)))
    if not isinstance(orders, Iterable) or isinstance(orders, Order):  # an Order is iterable, too
        raise InvalidOrderError("orders", orders, "an iterable of Order", as_order(orders))
    new_orders = tuple(cast("Iterable[Order]", orders))
    check_orders(new_orders)
    return new_orders


def check_orders(orders: Sequence[object]) -> None:
    """Raise InvalidOrderError for the first value that is not a valid Order."""
    for order in orders:
        if type(order) is not Order:
            raise InvalidOrderError("orders", order, "an iterable of Order", as_order(order))
        check_order(*order)


def check_rows(rows: Sequence[OrderRow]) -> None:
    """Raise InvalidOrderError for the first row that does not contain the fields of a valid Order."""
    for row in rows:
        check_order(*row)


# ---------------------------------------------------------------------- columns


def sound_lists(columns: Mapping[Any, object]) -> list[list[Any]]:
    """Return the five columns as lists that contain valid orders.

    Raises InvalidOrderError if the columns do not form valid orders. If a single value is invalid, the
    message names its column and row.
    """
    table = list(as_lists(columns).values())
    for n in _INTEGERS:
        table[n] = as_integers(table[n])
    if str in set(map(type, table[2])):
        table[2] = [_SIDES.get(side, side) if type(side) is str else side for side in table[2]]
    if table[0] and not _are_sound(*table):
        for field, values in zip(Order._fields, table, strict=True):
            check_present(field, values)
        for row, order in enumerate(zip(*table, strict=True)):
            _check_row(row, order)
    return table


def as_lists(columns: Mapping[Any, object]) -> dict[str, list[Any]]:
    """Return the five columns as lists of equal length. A single symbol or side is repeated in each row.

    Raises InvalidOrderError if the columns are not the fields of an Order, or if their lengths differ.
    """
    if set(columns) != set(Order._fields):
        raise InvalidOrderError("columns", list(columns), ", ".join(Order._fields))
    table: dict[str, list[Any]] = {}
    for field in Order._fields:
        column = columns[field]
        single = field in {"symbol", "side"} and is_single(column)
        values = [column] * len(table["order_id"]) if single else as_list(field, column)
        table[field] = values
        if len(values) != len(table["order_id"]):
            allowed = f"a column of {counted(len(table['order_id']), 'row')}, as many as order_id has"
            raise InvalidOrderError(field, values, allowed)
    return table


def is_single(column: object) -> bool:
    """Return True for a single symbol or side instead of a column."""
    return type(column) is int or isinstance(column, str)


def _are_sound(
    ids: Sequence[Any],
    symbols: Sequence[Any],
    sides: Sequence[Any],
    amounts: Sequence[Any],
    prices: Sequence[Any],
) -> bool:
    """Return True if all columns contain only valid values."""
    return (
        set(map(type, chain(ids, amounts, prices))) == {int}
        and set(map(type, symbols)) == {str}
        and set(map(type, sides)) == {Side}
        and 0 <= min(ids) <= max(ids) <= MAX_INT
        and 0 < min(amounts) <= max(amounts) <= MAX_INT
        and 0 < min(prices) <= max(prices) <= MAX_INT
        and all(symbol and symbol.isascii() for symbol in set(symbols))
    )


def _check_row(row: int, order: tuple[object, ...]) -> None:
    try:
        check_order(*order)
    except InvalidOrderError as error:
        field = f"{error.field} in row {row}"
        raise InvalidOrderError(field, error.value, error.allowed, error.remedy) from None
