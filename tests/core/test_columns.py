"""`to_columns`: values as columns that every data frame library accepts unchanged."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # pyarrow has no type hints
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    Account,
    CostBasis,
    Event,
    FeeSchedule,
    Instrument,
    InvalidArgumentError,
    MatchingEngine,
    OmsError,
    Order,
    OrderAdded,
    OrderFill,
    OrderManagement,
    OrdersAdded,
    Position,
    PriceLevel,
    ProfitPoint,
    Quote,
    Side,
    Trade,
    to_columns,
)
from support import strategies as our
from support.sessions import noon, session

BUY, SELL = Side
EVENT_COLUMNS = ["sequence", "event", "note", "time", "order_id", "symbol", "side", "price", "change"]
NAMES: dict[type, list[str]] = {
    Order: ["order_id", "symbol", "side", "amount", "price"],
    OrderFill: ["order_id", "amount", "price"],
    PriceLevel: ["price", "amount", "orders"],
    Quote: [
        *["symbol", "side", "requested", "amount", "shortfall", "total_price", "best_price", "worst_price"],
        *["levels", "average_price", "slippage", "slippage_bps", "fills"],
    ],
    Trade: ["trade_id", "symbol", "side", "amount", "total_price", "average_price", "fills"],
    Event: EVENT_COLUMNS,
    Position: [
        *["owner", "symbol", "amount", "cash", "average_entry", "realized", "unrealized", "fees", "profit"],
        *["bought", "sold", "last_price"],
    ],
    ProfitPoint: [
        *["sequence", "time", "amount", "price", "realized", "unrealized", "fees", "profit"],
    ],
}
PROFITS = ("realized", "unrealized", "fees", "profit")


def values_of_every_kind() -> dict[type, list[Any]]:
    om = OrderManagement(clock=noon)
    events: list[Event] = []
    om.subscribe(events.append)
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(4, "JPM", BUY, 10, 21), Order(2, "JPM", SELL, 9, 19)])
    quotes = [om.quote("JPM", BUY, 22), om.quote("JPM", SELL, 5)]
    with om.transaction(note="a note"):
        trades = [om.place_trade("JPM", BUY, 22), om.place_trade("JPM", SELL, 5)]
    om.amend_order(4, amount=3, price=30)
    return {
        Order: list(om),
        OrderFill: list(trades[0].fills),
        PriceLevel: [*om.depth("JPM", BUY), *om.depth("JPM", SELL)],
        Quote: quotes,
        Trade: trades,
        Event: events,
        Position: list(traded_account().positions()),
        ProfitPoint: list(traded_account().curve("JPM", "Ann")),
    }


def traded_account() -> Account:
    """Return an account with a long, a short, and a flat position, and with an average of 1/3 ticks."""
    engine = MatchingEngine(clock=noon)
    fees = FeeSchedule(maker_bps="-0.5", taker_bps=2)
    account = Account(engine, fees=fees, cost_basis=CostBasis.AVERAGE, record=True)
    for number, (owner, side, amount, price) in enumerate(
        [
            ("Ann", SELL, 2, 100),
            (None, BUY, 2, 100),
            ("Ann", SELL, 1, 101),
            ("Bob", BUY, 1, 101),
            ("Bob", SELL, 1, 103),
            ("Ann", BUY, 1, 103),
        ]
    ):
        engine.submit(number, "JPM", side, amount, price, owner=owner)
    return account


VALUES = values_of_every_kind()
KINDS = pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)


@KINDS
def test_the_columns_have_fixed_names_and_equal_lengths(kind: type) -> None:
    columns = to_columns(VALUES[kind])
    assert list(columns) == NAMES[kind]
    assert {type(column) for column in columns.values()} == {list}
    assert len({len(column) for column in columns.values()}) == 1
    assert to_columns(iter(VALUES[kind]), kind=kind) == columns


@KINDS
def test_an_empty_iterable_with_a_kind_returns_the_empty_columns_of_that_kind(kind: type) -> None:
    assert to_columns([], kind=kind) == {name: [] for name in NAMES[kind]}


@KINDS
def test_pandas_polars_pyarrow_and_numpy_accept_the_columns_unchanged(kind: type) -> None:
    columns = to_columns(VALUES[kind])
    frame = pd.DataFrame(columns).astype(object)
    assert (
        frame.where(frame.notna(), None).to_dict("list") == columns
    )  # pandas writes NaN where a note is None
    assert pl.DataFrame(columns).to_dict(as_series=False) == columns
    assert pa.table(columns).to_pydict() == columns
    assert {name: np.array(column).tolist() for name, column in columns.items()} == columns


@KINDS
def test_every_library_reads_numbers_as_64_bit_values_and_sides_as_text(kind: type) -> None:
    columns = to_columns(VALUES[kind])
    texts = {"symbol", "side", "event", "note", "owner"}
    floats = {"average_price", "slippage_bps", "average_entry", *PROFITS}
    pandas, polars, arrow = pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)
    for name in columns:
        if name in texts:
            assert pd.api.types.is_string_dtype(pandas[name]) or name in {"note", "owner"}
            assert polars.schema[name] == pl.String
            assert pa.types.is_string(arrow.schema.field(name).type)
        else:
            dtype = "float64" if name in floats else "int64"
            assert str(pandas[name].dtype) == str(polars.schema[name]).lower() == dtype
            assert arrow.schema.field(name).type == {"float64": pa.float64(), "int64": pa.int64()}[dtype]
    for column in columns.values():
        assert {type(value) for value in column} <= {int, str, float, type(None)}


def test_a_row_of_a_quote_contains_its_fields_and_its_derived_figures() -> None:
    quote = VALUES[Quote][0]
    columns = to_columns([quote])
    assert (columns["slippage"], columns["fills"], columns["side"]) == ([2], [2], ["BUY"])
    assert columns["slippage_bps"] == [quote.slippage_bps]
    assert columns["average_price"] == [quote.average_price]


@given(our.distinct_orders())
def test_orders_can_be_rebuilt_from_their_columns(orders: list[Order]) -> None:
    columns = to_columns(orders, kind=Order)
    rebuilt = [
        Order(order_id, symbol, Side(side), amount, price)
        for order_id, symbol, side, amount, price in zip(*columns.values(), strict=True)
    ]
    assert rebuilt == orders


@given(st.integers(0, 2**32))
def test_the_changes_in_the_columns_of_events_add_up_to_the_resting_orders(seed: int) -> None:
    om = OrderManagement()
    events: list[Event] = []
    om.subscribe(events.append)
    for command in session(seed, 25):
        with suppress(OmsError):
            command(om)
    columns = to_columns(events, kind=Event)
    resting: Counter[tuple[Any, ...]] = Counter()
    keys = (columns[name] for name in ("order_id", "symbol", "side", "price"))
    for *key, change in zip(*keys, columns["change"], strict=True):
        resting[tuple(key)] += change
    assert {key: amount for key, amount in resting.items() if amount} == {
        (order.order_id, order.symbol, order.side.value, order.price): order.amount for order in om
    }
    assert sorted(set(columns["sequence"])) == [event.sequence for event in events]
    assert set(columns["event"]) == {type(event).__name__ for event in events}


def test_the_floats_of_positions_are_rounded_once_from_exact_numbers() -> None:
    instrument = Instrument("0.05", "0.001")
    for position in VALUES[Position]:
        columns = to_columns([position], instruments=instrument)
        money = Fraction("0.00005")
        assert columns["realized"] == [float(position.realized * money)]
        assert columns["unrealized"] == [float(position.unrealized() * money)]
        assert columns["fees"] == [float(position.fees * money)]
        assert columns["profit"] == [float(position.profit() * money)]
        average = position.average_entry
        assert columns["average_entry"] == [None if average is None else float(average * Fraction("0.05"))]
    for point in VALUES[ProfitPoint]:
        assert to_columns([point])["profit"] == [float(point.profit)]


def test_an_amendment_has_one_row_for_the_old_amount_and_one_for_the_new_amount() -> None:
    om = OrderManagement()
    events: list[Event] = []
    om.add_order(1, "JPM", BUY, 20, 20)
    om.subscribe(events.append)
    om.amend_order(1, amount=5)
    rows = list(zip(*to_columns(events).values(), strict=True))
    assert rows == [
        (2, "OrderAmended", None, None, 1, "JPM", "BUY", 20, -20),
        (2, "OrderAmended", None, None, 1, "JPM", "BUY", 20, 5),
    ]


def test_times_are_exact_next_to_missing_times_if_pandas_gets_an_integer_type() -> None:
    first, last = OrdersAdded((VALUES[Order][0],), 1, time=noon() + 1), OrdersAdded((VALUES[Order][0],), 2)
    times = to_columns([first, last])["time"]
    assert times == [noon() + 1, None]
    assert pd.Series(times, dtype="Int64").tolist() == [noon() + 1, pd.NA]
    assert pl.Series(times).to_list() == pa.array(times).to_pylist() == times
    assert pd.to_datetime(pd.Series(times, dtype="Int64"), utc=True)[0].value == noon() + 1


HUGE = [Trade(1, "JPM", BUY, 1, 1, ()), Trade(2, "JPM", BUY, 2**63 - 1, 2**63, ())]
HUGER = [*HUGE, Trade(3, "JPM", BUY, 2**63 - 1, (2**63 - 1) ** 2, ())]


@pytest.mark.parametrize("trades", [HUGE, HUGER], ids=["2^63", "2^126"])
def test_totals_past_64_bits_stay_exact_in_pandas_and_in_other_libraries_with_an_explicit_type(
    trades: list[Trade],
) -> None:
    columns = to_columns(trades)
    totals = [trade.total_price for trade in trades]
    assert columns["total_price"] == totals
    assert pd.DataFrame(columns)["total_price"].tolist() == totals
    wide = pl.DataFrame(columns, schema_overrides={"total_price": pl.Int128})
    assert wide["total_price"].to_list() == totals
    with pytest.raises(OverflowError):
        pa.table(columns)
    exact = pa.table(columns | {"total_price": pa.array(totals, pa.decimal128(38))})
    assert exact["total_price"].to_pylist() == totals
    assert np.array(columns["total_price"], dtype=object).tolist() == totals


def test_polars_raises_an_error_for_a_total_past_64_bits_instead_of_changing_the_number() -> None:
    with pytest.raises(TypeError):
        pl.DataFrame(to_columns(HUGER))


def test_values_of_different_kinds_are_rejected_and_the_error_contains_the_first_different_value() -> None:
    order, fill = VALUES[Order][0], VALUES[OrderFill][0]
    with pytest.raises(InvalidArgumentError, match="all of one kind, Order") as caught:
        to_columns([order, order, fill])
    assert caught.value.value is fill
    with pytest.raises(InvalidArgumentError, match="all of one kind, Trade"):
        to_columns([order], kind=Trade)


def test_events_of_different_types_share_the_same_columns() -> None:
    assert set(to_columns(VALUES[Event])["event"]) == {"OrdersAdded", "TradePlaced", "OrderAmended"}


def test_an_event_without_orders_has_no_rows() -> None:
    assert to_columns([OrdersAdded((), 1)]) == to_columns([], kind=Event)


def test_an_empty_iterable_without_a_kind_is_rejected() -> None:
    with pytest.raises(InvalidArgumentError, match="a non-empty iterable"):
        to_columns([])


class UnknownEvent(OrderAdded):
    """A kind of event that has no columns."""


@pytest.mark.parametrize(
    "values",
    [
        7,
        None,
        "JPM",
        [1],
        [None],
        VALUES[Order][0],
        [BUY],
        [UnknownEvent(VALUES[Order][0], sequence=1)],
        [{}],
        [(1, 2)],
    ],
    ids=repr,
)
def test_an_argument_that_is_not_an_iterable_of_values_is_rejected(values: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        to_columns(values)


@pytest.mark.parametrize("kind", [int, OrderAdded, OrderManagement, "Order", [], Side])
def test_a_kind_without_columns_is_rejected(kind: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="kind must be one of Order, OrderFill"):
        to_columns([], kind=kind)


# ---------------------------------------------------------------------- decimals


def same_in_units(
    ticks: dict[str, list[Any]], decimals: dict[str, list[Any]], instrument: Instrument
) -> None:
    """Assert that one dict of columns is the other in decimals, column by column."""
    tick, lot = Fraction(instrument.tick), Fraction(instrument.lot)
    sizes = {
        **dict.fromkeys(("price", "best_price", "worst_price", "last_price"), tick),
        **dict.fromkeys(("requested", "amount", "shortfall", "change", "bought", "sold"), lot),
        **dict.fromkeys(("total_price", "slippage", "cash"), tick * lot),
    }
    floats = {"average_entry": tick, **dict.fromkeys(PROFITS, tick * lot)}
    assert list(decimals) == list(ticks)
    for name, column in ticks.items():
        if name == "average_price":
            averages = [
                float(Fraction(total) * tick / amount)
                for total, amount in zip(ticks["total_price"], ticks["amount"], strict=True)
            ]
            assert decimals[name] == averages
        elif name in floats:
            assert [value is None for value in decimals[name]] == [value is None for value in column]
            expected = [float(value * floats[name]) for value in column if value is not None]
            assert [value for value in decimals[name] if value is not None] == pytest.approx(expected)
            assert {type(value) for value in decimals[name]} <= {float, type(None)}
        elif name in sizes:
            assert {type(value) for value in decimals[name]} <= {Decimal}
            assert list(map(Fraction, decimals[name])) == [value * sizes[name] for value in column]
        else:
            assert decimals[name] == column


@pytest.mark.parametrize("kind", NAMES)
def test_with_an_instrument_prices_amounts_and_totals_are_exact_decimals(kind: type) -> None:
    values, instrument = values_of_every_kind()[kind], Instrument("0.05", "0.001")
    same_in_units(to_columns(values), to_columns(values, instruments=instrument), instrument)


def test_each_row_uses_the_instrument_of_its_symbol() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("0.01"), "IBM": Instrument("0.5", "10")})
    om.add_orders([Order(1, "JPM", BUY, 20, 2005), Order(2, "IBM", BUY, 3, 3)])
    columns = to_columns(om, instruments=om.instruments)
    assert columns["symbol"] == ["IBM", "JPM"]
    assert columns["price"] == [Decimal("1.5"), Decimal("20.05")]
    assert columns["amount"] == [Decimal(30), Decimal(20)]


def test_the_books_convert_values_with_their_own_instruments() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("0.01")})
    om.add_order(1, "JPM", BUY, 20, 2005)
    assert om.to_columns(om) == to_columns(om)
    assert om.to_columns(om, decimals=True) == to_columns(om, instruments=om.instruments)
    assert om.to_columns([], kind=Order, decimals=True)["price"] == []


def test_empty_columns_need_no_instrument() -> None:
    assert to_columns([], kind=Order, instruments={}) == to_columns([], kind=Order)
    assert to_columns([], kind=OrderFill, instruments=Instrument()) == to_columns([], kind=OrderFill)


@given(our.distinct_orders(), st.sampled_from(["0.01", "0.05", "7"]), st.sampled_from(["1", "0.0003"]))
def test_every_order_of_a_book_has_its_exact_decimals(orders: list[Order], tick: str, lot: str) -> None:
    instrument = Instrument(tick, lot)
    decimals = to_columns(orders, kind=Order, instruments={"AAPL": instrument, "JPM": instrument})
    same_in_units(to_columns(orders, kind=Order), decimals, instrument)
