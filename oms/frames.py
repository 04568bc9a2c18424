"""The columns of a dict, a data frame, or an Arrow table, as lists of Python values.

This module imports none of the libraries. It relies on methods that they have in common:

- A frame of pandas or polars lists its column names in `columns`. An Arrow table lists them in
  `column_names`, and its `columns` are the columns themselves. Frames and tables return a column by its name.
- A column becomes a list with `tolist` (numpy, pandas, array.array), `to_list` (polars), or `to_pylist`
  (Arrow).

These methods convert the numbers of the library to int and float. A missing value becomes None, NaN, or
`pandas.NA`, depending on the library and on the type of the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import isnan
from operator import index
from typing import Any, Protocol, cast

from oms.errors import InvalidOrderError

__all__ = ["Frame", "as_columns", "as_integers", "as_list", "check_present"]

_TO_LIST = ("tolist", "to_list", "to_pylist")
_OF_PANDAS = {"NAType", "NaTType"}


class Frame(Protocol):
    """A data frame or an Arrow table: named columns, which you get by name."""

    @property
    def columns(self) -> Any:
        """The names of the columns, or in an Arrow table, the columns."""

    def __getitem__(self, name: Any, /) -> Any:
        """Return a column by its name."""


def as_columns(source: object) -> dict[object, object] | None:
    """Return the columns of a mapping or a frame by name, or None if the value is neither.

    Raises InvalidOrderError if two columns have the same name, or if the frame has not been computed yet.

    >>> as_columns({"price": [20, 21]}), as_columns([1, 2])
    ({'price': [20, 21]}, None)

    """
    if isinstance(source, Mapping):
        return dict(cast("Mapping[object, object]", source))
    kind = type(source)
    if hasattr(kind, "collect") and hasattr(kind, "collect_schema"):
        raise InvalidOrderError("columns", source, "columns in memory", "convert with frame.collect()")
    names = getattr(source, "column_names" if hasattr(kind, "column_names") else "columns", None)
    if names is None or not hasattr(kind, "__getitem__"):
        return None
    names = list(cast("Iterable[object]", names))
    if len(set(names)) < len(names):
        raise InvalidOrderError("columns", names, "columns with different names")
    return {name: cast("Any", source)[name] for name in names}


def as_list(field: str, column: object) -> list[Any]:
    """Return the values of a column. Raises InvalidOrderError unless it is a list, a tuple, or an array."""
    method = next((name for name in _TO_LIST if hasattr(type(column), name)), None)
    values: object = column if method is None else getattr(column, method)()
    is_time = getattr(getattr(column, "dtype", None), "kind", "") in {"M", "m"}  # its tolist() returns ints
    if is_time or not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray):
        raise InvalidOrderError(field, column, "a column: a list, a tuple, or an array of one dimension")
    return list(cast("Iterable[Any]", values))


def as_integers(values: list[Any]) -> list[Any]:
    """Convert the integers of another library, such as numpy, to int. Return any other list unchanged.

    >>> import numpy
    >>> as_integers([numpy.int64(7), 8]), as_integers([7, 8.0]), as_integers([7, True])
    ([7, 8], [7, 8.0], [7, True])

    """
    kinds = set(map(type, values))
    return list(map(index, values)) if kinds != {int} and all(map(_is_integer, kinds)) else values


def check_present(field: str, values: Sequence[object]) -> None:
    """Raise InvalidOrderError for the first missing value of a column: None, NaN, or `pandas.NA`. O(n)."""
    for row, value in enumerate(values):
        if _is_missing(value):
            remedy = "fill in the missing value, or drop its row"
            raise InvalidOrderError(f"{field} in row {row}", value, "present", remedy)


def _is_integer(kind: type) -> bool:
    is_number = hasattr(kind, "__index__") and not hasattr(kind, "__len__")  # an array has both methods
    return is_number and kind.__name__.rstrip("_") != "bool"


def _is_missing(value: object) -> bool:
    if isinstance(value, float):
        return isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or type(value).__name__ in _OF_PANDAS
