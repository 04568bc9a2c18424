"""`Instrument.orders`: columns with decimal prices and amounts. Each row must equal that of a naive loop."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import inf, nextafter
from typing import Any, get_args

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # pyarrow has no type hints
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    SUBMITTER_SIDES,
    Instrument,
    InvalidArgumentError,
    InvalidOrderError,
    OmsError,
    Order,
    OrderManagement,
    Side,
)
from oms.decimal_orders import decimal_orders
from oms.size import Rounding

BUY, SELL = Side.BUY, Side.SELL
SHARE = Instrument("0.01", "1")
Columns = dict[str, Any]

sizes = st.sampled_from(["1", "0.01", "0.05", "0.25", "0.00000001", "10", "0.30", "0.007"])


def shifted(number: float, ulps: int) -> float:
    """Return the float that is this many steps above (or below) a number."""
    for _ in range(abs(ulps)):
        number = nextafter(number, inf if ulps > 0 else -inf)
    return number


@st.composite
def columns_of_numbers(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """Return a size, and a column of numbers of one type or of several that are often multiples of it."""
    size = draw(sizes)
    units = st.integers(1, 1000) | st.integers(0, 2**46) | st.integers(2**44, 2**64)
    text = units.map(lambda n: f"{n * Decimal(size):f}")
    trimmed = text.map(lambda t: t.rstrip("0").rstrip(".") or "0" if "." in t else t)
    near = st.builds(lambda t, ulps: shifted(float(t), ulps), text, st.integers(-3, 3))
    values = {
        "text": text,
        "trimmed": trimmed,
        "decimal": text.map(Decimal),
        "fraction": text.map(Fraction),
        "float": text.map(float),
        "near float": near,
        "any float": st.floats(0, 1000),
        "int": st.integers(0, 1000),
        "strange": st.sampled_from(
            [float("nan"), inf, -1, "", "1\n2", " 1", "1e2", True, "1.", ".5", 0, "0.00"]
        ),
    }
    kinds = draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2))
    return size, draw(st.lists(st.one_of(*(values[kind] for kind in kinds)), min_size=1, max_size=8))


def naive(convert: Callable[..., int], values: list[Any], **rounding: str) -> list[int] | None:
    """Convert one value after another. Return None if one of them is rejected or is less than one unit."""
    try:
        units = [convert(value, **rounding) for value in values]
    except OmsError:
        return None
    return units if min(units) > 0 else None


@given(columns_of_numbers(), st.sampled_from(get_args(Rounding)), st.integers(1, 3))
def test_a_column_of_prices_or_amounts_is_converted_as_each_of_its_values(
    case: tuple[str, list[Any]], way: Rounding, times: int
) -> None:
    size, values = case
    values *= times
    columns: Columns = {"order_id": list(range(len(values))), "symbol": "JPM", "side": "ask"}
    for instrument, field, other, expected in (
        (Instrument(size), "price", "amount", naive(Instrument(size).to_ticks, values, off_tick=way)),
        (Instrument("1", size), "amount", "price", naive(Instrument("1", size).to_lots, values, off_lot=way)),
    ):
        table = columns | {field: values, other: [1] * len(values)}
        if expected is None:
            with pytest.raises(InvalidOrderError, match=f"{field} in row "):
                instrument.orders(table, rounding=way)
        else:
            assert [getattr(order, field) for order in instrument.orders(table, rounding=way)] == expected


magnitudes = st.integers(0, 61).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1)))


@given(
    sizes,
    st.lists(st.tuples(magnitudes, st.just(0) | st.integers(-60, 60), st.integers(-3, 3)), min_size=1),
    st.sampled_from(get_args(Rounding)),
    st.integers(1, 3),
)
def test_a_column_of_floats_of_any_magnitude_is_converted_as_each_float(
    size: str, numbers: list[tuple[int, int, int]], way: Rounding, times: int
) -> None:
    lot = Fraction(size)
    values = [shifted(float((n + Fraction(percent, 100)) * lot), ulps) for n, percent, ulps in numbers]
    values *= times
    coin = Instrument("1", size)
    expected = naive(coin.to_lots, values, off_lot=way)
    table = {"order_id": list(range(len(values))), "amount": values, "price": [1] * len(values)}
    if expected is None:
        with pytest.raises(InvalidOrderError, match="amount in row "):
            coin.orders(table, symbol="XYZ", side="bid", rounding=way)
    else:
        orders = coin.orders(table, symbol="XYZ", side="bid", rounding=way)
        assert [order.amount for order in orders] == expected


def test_a_column_with_the_float_that_is_nearest_to_a_lot_has_this_lot() -> None:
    table = {"order_id": [1, 2], "amount": [6667001.51382875, 1.5], "price": [1, 1]}
    coin = Instrument("1", "0.00000001")
    for way in get_args(Rounding):
        orders = coin.orders(table, symbol="XYZ", side="bid", rounding=way)
        assert [order.amount for order in orders] == [666700151382875, 150000000]


def rows(**replaced: object) -> Columns:
    """Return the columns of two orders, some of them replaced."""
    columns: Columns = {"order_id": [1, 2], "symbol": ["JPM", "JPM"], "side": ["ask", "bid"]}
    return columns | {"amount": [20, 15], "price": [20.01, 19.98]} | replaced


ORDERS = (Order(1, "JPM", BUY, 20, 2001), Order(2, "JPM", SELL, 15, 1998))
FRAMES = [dict, pd.DataFrame, pl.DataFrame, pa.table, pa.RecordBatch.from_pydict]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    "prices",
    [[20.01, 19.98], ["20.01", "19.98"], [Decimal("20.01"), Decimal("19.98")]],
    ids=["float", "text", "decimal"],
)
def test_a_frame_of_any_library_becomes_orders(frame: Callable[[Columns], Any], prices: list[Any]) -> None:
    orders = SHARE.orders(frame(rows(price=prices)))
    assert orders == ORDERS
    assert {type(order) for order in orders} == {Order}
    assert {type(value) for order in orders for value in order} == {int, str, Side}
    om = OrderManagement()
    om.add_orders(orders)
    assert om.orders() == ORDERS


def test_columns_of_numpy_become_orders() -> None:
    numbers = {"order_id": np.array([1, 2]), "amount": np.array([20, 15]), "price": np.array([20.01, 19.98])}
    assert SHARE.orders(rows(**numbers, side=np.array([-1, 1]))) == ORDERS
    scalars = {name: list(column) for name, column in numbers.items()}
    assert SHARE.orders(rows(**scalars, side=[np.int8(-1), np.int8(1)])) == ORDERS
    prices = numbers["price"].astype(np.float32)
    assert SHARE.orders(rows(price=prices), rounding="nearest") == ORDERS
    with pytest.raises(InvalidOrderError, match=r"price in row 0 must be a multiple of 0\.01"):
        SHARE.orders(rows(price=prices))


def test_the_symbol_and_the_side_of_all_orders_can_be_arguments() -> None:
    columns = {name: column for name, column in rows().items() if name not in {"symbol", "side"}}
    for side in ("ask", "S", -1, BUY):
        assert {order[1:3] for order in SHARE.orders(columns, symbol="XYZ", side=side)} == {("XYZ", BUY)}
    assert SHARE.orders(columns | {"side": "sell", "symbol": "XYZ"}) == SHARE.orders(
        columns, symbol="XYZ", side=BUY
    )


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_without_rows_becomes_no_orders(frame: Callable[[Columns], Any]) -> None:
    assert SHARE.orders(frame({field: [] for field in Order._fields})) == ()


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize(
    ("symbol", "side", "message"),
    [
        ("", "bid", "symbol must be a non-empty str of valid Unicode, not ''"),
        (7, "bid", "symbol must be a non-empty str of valid Unicode, not 7"),
        ("JPM", "xx", "side must be a Side or a key of sides .* not 'xx'"),
        ("JPM", 2, "side must be a Side or a key of sides .* not 2"),
    ],
)
def test_a_single_symbol_and_a_single_side_are_checked_even_without_rows(
    symbol: Any, side: Any, message: str, count: int
) -> None:
    columns: Columns = {"order_id": [1, 2][:count], "amount": [1, 1][:count], "price": [1, 1][:count]}
    with pytest.raises(InvalidOrderError, match=message):
        SHARE.orders(columns, symbol=symbol, side=side)
    with pytest.raises(InvalidOrderError, match=message):
        SHARE.orders(columns | {"symbol": symbol, "side": side})


def test_a_single_symbol_and_a_single_side_without_rows_become_no_orders() -> None:
    assert SHARE.orders({"order_id": [], "amount": [], "price": []}, symbol="JPM", side="bid") == ()


def test_a_side_follows_the_mapping_that_the_caller_passes() -> None:
    assert SHARE.orders(rows(side=["BUY", "SELL"])) == SHARE.orders(rows(side=["bid", "ask"]))
    assert SHARE.orders(rows(side=["BUY", "SELL"]), sides=Side.__members__) == ORDERS
    assert SHARE.orders(rows(side=["x", "y"]), sides={"x": BUY, "y": SELL}) == ORDERS
    assert SHARE.orders(rows(side=["long", "bid"]), sides={**SUBMITTER_SIDES, "long": BUY}) == ORDERS


def test_prices_and_amounts_between_two_units_are_rounded_as_requested() -> None:
    columns = rows(price=[20.016, "19.985"], amount=[Fraction(41, 2), Decimal("15.5")])
    rounded = {
        way: [(order.price, order.amount) for order in SHARE.orders(columns, rounding=way)]
        for way in ("nearest", "down", "up")
    }
    assert rounded == {
        "nearest": [(2002, 20), (1998, 16)],
        "down": [(2001, 20), (1998, 15)],
        "up": [(2002, 21), (1999, 16)],
    }


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            {"price": [20.01, 19.985]},
            "price in row 1 must be a multiple of 0.01, such as 19.98 or 19.99, not 19.985",
        ),
        ({"price": ["20.01", "1,5"]}, "price in row 1 must be a decimal >= 0"),
        ({"price": [20.01, float("nan")]}, "price in row 1 must be present, not nan"),
        ({"price": [float("nan")] * 2}, "price in row 0 must be present, not nan"),
        ({"price": [0.123, None]}, "price in row 1 must be present, not None"),
        ({"price": pd.Series([20.01, None], dtype="Float64")}, "price in row 1 must be present, not <NA>"),
        ({"price": [Decimal("20.01"), Decimal("sNaN")]}, "price in row 1 must be present, not Decimal"),
        ({"price": [20.01, Decimal("sNaN")]}, "price in row 1 must be present, not Decimal"),
        ({"amount": [Decimal("sNaN")] * 2}, "amount in row 0 must be present, not Decimal"),
        ({"order_id": [1, Decimal("sNaN")]}, "order_id in row 1 must be present, not Decimal"),
        ({"symbol": ["JPM", Decimal("sNaN")]}, "symbol in row 1 must be present, not Decimal"),
        ({"side": ["ask", Decimal("sNaN")]}, "side in row 1 must be present, not Decimal"),
        ({"price": [20.01, inf]}, "price in row 1 must be a finite number >= 0, not inf"),
        ({"price": [20.01, -0.01]}, "price in row 1 must be 0 or more, not -0.01"),
        ({"price": [20.01, 0.0]}, "price in row 1 must be at least 0.01, not 0.0"),
        ({"price": ["20.01", "0.00"]}, "price in row 1 must be at least 0.01, not '0.00'"),
        ({"price": [20.01, 1e300]}, "price in row 1 must be at most 92233720368547758.07"),
        ({"price": ["20.01", "92233720368547758.08"]}, "price in row 1 must be at most 92233720368547758.07"),
        ({"price": [20, True]}, "price in row 1 must be text such as '12.5', an int"),
        ({"price": [[1], [2]]}, r"price in row 0 must be text such as '12.5', an int, .* not \[1\]"),
        ({"amount": [20, 15.5]}, "amount in row 1 must be a multiple of 1, such as 15 or 16, not 15.5"),
        ({"amount": ["20\n15", "1"]}, "amount in row 0 must be a decimal >= 0"),
        ({"amount": [20]}, "amount must be a column of 2 rows"),
        ({"order_id": [1, None]}, "order_id in row 1 must be present, not None"),
        ({"order_id": [1.0, float("nan")]}, "order_id in row 1 must be present, not nan"),
        ({"order_id": [1.0, 2.0]}, r"order_id in row 0 must be an int .*convert with int\(order_id\)"),
        ({"symbol": ["JPM", None]}, "symbol in row 1 must be present, not None"),
        ({"symbol": ["JPM", ""]}, "symbol in row 1 must be a non-empty str"),
        ({"side": ["ask", None]}, "side in row 1 must be present, not None"),
        ({"side": ["ask", "hold"]}, "side in row 1 must be a Side or a key of sides"),
        ({"venue": [1, 2]}, "columns must be order_id, symbol, side, amount, price, not "),
    ],
)
def test_an_error_names_the_column_and_the_row(replaced: Columns, message: str) -> None:
    with pytest.raises(InvalidOrderError, match=message):
        SHARE.orders(rows(**replaced))


def test_the_message_about_a_price_between_two_ticks_names_the_argument_that_rounds() -> None:
    with pytest.raises(InvalidOrderError) as caught:
        SHARE.orders(rows(price=[20.01, 19.985]))
    assert caught.value.remedy == "round with rounding='nearest', 'down', or 'up'"


def test_text_that_is_not_a_multiple_of_a_tick_of_several_units_is_rejected_or_rounded() -> None:
    nickel = Instrument("0.05", "1")
    assert [order.price for order in nickel.orders(rows(price=["20.05", "20.10"]))] == [401, 402]
    with pytest.raises(
        InvalidOrderError, match=r"price in row 1 must be a multiple of 0\.05, such as 20\.05 or"
    ):
        nickel.orders(rows(price=["20.05", "20.07"]))
    rounded = nickel.orders(rows(price=["20.05", "20.07"]), rounding="up")
    assert [order.price for order in rounded] == [401, 402]


def test_a_symbol_or_side_that_is_both_a_column_and_an_argument_is_rejected() -> None:
    with pytest.raises(
        InvalidOrderError, match="symbol must be None, because `columns` has a column 'symbol', not 'JPM'"
    ):
        SHARE.orders(rows(), symbol="JPM")
    with pytest.raises(InvalidOrderError, match="side must be None, because `columns` has a column 'side'"):
        SHARE.orders(rows(), side=BUY)


@pytest.mark.parametrize("columns", [None, 7, [ORDERS[0]], "price", np.array([1.0])])
def test_a_value_without_columns_is_rejected(columns: Any) -> None:
    with pytest.raises(
        InvalidOrderError, match="columns must be a mapping of columns, a data frame, or an Arrow"
    ):
        SHARE.orders(columns)


def test_an_unknown_rounding_is_rejected_even_if_nothing_needs_to_be_rounded() -> None:
    with pytest.raises(InvalidArgumentError, match="rounding must be 'raise', 'nearest', 'down', or 'up'"):
        SHARE.orders(rows(), rounding="floor")  # type: ignore[arg-type] # the mistake


def test_the_columns_that_are_passed_are_not_changed() -> None:
    columns = rows()
    SHARE.orders({name: column for name, column in columns.items() if name != "symbol"}, symbol="JPM")
    SHARE.orders(columns)
    assert columns == rows()
    assert decimal_orders.__module__ == "oms.decimal_orders"
