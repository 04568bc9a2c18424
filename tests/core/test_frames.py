"""The columns of mappings, of data frames, and of Arrow tables, as lists of Python values."""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # pyarrow has no type hints
import pytest

from oms import InvalidOrderError, OrderManagement
from oms.frames import as_columns, as_integers, as_list, check_present

COLUMNS = {"symbol": ["JPM", "IBM"], "amount": [20, 10], "price": [20.25, 19.5]}
FRAMES = [dict, MappingProxyType, pd.DataFrame, pl.DataFrame, pa.table, pa.RecordBatch.from_pydict]


@pytest.mark.parametrize("make", FRAMES)
def test_the_columns_of_any_frame_are_the_same_lists_of_python_values(make: Callable[..., object]) -> None:
    columns = as_columns(make(COLUMNS))
    assert columns is not None
    lists = {name: as_list(str(name), column) for name, column in columns.items()}
    assert lists == COLUMNS
    types = {name: {type(value) for value in values} for name, values in lists.items()}
    assert types == {"symbol": {str}, "amount": {int}, "price": {float}}


@pytest.mark.parametrize(
    "value", [None, 7, "price", [1, 2], np.array([1]), pd.Series([1]), OrderManagement()]
)
def test_a_value_without_named_columns_is_not_a_frame(value: object) -> None:
    assert as_columns(value) is None


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=["price", "price"]),
        pa.table([[1], [2]], names=["price", "price"]),
    ],
    ids=["pandas", "pyarrow"],
)
def test_two_columns_of_the_same_name_are_rejected(frame: object) -> None:
    with pytest.raises(
        InvalidOrderError, match=r"columns must be columns with different names, not \['price'"
    ):
        as_columns(frame)


def test_a_lazy_frame_is_rejected_with_the_call_that_computes_it() -> None:
    with pytest.raises(InvalidOrderError, match=r"columns must be columns in memory, .*frame\.collect\(\)"):
        as_columns(pl.LazyFrame(COLUMNS))


@pytest.mark.parametrize(
    "column",
    [
        *(pd.Series(["a", "b"], dtype="category"), pl.Series(["a", "b"], dtype=pl.Categorical)),
        *(pa.array(["a", "b"]).dictionary_encode(), np.array(["a", "b"]), ("a", "b")),
    ],
    ids=lambda column: type(column).__module__,
)
def test_text_that_a_library_stores_as_categories_is_text(column: object) -> None:
    assert as_list("symbol", column) == ["a", "b"]


@pytest.mark.parametrize(
    "column",
    [
        *(None, 7, "12", b"12", iter([1]), {1, 2}, np.int64(5), pd.DataFrame({"a": [1]})),
        *(np.array([1], "datetime64[ns]"), pd.Series([dt.timedelta(1)])),
    ],
    ids=lambda column: type(column).__name__,
)
def test_a_value_that_is_not_a_column_of_numbers_or_text_is_rejected(column: object) -> None:
    with pytest.raises(InvalidOrderError, match="price must be a column: a list, a tuple, or an array"):
        as_list("price", column)


@pytest.mark.parametrize(
    "values",
    [[np.int64(1), np.int8(2)], [1, np.uint64(2)], np.array([1, 2], object).tolist()],
)
def test_integers_of_other_types_become_int(values: list[Any]) -> None:
    assert as_integers(values) == [1, 2]
    assert {type(value) for value in as_integers(values)} == {int}


@pytest.mark.parametrize("value", [True, np.bool_(1), 1.0, "1", Decimal(1), None, np.array(1), [1]])
def test_a_value_that_is_not_an_integer_is_left_as_it_is(value: object) -> None:
    values = [1, value]
    assert as_integers(values) is values


MISSING = [None, float("nan"), np.float64("nan"), Decimal("nan"), Decimal("snan"), pd.NA, pd.NaT]


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_the_first_missing_value_is_rejected_with_its_column_and_its_row(value: object) -> None:
    with pytest.raises(
        InvalidOrderError, match=r"price in row 1 must be present, not .*; fill in the missing"
    ):
        check_present("price", [20, value, None])


def test_values_that_are_present_pass() -> None:
    check_present("price", [0, 0.0, "", Decimal(0), float("inf"), [None]])
    check_present("price", array("d"))
