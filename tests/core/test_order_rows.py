"""Tests of `add_orders` with columns. The result must equal that of the same orders as Order objects."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # pyarrow has no type hints
import pytest
from hypothesis import given

from oms import (
    DuplicateOrderError,
    Event,
    InvalidOrderError,
    Order,
    OrderManagement,
    OrdersAdded,
    Side,
    to_columns,
)
from support import strategies as our

BUY, SELL = Side.BUY, Side.SELL
Columns = dict[str, Any]


def columns_of(orders: list[Order]) -> Columns:
    return {field: [getattr(order, field) for order in orders] for field in Order._fields}


def two_rows(**replaced: object) -> Columns:
    """Return the columns of two orders, some of them replaced."""
    numbers: Columns = {"order_id": [1, 2], "amount": [20, 10], "price": [20, 21]}
    return numbers | {"symbol": "JPM", "side": BUY} | replaced


@given(our.distinct_orders(), our.distinct_orders())
def test_adding_columns_and_adding_orders_lead_to_the_same_books_and_events(
    resting: list[Order], orders: list[Order]
) -> None:
    by_row, by_column = OrderManagement(), OrderManagement()
    published: dict[OrderManagement, list[Event]] = {by_row: [], by_column: []}
    for om, events in published.items():
        om.add_orders(resting)
        om.subscribe(events.append)
    errors: list[tuple[object, ...]] = []
    for om in published:
        try:
            om.add_orders(orders if om is by_row else columns_of(orders))
        except DuplicateOrderError as error:
            errors.append(error.args)
    by_column._check()
    assert len(errors) in (0, 2)
    assert errors[:1] == errors[1:]
    assert by_column.state_hash() == by_row.state_hash()
    assert published[by_column] == published[by_row]
    assert by_column.orders() == by_row.orders()
    assert {type(order) for order in by_column.orders()} <= {Order}


FRAMES = [pd.DataFrame, pl.DataFrame, pa.table, pa.RecordBatch.from_pydict]


@pytest.mark.parametrize("frame", FRAMES)
@given(orders=our.distinct_orders())
def test_add_orders_accepts_a_frame_of_any_library(
    frame: Callable[[Columns], Any], orders: list[Order]
) -> None:
    om, copy = OrderManagement(), OrderManagement()
    om.add_orders(orders)
    copy.add_orders(frame(to_columns(orders, kind=Order)))
    assert copy.orders() == om.orders()
    assert {type(value) for order in copy for value in order} <= {int, str, Side}
    copy._check()


@given(our.distinct_orders())
def test_add_orders_accepts_the_columns_that_to_columns_returns(orders: list[Order]) -> None:
    om, copy = OrderManagement(), OrderManagement()
    om.add_orders(orders)
    copy.add_orders(to_columns(om.orders(), kind=Order))
    assert copy.orders() == om.orders()


@pytest.mark.parametrize(
    "make",
    [
        *(list, tuple, np.array, pd.Series, pl.Series, pa.array, lambda values: array("q", values)),
        *(lambda values: [np.int64(value) for value in values], lambda values: pa.chunked_array([values])),
        *(lambda values: pd.Series(values, dtype="Int64"), lambda values: pd.Series(values, dtype=object)),
        lambda values: list(np.array(values, np.uint8)),
    ],
)
def test_a_column_can_be_a_list_a_tuple_or_an_array(make: Callable[[list[int]], object]) -> None:
    om = OrderManagement()
    om.add_orders(two_rows(order_id=make([1, 2]), amount=make([20, 10]), price=make([20, 21])))
    assert om.orders() == (Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 10, 21))
    assert {type(value) for order in om for value in order} == {int, str, Side}


@pytest.mark.parametrize(
    ("columns", "orders"),
    [
        (two_rows(side=["BUY", SELL]), (Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", SELL, 10, 21))),
        (two_rows(side="SELL"), (Order(2, "JPM", SELL, 10, 21), Order(1, "JPM", SELL, 20, 20))),
        (two_rows(symbol=["\u65e5", "JPM"]), (Order(2, "JPM", BUY, 10, 21), Order(1, "\u65e5", BUY, 20, 20))),
        (two_rows(order_id=[], amount=[], price=[]), ()),
    ],
)
def test_a_single_symbol_or_side_applies_to_all_rows(columns: Columns, orders: tuple[Order, ...]) -> None:
    om = OrderManagement()
    om.add_orders(columns)
    assert om.orders() == orders
    assert om.last_sequence == bool(orders)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"order_id": [1]}, r"columns must be order_id, symbol, side, amount, price, not \['order_id'\]"),
        (two_rows(venue="X"), "columns must be order_id, symbol, side, amount, price, not "),
        (two_rows(amount=[20]), "amount must be a column of 2 rows, as many as order_id has, not "),
        (two_rows(order_id=[1]), "amount must be a column of 1 row, as many as order_id has, not "),
        (two_rows(symbol=["JPM"]), "symbol must be a column of 2 rows, as many as order_id has, not "),
        (two_rows(amount=7), "amount must be a column: a list, a tuple, or an array of one dimension, not 7"),
        (two_rows(amount=np.array(7)), "amount must be a column: a list, a tuple, or an array"),
        (two_rows(amount="78"), "amount must be a column: a list, a tuple, or an array"),
        (two_rows(amount=b"78"), "amount must be a column: a list, a tuple, or an array"),
        (two_rows(amount=iter([1, 2])), "amount must be a column: a list, a tuple, or an array"),
        (two_rows(symbol=None), "symbol must be a column: a list, a tuple, or an array"),
        (two_rows(amount=np.array([[1], [2]])), r"amount in row 0 must be an int in 1.*, not \[1\] \(list\)"),
        (two_rows(amount=[20, 0]), r"amount in row 1 must be an int in 1\.\..*, not 0 \(int\)"),
        (two_rows(price=[20, 2**63]), "price in row 1 must be an int in 1"),
        (two_rows(price=[20, True]), "price in row 1 must be an int in 1"),
        (
            two_rows(price=np.array([20.0, 21.0])),
            "price in row 0 .*, not 20.0 .float.; convert with Instrument",
        ),
        (two_rows(price=np.array([20, 21], "datetime64[ns]")), "price must be a column: a list"),
        (two_rows(amount=np.array([20, 21], "timedelta64[ns]")), "amount must be a column: a list"),
        (two_rows(order_id=[-1, 2]), "order_id in row 0 must be an int in 0"),
        (two_rows(order_id=[1, np.bool_(1)]), "order_id in row 1 must be an int in 0"),
        (two_rows(order_id=[1, np.array(2)]), "order_id in row 1 must be an int in 0"),
        (two_rows(symbol=["JPM", ""]), "symbol in row 1 must be a non-empty str"),
        (two_rows(symbol=""), "symbol in row 0 must be a non-empty str"),
        (two_rows(symbol=[1, "JPM"]), "symbol in row 0 must be a non-empty str"),
        (two_rows(side=[BUY, "bid"]), "side in row 1 must be Side.BUY or Side.SELL, not 'bid'"),
        (two_rows(side=[BUY, None]), "side in row 1 must be present, not None .NoneType.; fill in"),
        (two_rows(price=pd.Series([20, None])), "price in row 1 must be present, not nan"),
        (two_rows(price=pd.Series([20, None], dtype="Int64")), "price in row 1 must be present, not <NA>"),
        (two_rows(price=pl.Series([20, None])), "price in row 1 must be present, not None"),
        (two_rows(price=pa.array([20, None])), "price in row 1 must be present, not None"),
        (two_rows(price=[20, Decimal("nan")]), "price in row 1 must be present, not Decimal"),
        (two_rows(symbol=pd.Series(["JPM", None])), "symbol in row 1 must be present, not "),
        (two_rows(side="buy"), r"side in row 0 must be Side.BUY or Side.SELL, not 'buy' .*Side\('BUY'\)"),
    ],
)
def test_an_error_names_the_column_and_the_row_and_nothing_is_added(columns: Columns, message: str) -> None:
    om = OrderManagement()
    with pytest.raises(InvalidOrderError, match=message):
        om.add_orders(columns)
    assert (len(om), om.last_sequence) == (0, 0)


@pytest.mark.parametrize(("ids", "row"), [([1, 2, 1], 2), ([1, 7, 2], 1), ([7, 1, 1], 0)])
def test_an_error_about_a_duplicate_id_names_its_row_and_nothing_is_added(ids: list[int], row: int) -> None:
    om = OrderManagement()
    om.add_order(7, "JPM", BUY, 1, 1)
    columns = two_rows(order_id=ids, amount=[1, 1, 1], price=[1, 1, 1])
    with pytest.raises(DuplicateOrderError, match=f"order id {ids[row]} is already taken") as caught:
        om.add_orders(columns)
    assert caught.value.__notes__ == [f"The id is in row {row} of the columns, counted from 0."]
    assert len(om) == 1


def test_columns_are_rolled_back_with_their_transaction_and_published_as_orders() -> None:
    om = OrderManagement()
    published: list[Event] = []
    om.subscribe(published.append)
    with om.what_if():
        om.add_orders(two_rows())
        assert om.calculate_price("JPM", BUY, 30) == 610
    assert len(om) == 0
    with om.transaction():
        om.add_orders(two_rows())
    orders = (Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 10, 21))
    assert published == [OrdersAdded(orders, sequence=1)]
    assert isinstance(published[0], OrdersAdded)
    assert {type(order) for order in published[0].orders} == {Order}
