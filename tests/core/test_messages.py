"""Every error message of the core.

A message about an argument has three parts: the value that was passed, the values that are allowed, and the
call that converts the value or corrects the mistake. The third part is absent if there is no such call. Other
messages describe what failed.
"""

from __future__ import annotations

import ast
import contextvars
import re
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import oms
from oms import (
    Account,
    AmountLimitError,
    DuplicateOrderError,
    Event,
    FeeSchedule,
    FeeTier,
    IdMap,
    Instrument,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    Limits,
    NotionalLimitError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    OpenTransactionError,
    Order,
    OrderFill,
    OrderManagement,
    OrderNotFoundError,
    PriceBoundError,
    PriceCollarError,
    PriceLevel,
    RateLimitError,
    Side,
    Snapshot,
    to_columns,
)
from oms.batch import change_orders
from oms.books import Books
from oms.direct_books import DirectBooks
from oms.feeds import LevelFeed, Okx, Recorder
from oms.matching import MatchingEngine
from oms.order_book import OrderBook
from oms.submission import PostOnly, TimeInForce
from support import strategies as our
from support.memory_journal import MemoryJournal
from support.threads import in_a_thread

Call = Callable[[OrderManagement, Any], object]


class Direction(Enum):
    """A side as an enum of another library."""

    BUY = 1
    SHORT = 2


def add_order_with(field: str) -> Call:
    """Return a call of `add_order` that passes its value as one of the fields."""

    def call(om: OrderManagement, value: Any) -> object:
        fields: dict[str, Any] = {"order_id": 9, "symbol": "JPM", "side": Side.BUY, "amount": 1, "price": 1}
        om.add_order(**fields | {field: value})
        return om

    return call


ADD_ORDER = {field: add_order_with(field) for field in Order._fields}
IDS, RESTING = f"an int in 0..{2**63 - 1}", f"an int in 1..{2**63 - 1}"
SYMBOL, SIDE = "a non-empty str of valid Unicode", "Side.BUY or Side.SELL"
INT = ", or a whole array with .tolist()"
ARRAY = "an array with .tolist()"

CALLS: list[tuple[Call, str, object, str, str, str]] = [
    # call, field, value, allowed values, text of the value in the message, call that converts the value
    (
        ADD_ORDER["price"],
        "price",
        20.25,
        RESTING,
        "20.25 (float)",
        "Instrument('0.01', '1').to_ticks('20.25')",
    ),
    (
        ADD_ORDER["price"],
        "price",
        0.125,
        RESTING,
        "0.125 (float)",
        "Instrument('0.001', '1').to_ticks('0.125')",
    ),
    (ADD_ORDER["price"], "price", 20.0, RESTING, "20.0 (float)", "Instrument('0.01', '1').to_ticks('20.0')"),
    (
        *(ADD_ORDER["price"], "price", Decimal("20.5"), RESTING),
        *("Decimal('20.5') (Decimal)", "Instrument('0.01', '1').to_ticks('20.5')"),
    ),
    (
        ADD_ORDER["price"],
        "price",
        "20.5",
        RESTING,
        "'20.5' (str)",
        "Instrument('0.01', '1').to_ticks('20.5')",
    ),
    (
        *(ADD_ORDER["price"], "price", np.float64(20.5), RESTING),
        *("np.float64(20.5) (float64)", "Instrument('0.01', '1').to_ticks('20.5')"),
    ),
    (ADD_ORDER["price"], "price", np.int64(5), RESTING, "np.int64(5) (int64)", f"int(price){INT}"),
    (ADD_ORDER["price"], "price", float("nan"), RESTING, "nan (float)", ""),
    (ADD_ORDER["price"], "price", -1.5, RESTING, "-1.5 (float)", ""),
    (ADD_ORDER["price"], "price", True, RESTING, "True (bool)", ""),
    (ADD_ORDER["price"], "price", np.bool_(True), RESTING, "np.True_ (bool)", ""),
    (ADD_ORDER["price"], "price", None, RESTING, "None (NoneType)", ""),
    (ADD_ORDER["price"], "price", Fraction(1, 2), RESTING, "Fraction(1, 2) (Fraction)", ""),
    (ADD_ORDER["price"], "price", "1" * 50, RESTING, f"'{'1' * 12}...{'1' * 13}' (str)", ""),
    (ADD_ORDER["price"], "price", "٣", RESTING, "'٣' (str)", ""),
    (ADD_ORDER["price"], "price", 0, RESTING, "0 (int)", ""),
    (ADD_ORDER["amount"], "amount", 1.5, RESTING, "1.5 (float)", "Instrument('0.01', '0.1').to_lots('1.5')"),
    (ADD_ORDER["amount"], "amount", "1e2", RESTING, "'1e2' (str)", "Instrument('0.01', '1').to_lots('1e2')"),
    (
        ADD_ORDER["amount"],
        "amount",
        np.array([1, 2]),
        RESTING,
        "array([1, 2]) (ndarray)",
        ARRAY,
    ),
    (ADD_ORDER["amount"], "amount", np.uint8(5), RESTING, "np.uint8(5) (uint8)", f"int(amount){INT}"),
    (ADD_ORDER["order_id"], "order_id", 7.0, IDS, "7.0 (float)", "int(order_id)"),
    (ADD_ORDER["order_id"], "order_id", 7.5, IDS, "7.5 (float)", ""),
    (ADD_ORDER["order_id"], "order_id", "7", IDS, "'7' (str)", "int(order_id)"),
    (ADD_ORDER["order_id"], "order_id", np.int32(7), IDS, "np.int32(7) (int32)", f"int(order_id){INT}"),
    (ADD_ORDER["order_id"], "order_id", -1, IDS, "-1 (int)", ""),
    (ADD_ORDER["side"], "side", "BUY", SIDE, "'BUY' (str)", "Side('BUY')"),
    (ADD_ORDER["side"], "side", "sell", SIDE, "'sell' (str)", "Side('SELL')"),
    (ADD_ORDER["side"], "side", np.str_("BUY"), SIDE, "np.str_('BUY') (str_)", "Side('BUY')"),
    (ADD_ORDER["side"], "side", Direction.BUY, SIDE, "<Direction.BUY: 1> (Direction)", "Side('BUY')"),
    (ADD_ORDER["side"], "side", Direction.SHORT, SIDE, "<Direction.SHORT: 2> (Direction)", ""),
    (ADD_ORDER["side"], "side", "bid", SIDE, "'bid' (str)", ""),
    (ADD_ORDER["side"], "side", 1, SIDE, "1 (int)", ""),
    (ADD_ORDER["symbol"], "symbol", np.str_("JPM"), SYMBOL, "np.str_('JPM') (str_)", "str(symbol)"),
    (ADD_ORDER["symbol"], "symbol", b"JPM", SYMBOL, "b'JPM' (bytes)", "symbol.decode()"),
    (ADD_ORDER["symbol"], "symbol", "", SYMBOL, "'' (str)", ""),
    (
        *(lambda om, value: om.quote("JPM", Side.BUY, 1, allow_partial=value), "allow_partial", 1),
        *("True or False", "1 (int)", "bool(allow_partial)"),
    ),
    (
        *(lambda om, value: om.quote("JPM", Side.BUY, 1, allow_partial=value), "allow_partial", np.bool_(0)),
        *("True or False", "np.False_ (bool)", "bool(allow_partial)"),
    ),
    (
        *(lambda om, value: om.quote("JPM", Side.BUY, 1, allow_partial=value), "allow_partial", "yes"),
        *("True or False", "'yes' (str)", ""),
    ),
    (
        *(lambda om, value: om.calculate_prices("JPM", Side.BUY, np.array([value])), "amounts", np.int64(5)),
        *("an int >= 1", "np.int64(5) (int64)", f"int(amounts){INT}"),
    ),
    (
        *(lambda om, value: om.amount_within("JPM", Side.BUY, value), "max_slippage_bps", 5.0),
        *("an int >= 0", "5.0 (float)", "int(max_slippage_bps)"),
    ),
    (
        *(lambda om, value: om.add_orders([value]), "orders", (1, "JPM", Side.BUY, 1, 1)),
        *("an iterable of Order", "(1, 'JPM', <Side.BUY: 'BUY'>, 1, 1) (tuple)", "Order(*row)"),
    ),
    (*(lambda om, value: om.quote("JPM", Side.BUY, value), "amount", 0, "an int >= 1", "0 (int)", ""),),
    (
        *(lambda om, value: om.depth("JPM", Side.BUY, value), "levels", 2.0),
        *("an int >= 1", "2.0 (float)", "int(levels)"),
    ),
    (
        *(lambda om, value: om.quote("JPM", Side.BUY, 1, limit_price=value), "limit_price", 20.25),
        *("an int >= 1", "20.25 (float)", "Instrument('0.01', '1').to_ticks('20.25')"),
    ),
]


@pytest.mark.parametrize(("call", "field", "value", "allowed", "text", "remedy"), CALLS)
def test_the_message_about_a_value_contains_the_value_the_allowed_values_and_the_call_that_converts_it(
    call: Call, field: str, value: object, allowed: str, text: str, remedy: str
) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        call(OrderManagement(), value)
    suffix = f"; convert {'' if remedy == ARRAY else 'with '}{remedy}" if remedy else ""
    assert str(caught.value) == f"{field} must be {allowed}, not {text}{suffix}"


@pytest.mark.parametrize(
    ("call", "field", "value", "remedy"),
    [
        (call, field, value, remedy)
        for call, field, value, _, _, remedy in CALLS
        if field in ADD_ORDER and remedy
    ],
)
def test_a_value_converted_by_the_call_in_the_message_is_accepted(
    call: Call, field: str, value: object, remedy: str
) -> None:
    if remedy == ARRAY:
        return
    names = {"Instrument": Instrument, "Side": Side, field: value}
    converted = eval(remedy.removesuffix(INT), names)  # noqa: S307 - our own message
    call(OrderManagement(), converted)


KINDS = "Order, OrderFill, PriceLevel, Quote, Trade, Event, Position, ProfitPoint"


def worked_example() -> OrderManagement:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(4, "JPM", Side.BUY, 10, 21)])
    om.add_order(2, "JPM", Side.SELL, 20, 19)
    return om


class LazyFrame(pd.DataFrame):
    """A frame with the methods that a lazy frame of polars has."""

    collect = collect_schema = None

    def __repr__(self) -> str:
        return "LazyFrame()"


SHARE = Instrument("0.01", "1")
DECIMALS = {"order_id": [1], "symbol": "JPM", "side": "ask", "amount": [20], "price": [20.25]}
COLUMNS = {"order_id": [1], "symbol": "JPM", "side": Side.BUY, "amount": [20], "price": [20]}

ORDERS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: change_orders(worked_example(), {1: -1}, []),
        f"amounts must be ints in 0..{2**63 - 1}, not -1 (int)",
    ),
    (
        lambda: OrderManagement().add_orders(Order(1, "JPM", Side.BUY, 1, 1)),  # type: ignore[arg-type] # the mistake
        "orders must be an iterable of Order, not Order(order_i...nt=1, price=1) (Order); write [order]",
    ),
    (
        lambda: OrderManagement().calculate_prices("JPM", Side.BUY, 5),  # type: ignore[arg-type] # the mistake
        "amounts must be an iterable of int >= 1, not 5 (int); write [amount]",
    ),
    (
        lambda: OrderManagement().add_orders({"order_id": [1]}),
        "columns must be order_id, symbol, side, amount, price, not ['order_id'] (list)",
    ),
    (
        lambda: OrderManagement().add_orders(COLUMNS | {"amount": [20, 10]}),
        "amount must be a column of 1 row, as many as order_id has, not [20, 10] (list)",
    ),
    (
        lambda: OrderManagement().add_orders(COLUMNS | {"amount": 20}),
        "amount must be a column: a list, a tuple, or an array of one dimension, not 20 (int)",
    ),
    (
        lambda: OrderManagement().add_orders(COLUMNS | {"price": [20.25]}),
        f"price in row 0 must be {RESTING}, not 20.25 (float); "
        "convert with Instrument('0.01', '1').to_ticks('20.25')",
    ),
    (
        lambda: OrderManagement().add_orders(COLUMNS | {"price": [float("nan")]}),
        "price in row 0 must be present, not nan (float); fill in the missing value, or drop its row",
    ),
    (
        lambda: OrderManagement().add_orders(pd.DataFrame([[1, 2]], columns=["price", "price"])),
        "columns must be columns with different names, not ['price', 'price'] (list)",
    ),
    (
        lambda: OrderManagement().add_orders(LazyFrame()),
        "columns must be columns in memory, not LazyFrame() (LazyFrame); convert with frame.collect()",
    ),
    (
        lambda: SHARE.orders(DECIMALS | {"price": [20.016]}),
        "price in row 0 must be a multiple of 0.01, such as 20.01 or 20.02, not 20.016 (float); "
        "round with rounding='nearest', 'down', or 'up'",
    ),
    (
        lambda: SHARE.orders(DECIMALS | {"price": ["0.00"]}),
        "price in row 0 must be at least 0.01, not '0.00' (str)",
    ),
    (
        lambda: SHARE.orders(DECIMALS | {"side": ["hold"]}, sides={"buy": Side.SELL, 1: Side.SELL}),
        "side in row 0 must be a Side or a key of sides ('buy', 1), not 'hold' (str)",
    ),
    (
        lambda: SHARE.orders(DECIMALS | {"side": "hold"}, sides={"buy": Side.SELL, 1: Side.SELL}),
        "side must be a Side or a key of sides ('buy', 1), not 'hold' (str)",
    ),
    (
        lambda: SHARE.orders(DECIMALS, symbol="JPM"),
        "symbol must be None, because `columns` has a column 'symbol', not 'JPM' (str)",
    ),
    (
        lambda: SHARE.orders([1]),  # type: ignore[arg-type] # the mistake
        "columns must be a mapping of columns, a data frame, or an Arrow table, not [1] (list)",
    ),
    (
        lambda: worked_example().quote("JPM", Side.BUY, 5).slippage_against(np.int64(20)),  # type: ignore[arg-type] # the mistake
        "reference must be an int or a Fraction, not np.int64(20) (int64); "
        "convert with int(reference), or a whole array with .tolist()",
    ),
    (
        lambda: OrderManagement().add_orders([5]),  # type: ignore[list-item] # the mistake
        "orders must be an iterable of Order, not 5 (int)",
    ),
    (
        lambda: OrderManagement().add_orders(5),  # type: ignore[arg-type] # the mistake
        "orders must be an iterable of Order, not 5 (int)",
    ),
    (
        lambda: worked_example().place_trade("JPM", Side.SELL, 1, max_total_price=5),
        "max_total_price must be None for a SELL trade, not 5 (int); use min_total_price",
    ),
    (
        lambda: worked_example().place_trade("JPM", Side.BUY, 1, min_total_price=5),
        "min_total_price must be None for a BUY trade, not 5 (int); use max_total_price",
    ),
    (
        lambda: worked_example().amend_order(1),
        "amount or price must be an int, not None (NoneType); pass amount, price, or both",
    ),
]


def ids_of_a(parse: Callable[[str], Any]) -> IdMap[Any]:
    """Return an IdMap with the key "a"."""
    ids = IdMap(parse)
    ids.new("a")
    return ids


def journaled_ids() -> OrderManagement:
    """Return an OrderManagement whose journal contains the key "a"."""
    om, ids = OrderManagement(journal=MemoryJournal()), IdMap()
    with ids.adding(om, "a") as order_id:
        om.add_order(order_id, "JPM", Side.BUY, 1, 1)
    return om


def add_with_a_clock_of_seconds() -> None:
    om = OrderManagement(clock=lambda: 1.5)  # type: ignore[arg-type, return-value] # the mistake
    om.subscribe(bool)
    om.add_order(1, "JPM", Side.BUY, 20, 20)


CENT = Instrument("0.01", "1")


def with_instrument() -> OrderManagement:
    """Return an OrderManagement with an instrument and an order of 20 lots at 2005 ticks."""
    om = OrderManagement(instruments={"JPM": CENT})
    om.add_order(1, "JPM", Side.BUY, 20, 2005)
    return om


ARGUMENTS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: IdMap().new([]),  # type: ignore[arg-type] # the mistake
        "key must be hashable, not [] (list); convert a list with tuple(key)",
    ),
    (
        lambda: ids_of_a(int).note("a"),
        "key must be a key that parse(str(key)) restores, not 'a' (str); pass another parse",
    ),
    (
        lambda: IdMap.from_history(journaled_ids(), int),
        "key must be text that parse converts to a hashable key, not 'a' (str); pass another parse",
    ),
    (
        lambda: OrderManagement().__setstate__({}),
        "state must be an undamaged state that this version of oms pickled, not {} (dict)",
    ),
    (
        lambda: Instrument("0.01", "1").to_ticks(12.5),  # type: ignore[call-overload] # the mistake
        "price must be text such as '12.5', an int, a Decimal, or a Fraction, not 12.5 (float); "
        "convert with to_ticks('12.5'), or pass off_tick='raise'",
    ),
    (
        lambda: Instrument("0.01", "1").to_lots(np.int8(5)),  # type: ignore[call-overload] # the mistake
        "amount must be text such as '12.5', an int, a Decimal, or a Fraction, not np.int8(5) (int8); "
        "convert with int(amount), or a whole array with .tolist()",
    ),
    (
        lambda: Instrument("0.01", "1").to_ticks("12,5"),
        "price must be a decimal >= 0 such as '12.5' or '1e-3', with at most 40 digits before and after "
        "its point, not '12,5' (str)",
    ),
    (lambda: Instrument("0.5", "1").to_ticks("0.3"), "price must be a multiple of 0.5, not '0.3' (str)"),
    (
        lambda: Instrument(0.01, "1"),  # type: ignore[arg-type] # the mistake
        "tick_size must be decimal text above 0, such as '0.01', not 0.01 (float); write '0.01'",
    ),
    (
        lambda: Instrument("1", "1e-8"),
        "lot_size must be decimal text above 0, such as '0.01', not '1e-8' (str); write '0.00000001'",
    ),
    (
        lambda: Instrument().price_text(np.int64(5)),  # type: ignore[arg-type] # the mistake
        "ticks must be an int >= 0, not np.int64(5) (int64); convert with int(ticks), or a whole array with "
        ".tolist()",
    ),
    (
        lambda: Instrument("0.01", "0.5").to_lots(1.5),  # type: ignore[call-overload] # the mistake
        "amount must be text such as '12.5', an int, a Decimal, or a Fraction, not 1.5 (float); "
        "convert with to_lots('1.5'), or pass off_lot='raise'",
    ),
    (
        lambda: Instrument("0.01", "1").to_ticks(20.256, off_tick="raise"),
        "price must be a multiple of 0.01, such as 20.25 or 20.26, not 20.256 (float); "
        "round with off_tick='nearest', 'down', or 'up'",
    ),
    (
        lambda: Instrument("0.01", "10").to_lots("25", off_lot="raise"),
        "amount must be a multiple of 10, such as 20 or 30, not '25' (str); "
        "round with off_lot='nearest', 'down', or 'up'",
    ),
    (
        lambda: Instrument().to_ticks(float("nan"), off_tick="nearest"),
        "price must be a finite number >= 0, not nan (float)",
    ),
    (lambda: Instrument().to_ticks(-0.5, off_tick="up"), "price must be 0 or more, not -0.5 (float)"),
    (
        lambda: Instrument().to_ticks("1", off_tick="floor"),  # type: ignore[call-overload] # the mistake
        "off_tick must be 'raise', 'nearest', 'down', or 'up', not 'floor' (str)",
    ),
    (
        lambda: SHARE.orders(DECIMALS, sides={"ask": "BUY"}),  # type: ignore[dict-item] # the mistake
        "sides must be a mapping to Side.BUY and Side.SELL, not {'ask': 'BUY'} (dict)",
    ),
    (
        lambda: SHARE.orders(DECIMALS, rounding="floor"),  # type: ignore[arg-type] # the mistake
        "rounding must be 'raise', 'nearest', 'down', or 'up', not 'floor' (str)",
    ),
    (
        lambda: Instrument().to_money(1.5),  # type: ignore[arg-type] # the mistake
        "total must be an int or a Fraction, not 1.5 (float)",
    ),
    (
        lambda: Instrument().to_price(Fraction(1, 3)),
        "ticks must be a number with finitely many decimal places, not Fraction(1, 3) (Fraction); "
        "round it with round(ticks)",
    ),
    (
        lambda: Instrument(currency=""),
        "currency must be a non-empty str of valid Unicode, or None, not '' (str)",
    ),
    (
        lambda: Instrument(name=b"JPM"),  # type: ignore[arg-type] # the mistake
        "name must be a non-empty str of valid Unicode, or None, not b'JPM' (bytes); "
        "convert with name.decode()",
    ),
    (
        lambda: Instrument("0.01", price_decimals=1),
        "price_decimals must be an int in 2..40, or None, not 1 (int)",
    ),
    (
        lambda: LevelFeed(OrderManagement(), Okx.rule, {}).instrument("X"),
        "symbol must be one with a known Instrument, not 'X' (str); "
        "pass instruments={'X': Instrument(tick_size, lot_size)}",
    ),
    (lambda: Recorder(every="1"), "every must be a finite number of seconds above 0, not '1' (str)"),  # type: ignore[arg-type] # the mistake
    (
        lambda: Recorder().history("X"),
        "symbol must be a recorded symbol (there are none yet), not 'X' (str)",
    ),
    (
        lambda: Recorder(levels=2.0),  # type: ignore[arg-type] # the mistake
        "levels must be an int >= 1, not 2.0 (float); convert with int(levels)",
    ),
    (
        lambda: OrderManagement().subscribe(5),  # type: ignore[arg-type] # the mistake
        "callback must be a callable that takes an event, not 5 (int)",
    ),
    (
        lambda: OrderManagement().transaction(b"why"),  # type: ignore[arg-type] # the mistake
        "note must be a str of valid Unicode, or None, not b'why' (bytes); convert with note.decode()",
    ),
    (
        lambda: OrderManagement(clock=5),  # type: ignore[arg-type] # the mistake
        "clock must be None or a callable, not 5 (int); pass time.time_ns",
    ),
    (
        add_with_a_clock_of_seconds,
        f"the result of clock() must be {IDS}, not 1.5 (float); use time.time_ns, which returns nanoseconds",
    ),
    (
        lambda: OrderManagement.from_snapshot((0, 1, ())),  # type: ignore[arg-type] # the mistake
        "snapshot must be a Snapshot, not (0, 1, ()) (tuple); get one from the method snapshot()",
    ),
    (
        lambda: OrderManagement.from_snapshot(Snapshot(-1)),
        "sequence must be an int >= 0, not -1 (int)",
    ),
    (
        lambda: OrderManagement.from_snapshot(Snapshot(0, 0)),
        "next_trade_id must be an int >= 1, not 0 (int)",
    ),
    (
        lambda: OrderManagement.from_snapshot(Snapshot(0, 1, [])),  # type: ignore[arg-type] # the mistake
        "orders must be a tuple of Order, not [] (list); convert with tuple(orders)",
    ),
    (lambda: to_columns([]), "values must be a non-empty iterable, not [] (list); pass kind"),
    (lambda: to_columns(5), f"values must be an iterable of one of {KINDS}, not 5 (int)"),  # type: ignore[arg-type] # the mistake
    (lambda: to_columns([5]), f"values must be an iterable of one of {KINDS}, not 5 (int)"),
    (lambda: to_columns([], kind=int), f"kind must be one of {KINDS}, not <class 'int'> (type)"),
    (
        lambda: to_columns([OrderFill(1, 2, 3), PriceLevel(3, 2, 1)]),
        "values must be all of one kind, OrderFill, not PriceLevel(pr...t=2, orders=1) (PriceLevel)",
    ),
    (
        lambda: Instrument("0.00"),
        "tick_size must be decimal text above 0, such as '0.01', not '0.00' (str)",
    ),
    (lambda: Instrument().to_ticks(-1), "price must be 0 or more, not -1 (int)"),
    (
        lambda: Instrument("0.01").to_ticks("92233720368547758.08"),
        "price must be at most 92233720368547758.07, not '92233720368547758.08' (str)",
    ),
    (
        lambda: Instrument("0.01").show_price(2040.5),  # type: ignore[arg-type] # the mistake
        "ticks must be an int, not 2040.5 (float)",
    ),
    (lambda: Instrument().show_average(20, 0), "lots must be an int >= 1, not 0 (int)"),
    (
        lambda: Instrument.of_decimals(np.int64(2), 0),  # type: ignore[arg-type] # the mistake
        f"price must be an int in 0..40, not np.int64(2) (int64); convert with int(price){INT}",
    ),
    (
        lambda: Instrument("0.01").finer(5),  # type: ignore[arg-type] # the mistake
        "other must be an Instrument, not 5 (int)",
    ),
    (lambda: Instrument().amount_text(-1), "lots must be an int >= 0, not -1 (int)"),
    (
        lambda: to_columns(with_instrument(), instruments="0.01"),  # type: ignore[arg-type] # the mistake
        "instruments must be a mapping of symbols to Instruments, or one Instrument, not '0.01' (str)",
    ),
    (
        lambda: to_columns(with_instrument(), instruments={"IBM": CENT}),
        "symbol must be a symbol with an instrument, not 'JPM' (str); "
        "add it to instruments, or call set_instrument(symbol, instrument)",
    ),
    (
        lambda: to_columns(with_instrument().depth("JPM", Side.BUY), instruments={"JPM": CENT}),
        "instruments must be one Instrument for values without a symbol, "
        "not {'JPM': Instrument(tick_size='0.01', lot_size='1')} (dict); pass instruments[symbol]",
    ),
    (
        lambda: with_instrument().to_columns([], kind=Order, decimals=1),  # type: ignore[arg-type] # the mistake
        "decimals must be True or False, not 1 (int); convert with bool(decimals)",
    ),
    (
        lambda: with_instrument().in_decimals(Order(1, "JPM", Side.BUY, 1, 1)),  # type: ignore[arg-type] # the mistake
        "value must be a Quote or a Trade, not Order(order_i...nt=1, price=1) (Order)",
    ),
    (
        lambda: OrderManagement(instruments=[("JPM", CENT)]),  # type: ignore[arg-type] # the mistake
        "instruments must be a mapping of symbols to Instruments, "
        "not [('JPM', Instrument(tick_size='0.01', lot_size='1'))] (list)",
    ),
    (
        lambda: OrderManagement().set_instrument("JPM", "0.01"),  # type: ignore[arg-type] # the mistake
        "instrument must be an Instrument, not '0.01' (str)",
    ),
    (
        lambda: with_instrument().set_instrument("JPM", Instrument("0.1")),
        "instrument must be an Instrument with tick_size '0.01' and lot_size '1' "
        "while orders of 'JPM' are resting, not Instrument(tick_size='0.1', lot_size='1') (Instrument); "
        "convert them with convert_orders('JPM', instrument)",
    ),
    (
        lambda: OrderManagement().convert_orders("JPM", CENT),
        "symbol must be a symbol with an instrument, not 'JPM' (str); call set_instrument('JPM', instrument)",
    ),
    (
        lambda: with_instrument().convert_orders("JPM", Instrument("0.1")),
        "instrument must be an Instrument in which order 1 (price 20.05, amount 20) "
        "has a whole price and amount of at most 2^63-1, "
        "not Instrument(tick_size='0.1', lot_size='1') (Instrument); "
        "use om.instrument('JPM').finer(instrument)",
    ),
    (
        lambda: with_instrument().convert_orders("JPM", Instrument(f"0.{'0' * 18}1")),
        "instrument must be an Instrument in which order 1 (price 20.05, amount 20) "
        "has a whole price and amount of at most 2^63-1, "
        "not Instrument(tick_size='0.0000000000000000001', lot_size='1') (Instrument)",
    ),
    (
        lambda: OrderManagement.from_snapshot(Snapshot(instruments={"JPM": CENT})),  # type: ignore[arg-type] # the mistake
        "instruments must be a tuple of pairs of a symbol and an Instrument, sorted by symbol, "
        "not {'JPM': Instrument(tick_size='0.01', lot_size='1')} (dict); "
        "write tuple(sorted(instruments.items()))",
    ),
]


@pytest.mark.parametrize(("call", "message"), ORDERS)
def test_a_mistake_about_orders_raises_invalid_order_error(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(("call", "message"), ARGUMENTS)
def test_any_other_mistake_in_an_argument_raises_invalid_argument_error(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        call()
    assert type(caught.value) is InvalidArgumentError
    assert str(caught.value) == message


@pytest.mark.parametrize("field", ADD_ORDER)
def test_no_message_rejects_a_value_that_it_names_as_allowed(field: str) -> None:
    # A message such as "must be a decimal such as 12.5, not 12.5" would contradict itself.
    for value in [*our.NOT_INTS, *our.NOT_SYMBOLS, *our.NOT_SIDES, 12.5, "12.5", -1, 2**63]:
        for call in (ADD_ORDER[field], lambda om, value: Instrument().to_ticks(value)):
            try:
                call(OrderManagement(), value)
            except InvalidArgumentError as error:
                message = str(error)
                allowed, _, rejected = message.partition(", not ")
                assert rejected.partition(" (")[0] not in re.findall(r"\S+", allowed), message


def test_a_value_whose_methods_all_fail_still_gets_a_message() -> None:
    class Broken:
        ndim = 0

        def __float__(self) -> float:
            raise OSError

        def __str__(self) -> str:
            raise OSError

        __repr__ = __str__

    with pytest.raises(InvalidOrderError, match=r"not <Broken instance at 0x\w+> \(Broken\)$"):
        ADD_ORDER["price"](OrderManagement(), Broken())


# ---------------------------------------------------------------------- other errors


def copy_inside_a_transaction() -> None:
    om = worked_example()
    with om.transaction():
        om.copy()


def close_inside_a_what_if() -> None:
    om = worked_example()
    with om.what_if():
        om.close()


def use_in_another_context() -> None:
    om = worked_example()
    with om.transaction():
        contextvars.copy_context().run(om.symbols)


def use_in_another_thread() -> None:
    om = worked_example()
    with pytest.MonkeyPatch.context() as patch, om.transaction():
        patch.setattr("oms.admission.LONGEST_WAIT", 0.01)
        in_a_thread(om.symbols)


def use_in_the_middle_of_a_change() -> None:
    om = worked_example()
    with pytest.MonkeyPatch.context() as patch:

        def call_handler(*_: object) -> None:
            patch.undo()
            om.symbols()

        patch.setattr(OrderBook, "_drop_level", call_handler)
        om.remove_order(4)


def use_while_the_journal_stores() -> None:
    class HandlingJournal(MemoryJournal):
        def append(self, batch: Sequence[Event]) -> None:
            om.remove_order(1)

    om = OrderManagement(HandlingJournal())
    with om.transaction(concurrent_commit=True):
        om.add_order(1, "JPM", Side.BUY, 20, 20)


def use_before_a_failing_rollback() -> None:
    om = worked_example()
    with pytest.MonkeyPatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise MemoryError

        patch.setattr(OrderBook, "_drop_level", fail)
        patch.setattr(Books, "restore", fail)
        with suppress(MemoryError):
            om.remove_order(4)
        om.symbols()


def leave_twice() -> None:
    context = worked_example().transaction()
    with context:
        pass
    context.__exit__(None, None, None)


def leave_in_another_thread() -> None:
    context = worked_example().transaction()
    context.__enter__()
    in_a_thread(lambda: context.__exit__(None, None, None))


def leave_out_of_order() -> None:
    om = worked_example()
    outer, inner = om.transaction(), om.what_if()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)


def leave_inside_a_with_statement() -> None:
    context = worked_example().transaction()
    with context:
        context.__exit__(None, None, None)


def enter_twice() -> None:
    context = worked_example().transaction()
    with context:
        context.__enter__()


def make_two_callbacks_fail() -> None:
    om = worked_example()

    def fail(event: Event) -> None:
        raise ValueError(event.sequence)

    om.subscribe(fail)
    om.subscribe(fail)
    om.remove_order(1)


def read_the_version_of_an_uninstalled_distribution() -> None:
    def not_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "version", not_installed)
        _ = oms.__version__


class NewEvent(Event, NamedTuple("NewEvent", [("sequence", int)])):
    """A kind of event that does not define its symbol and its rows."""

    __slots__ = ()


def example_ids(parse: Any = str) -> IdMap[Any]:
    ids: IdMap[Any] = IdMap(parse)
    ids.new("8f2c-77")
    return ids


def follow_after_a_gap() -> None:
    om = OrderManagement(MemoryJournal())
    event = oms.OrderAdded(Order(1, "JPM", Side.BUY, 5, 20), sequence=2)
    om._ledger.follow((event,), {})  # type: ignore[attr-defined]  # the ledger of books with a journal


def read_keys_with_another_parse() -> None:
    om = OrderManagement(MemoryJournal())
    with om.transaction(example_ids().note("8f2c-77")):
        om.add_order(1, "JPM", Side.BUY, 20, 20)
    IdMap.from_history(om, int)


OTHERS: list[tuple[Callable[[], object], type[BaseException], str]] = [
    (
        lambda: worked_example().add_order(1, "IBM", Side.BUY, 1, 1),
        DuplicateOrderError,
        "order id 1 is already taken",
    ),
    (
        lambda: worked_example().add_orders([Order(9, "IBM", Side.BUY, 1, 1)] * 2),
        DuplicateOrderError,
        "order id 9 is already taken",
    ),
    (
        lambda: DirectBooks(worked_example(), "IBM").add((1, "IBM", Side.BUY, 1, 1)),
        DuplicateOrderError,
        "order id 1 is already taken",
    ),
    (lambda: worked_example().remove_order(9), OrderNotFoundError, "no order with id 9 is resting"),
    (
        lambda: change_orders(worked_example(), {9: 5}, []),
        OrderNotFoundError,
        "no order with id 9 is resting",
    ),
    (
        lambda: change_orders(worked_example(), {}, [Order(1, "IBM", Side.BUY, 1, 1)]),
        DuplicateOrderError,
        "order id 1 is already taken",
    ),
    (
        lambda: ids_of_a(str).new("a"),
        DuplicateOrderError,
        "order id 'a' is already taken",
    ),
    (lambda: IdMap()["a"], OrderNotFoundError, "no order with id 'a' is resting"),
    (lambda: IdMap().key_of(1), OrderNotFoundError, "no order with id 1 is resting"),
    (lambda: worked_example().get_order(9), OrderNotFoundError, "no order with id 9 is resting"),
    (
        lambda: worked_example().calculate_price("JPM", Side.BUY, 31),
        InsufficientLiquidityError,
        "JPM BUY: amount 31 requested, 30 available",
    ),
    (
        lambda: worked_example().quote("JPM", Side.BUY, 31),
        InsufficientLiquidityError,
        "JPM BUY: amount 31 requested, 30 available",
    ),
    (
        lambda: worked_example().calculate_amount("JPM", Side.SELL, 381),
        InsufficientLiquidityError,
        "JPM SELL: money 381 requested, 380 available",
    ),
    (
        lambda: worked_example().place_trade("JPM", Side.BUY, 22, max_total_price=440),
        PriceBoundError,
        "the total price 442 is above max_total_price 440",
    ),
    (
        lambda: worked_example().place_trade("JPM", Side.SELL, 20, min_total_price=381),
        PriceBoundError,
        "the total price 380 is below min_total_price 381",
    ),
    (
        copy_inside_a_transaction,
        OpenTransactionError,
        "copying, pickling, or taking a snapshot is not possible inside a transaction or a what-if; "
        "end it first",
    ),
    (
        close_inside_a_what_if,
        OpenTransactionError,
        "closing is not possible inside a transaction or a what-if; end it first",
    ),
    (
        use_in_another_context,
        OpenTransactionError,
        "another task, context, or thread has a transaction open in these books; "
        "call this after the transaction has ended, or where it was opened",
    ),
    (
        use_in_another_thread,
        OpenTransactionError,
        "another thread's transaction was still open after 0.01 seconds; "
        "end the transaction, or try again later",
    ),
    (
        use_in_the_middle_of_a_change,
        OpenTransactionError,
        "this thread is in the middle of another change of these books; "
        "in a signal handler or a finalizer, set a flag instead of calling a method",
    ),
    (
        use_while_the_journal_stores,
        OpenTransactionError,
        "this thread is in the middle of another change of these books; "
        "in a signal handler or a finalizer, set a flag instead of calling a method",
    ),
    (
        use_before_a_failing_rollback,
        OpenTransactionError,
        "an interrupted change could not be rolled back: MemoryError(); the next call tries again",
    ),
    (
        lambda: worked_example().transaction().__exit__(None, None, None),
        OpenTransactionError,
        "the transaction was not entered; enter it with a with statement",
    ),
    (leave_twice, OpenTransactionError, "the transaction has already ended; begin a new one"),
    (
        leave_in_another_thread,
        OpenTransactionError,
        "the transaction was rolled back, because another thread, task, or context ended it; "
        "end a transaction where it was entered",
    ),
    (
        leave_out_of_order,
        OpenTransactionError,
        "the transaction was rolled back, because a transaction inside it was still open; "
        "end the inner transaction first",
    ),
    (
        leave_inside_a_with_statement,
        OpenTransactionError,
        "only the with statement that entered this transaction can end it; leave its block",
    ),
    (
        enter_twice,
        OpenTransactionError,
        "the transaction was entered before; call transaction() or what_if() for a new one",
    ),
    (
        make_two_callbacks_fail,
        ExceptionGroup,
        "several subscribers failed after the change was made (2 sub-exceptions)",
    ),
    (lambda: IdMap()["a"], OrderNotFoundError, "no order with id 'a' is resting"),
    (lambda: IdMap().key_of(7), OrderNotFoundError, "no order with id 7 is resting"),
    (lambda: example_ids().new("8f2c-77"), DuplicateOrderError, "order id '8f2c-77' is already taken"),
    (
        lambda: [1] in IdMap(),
        InvalidArgumentError,
        "key must be hashable, not [1] (list); convert a list with tuple(key)",
    ),
    (
        lambda: example_ids(int).note("8f2c-77"),
        InvalidArgumentError,
        "key must be a key that parse(str(key)) restores, not '8f2c-77' (str); pass another parse",
    ),
    (
        read_keys_with_another_parse,
        InvalidArgumentError,
        "key must be text that parse converts to a hashable key, not '8f2c-77' (str); pass another parse",
    ),
    (
        lambda: OrderManagement(MemoryJournal()).set_instrument("JPM", CENT),
        JournalError,
        "MemoryJournal: it cannot store instruments; pass them to OrderManagement(journal, instruments=...)",
    ),
    (follow_after_a_gap, JournalError, "MemoryJournal: event 2 cannot follow event 0"),
    (lambda: NewEvent(1).symbol, NotImplementedError, "NewEvent does not define symbol"),
    (lambda: NewEvent(1).rows(), NotImplementedError, "NewEvent does not define rows"),
    (lambda: getattr(oms, "nothing"), AttributeError, "module 'oms' has no attribute 'nothing'"),  # noqa: B009 - mypy rejects `oms.nothing`
    (
        read_the_version_of_an_uninstalled_distribution,
        AttributeError,
        "oms.__version__ is unknown: oms-orderbook is not installed",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), OTHERS)
def test_every_other_error_has_a_message_that_describes_what_failed(
    call: Callable[[], object], kind: type[BaseException], message: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == message


LONG = [
    kind(10**digits) for kind in (int, float, str, Decimal) for digits in (20, 27, 28, 29, 38, 39, 41, 300)
]


@pytest.mark.parametrize("value", LONG, ids=lambda value: f"{type(value).__name__} of {len(str(value))}")
def test_a_value_with_many_digits_is_rejected_with_our_error(value: Any) -> None:
    om = OrderManagement()
    calls: dict[str, Callable[[], object]] = {
        "order_id": lambda: om.remove_order(value),
        "price": lambda: om.add_order(1, "JPM", Side.BUY, 1, value),
        "amount": lambda: om.add_order(1, "JPM", Side.BUY, value, 1),
    }
    for field, call in calls.items():
        with pytest.raises(InvalidOrderError) as caught:
            call()
        assert caught.value.field == field
        assert not (type(value) is int and caught.value.remedy)  # an int needs no conversion


def test_the_suggested_tick_size_has_every_decimal_of_a_long_price() -> None:
    text: Any = "0." + "1" * 35
    with pytest.raises(InvalidOrderError) as caught:
        OrderManagement().add_order(1, "JPM", Side.BUY, 1, text)
    assert caught.value.remedy == f"convert with Instrument('0.{'0' * 34}1', '1').to_ticks('{text}')"


# ---------------------------------------------------------------------- a matching engine


def submit(**terms: Any) -> Callable[[], object]:
    """Return a call that submits an order with these terms to an engine."""
    defaults: dict[str, Any] = {"order_id": "x", "symbol": "JPM", "side": Side.BUY, "amount": 1}
    return lambda: engine().submit(**defaults | terms)


def engine() -> MatchingEngine:
    """Return an engine with a resting order and a waiting stop order."""
    engine = MatchingEngine()
    engine.submit("a", "JPM", Side.SELL, 5, 101)
    engine.submit("stop", "JPM", Side.BUY, 5, stop_price=110)
    return engine


def load_the_state_of_another_class() -> None:
    MatchingEngine().__setstate__(OrderManagement().__getstate__())


def set_an_instrument_after_a_trade() -> None:
    other = engine()
    other.set_instrument("JPM", CENT)
    other.submit("b", "JPM", Side.BUY, 5, 101)
    other.cancel_all()
    other.set_instrument("JPM", Instrument("0.1"))


def follow_the_events_of_a_matching_engine() -> None:
    journal = MemoryJournal()
    MatchingEngine(journal).submit(1, "JPM", Side.BUY, 5, 20)
    OrderManagement(MemoryJournal())._ledger.follow(journal.events, {})  # type: ignore[attr-defined]  # as above


def open_the_events_of_an_order_management() -> None:
    journal = MemoryJournal()
    OrderManagement(journal).add_order(1, "JPM", Side.BUY, 5, 20)
    MatchingEngine(journal)


def open_the_snapshot_of_a_matching_engine() -> None:
    journal = MemoryJournal()
    journal.snapshot = engine().snapshot  # type: ignore[method-assign] # the journal of another class
    OrderManagement(journal)


def limited(**fields: Any) -> Callable[[], object]:
    """Return a call that submits Ann's second order, with these limits and terms."""
    limits = Limits(**{name: fields.pop(name) for name in list(fields) if name in Limits.__slots__})
    terms: dict[str, Any] = {"order_id": "x", "symbol": "JPM", "side": Side.BUY, "amount": 1, "owner": "Ann"}

    def call() -> object:
        other = engine()
        other.clock = lambda: 1000
        other.submit("first", "JPM", Side.BUY, 5, 90, owner="Ann")
        other.set_limits(limits)
        if limits.interval is not None:
            other.submit("second", "JPM", Side.BUY, 5, 90, owner="Ann")
        return other.submit(**terms | fields)

    return call


def killed() -> object:
    other = engine()
    other.kill(symbol="JPM")
    return other.submit("x", "JPM", Side.BUY, 1)


def kill_inside_a_transaction() -> None:
    other = engine()
    with other.transaction():
        other.kill()


def submit_without_the_clock_of_a_rate() -> None:
    other = MatchingEngine(clock=lambda: 1000, limits=Limits(max_submissions=1, interval=10))
    other.copy().submit("x", "JPM", Side.BUY, 1)


def submit_with_a_clock_that_changes_the_books() -> None:
    other = engine()
    other.clock = lambda: 1000 + len(other.cancel_all())
    other.set_limits(Limits(max_submissions=1, interval=10))
    other.submit("x", "JPM", Side.BUY, 1)


ANN = "JPM, owner 'Ann'"
KEY = "order_id must be an int of at most 256 bits or a non-empty str of valid Unicode"
OWNER = "owner must be a non-empty str of valid Unicode, or None"
EXPIRES = "expires must be a time for GTD orders, and None for all others"
ENGINE: list[tuple[Callable[[], object], type[oms.OmsError], str]] = [
    (
        load_the_state_of_another_class,
        InvalidArgumentError,
        "state must be the state of an object of the same class, OrderManagement or MatchingEngine, "
        r"not {'books': (0, 1, (), (), b'\x17\xe7\xb...\x0c:\x98\x0f'), 'own': {}} (dict)",
    ),
    (
        set_an_instrument_after_a_trade,
        InvalidArgumentError,
        "instrument must be an Instrument with tick_size '0.01' and lot_size '1' "
        "while 'JPM' has open orders or has traded, "
        "not Instrument(tick_size='0.1', lot_size='1') (Instrument); "
        "before the first trade, cancel the open orders; after it, use a new MatchingEngine",
    ),
    (
        lambda: MatchingEngine(self_trade_prevention="NONE"),  # type: ignore[arg-type] # the mistake
        InvalidArgumentError,
        "self_trade_prevention must be a member of SelfTradePrevention, not 'NONE' (str)",
    ),
    (
        lambda: MatchingEngine.from_snapshot(OrderManagement().snapshot()),
        InvalidArgumentError,
        "engine must be the EngineState of a MatchingEngine with the same orders, not None (NoneType); "
        "get it from MatchingEngine.snapshot()",
    ),
    (
        lambda: OrderManagement.from_snapshot(MatchingEngine().snapshot()),
        InvalidArgumentError,
        "engine must be None, because an OrderManagement has no register, "
        "not EngineState(n...NONE: 'NONE'>) (EngineState); "
        "restore it with MatchingEngine.from_snapshot",
    ),
    (
        open_the_events_of_an_order_management,
        JournalError,
        "MemoryJournal: it contains the changes of an OrderManagement; open it with journal.open",
    ),
    (
        follow_the_events_of_a_matching_engine,
        JournalError,
        "MemoryJournal: it contains the changes of a MatchingEngine; open it with journal.open_engine",
    ),
    (
        open_the_snapshot_of_a_matching_engine,
        JournalError,
        "MemoryJournal: it contains the changes of a MatchingEngine; open it with journal.open_engine",
    ),
    (submit(order_id="a"), DuplicateOrderError, "order id 'a' is already taken"),
    (lambda: engine().cancel("b"), OrderNotFoundError, "no order with id 'b' is resting"),
    (submit(order_id=1.5), InvalidOrderError, f"{KEY}, not 1.5 (float)"),
    (submit(order_id=10**5000), InvalidOrderError, f"{KEY}, not an int of 16610 bits (int)"),
    (submit(order_id="\ud800"), InvalidOrderError, f"{KEY}, not '\\ud800' (str)"),
    (submit(order_id=b"a"), InvalidOrderError, f"{KEY}, not b'a' (bytes); convert with order_id.decode()"),
    (submit(owner=7), InvalidOrderError, f"{OWNER}, not 7 (int)"),
    (submit(owner="\ud800"), InvalidOrderError, f"{OWNER}, not '\\ud800' (str)"),
    (
        submit(time_in_force="GTC"),
        InvalidOrderError,
        "time_in_force must be a member of TimeInForce, not 'GTC' (str)",
    ),
    (
        submit(price=1, post_only=True),
        InvalidOrderError,
        "post_only must be a member of PostOnly, or None, not True (bool)",
    ),
    (
        submit(post_only=PostOnly.SLIDE),
        InvalidOrderError,
        "post_only must be None unless the order has a price, has no stop price, and is neither IOC nor FOK, "
        "not <PostOnly.SLIDE: 'SLIDE'> (PostOnly)",
    ),
    (
        submit(display=3),
        InvalidOrderError,
        "display must be None unless the order has a price and is neither IOC nor FOK, not 3 (int)",
    ),
    (
        submit(price=1, amount=20_001, display=2),
        InvalidOrderError,
        "display must be at least 3 for 20001 lots, because an order has at most 10,000 parts, not 2 (int)",
    ),
    (submit(price=1, expires=3), InvalidOrderError, f"{EXPIRES}, not 3 (int)"),
    (
        submit(price=1, time_in_force=TimeInForce.GTD),
        InvalidOrderError,
        f"{EXPIRES}, not None (NoneType)",
    ),
    (
        lambda: engine().reduce("a", 5),
        InvalidOrderError,
        "amount must be less than the open amount 5, not 5 (int); use cancel to remove the order",
    ),
    (
        lambda: Limits(max_amount=0),
        InvalidArgumentError,
        "max_amount must be an int >= 1, or None, not 0 (int)",
    ),
    (
        lambda: Limits(collar=1.5),  # type: ignore[arg-type] # the mistake
        InvalidArgumentError,
        "collar must be an int >= 0, or None, not 1.5 (float)",
    ),
    (
        lambda: Limits(collar_reference="LAST_PRICE"),  # type: ignore[arg-type] # the mistake
        InvalidArgumentError,
        "collar_reference must be a member of CollarReference, not 'LAST_PRICE' (str)",
    ),
    (
        lambda: Limits(max_submissions=5),
        InvalidArgumentError,
        "interval must be an int if max_submissions is set, and None otherwise, not None (NoneType); "
        "pass both or neither",
    ),
    (
        lambda: engine().set_limits({"max_amount": 5}),  # type: ignore[arg-type] # the mistake
        InvalidArgumentError,
        "limits must be Limits, or None, not {'max_amount': 5} (dict)",
    ),
    (
        lambda: engine().set_limits(Limits(max_submissions=5, interval=9)),
        InvalidArgumentError,
        "clock must be a callable while a rate is limited, not None (NoneType); "
        "set the clock of the engine first",
    ),
    (
        lambda: engine().kill(cancel_orders=1),  # type: ignore[arg-type] # the mistake
        InvalidArgumentError,
        "cancel_orders must be True or False, not 1 (int)",
    ),
    (
        kill_inside_a_transaction,
        OpenTransactionError,
        "switching on a kill switch is not possible inside a transaction or a what-if; end it first",
    ),
    (
        submit_without_the_clock_of_a_rate,
        InvalidArgumentError,
        "clock must be a callable while a rate is limited, not None (NoneType); "
        "set the clock of the engine first",
    ),
    (
        submit_with_a_clock_that_changes_the_books,
        OpenTransactionError,
        "the clock changed these books; use a clock that only returns the time",
    ),
    (
        limited(max_amount=100, amount=500),
        AmountLimitError,
        f"{ANN}: the amount 500 is above max_amount 100; submit less",
    ),
    (
        limited(max_notional=9_000, amount=100, price=100),
        NotionalLimitError,
        f"{ANN}: the notional 10000 is above max_notional 9000; submit less",
    ),
    (
        limited(collar=4, price=106),
        PriceCollarError,
        f"{ANN}: the price 106 is above the price collar; submit 105 or lower",
    ),
    (
        limited(collar=4, price=106, stop_price=120, side=Side.SELL),
        PriceCollarError,
        f"{ANN}: the price 106 is below the price collar; submit 116 or higher",
    ),
    (
        limited(max_open_orders=1, price=99),
        OpenOrdersLimitError,
        f"{ANN}: 2 open orders would be above max_open_orders 1; cancel one",
    ),
    (
        limited(max_open_amount=5, price=99),
        OpenAmountLimitError,
        f"{ANN}: the open amount 6 would be above max_open_amount 5; reduce it first",
    ),
    (
        limited(max_submissions=1, interval=10),
        RateLimitError,
        f"{ANN}: submission 2 is above max_submissions 1; submit at 1010 or later",
    ),
    (killed, KillSwitchError, "JPM: a kill switch is on; lift it with lift_kill()"),
    (
        lambda: engine().queue_ahead("stop"),
        InvalidOrderError,
        "order_id must be the id of an order in the book, not 'stop' (str); "
        "this order waits for its stop price",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ENGINE)
def test_a_matching_engine_says_what_is_allowed(
    call: Callable[[], object], kind: type[BaseException], message: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == message


# ---------------------------------------------------------------------- an account


def read_while_booking() -> None:
    other = engine()
    account = Account(other)
    other.submit("b", "JPM", Side.BUY, 5, 101)
    with pytest.MonkeyPatch.context() as patch:

        def call_handler(*_: object) -> None:
            patch.undo()
            account.positions()

        patch.setattr("oms.account.fills_of", call_handler)
        account.positions()


def read_after_a_lost_event() -> None:
    other = engine()
    account = Account(other)
    callbacks, other._ledger.subscribers.callbacks = other._ledger.subscribers.callbacks, {}
    other.cancel("a")
    other._ledger.subscribers.callbacks = callbacks
    account.positions()


def continue_history_after_its_source() -> None:
    events: list[Event] = []
    om = OrderManagement()
    om.subscribe(events.append)
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    Account(OrderManagement(), history=events)


def skip_an_event() -> None:
    events: list[Event] = []
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    om.subscribe(events.append)
    om.add_order(2, "JPM", Side.BUY, 1, 1)
    Account(om, history=events)


def mistaken(make: Callable[..., object], **arguments: Any) -> Callable[[], object]:
    """Return a call with these arguments, which type checkers would reject."""
    return lambda: make(**arguments)


RATE = "must be an exact number: decimal text, an int, a Decimal, or a Fraction"
SOURCE = "source must be a MatchingEngine or an OrderManagement"
TIERS = "tiers must be an iterable of FeeTiers with ascending volumes"
ACCOUNTS: list[tuple[Callable[[], object], type[oms.OmsError], str]] = [
    (
        mistaken(Account, cost_basis="FIFO"),
        InvalidArgumentError,
        "cost_basis must be a member of CostBasis, not 'FIFO' (str)",
    ),
    (
        mistaken(Account, record=1),
        InvalidArgumentError,
        "record must be True or False, not 1 (int); convert with bool(record)",
    ),
    (mistaken(Account, source="JPM"), InvalidArgumentError, f"{SOURCE}, not 'JPM' (str)"),
    (mistaken(Account().follow, source=None), InvalidArgumentError, f"{SOURCE}, not None (NoneType)"),
    (
        lambda: Account(engine()).follow(engine()),
        InvalidArgumentError,
        "source must be the only source of this account, not <MatchingEngi...ers in 1 book> "
        "(MatchingEngine); call close() first, or use account.copy()",
    ),
    (
        mistaken(Account, history=7),
        InvalidArgumentError,
        "history must be an iterable of events, not 7 (int); pass journal.read()",
    ),
    (
        mistaken(Account, history=[7]),
        InvalidArgumentError,
        "history must be an iterable of events, not 7 (int); pass journal.read()",
    ),
    (
        skip_an_event,
        InvalidArgumentError,
        "the next event must be event 1, which follows the last one that was booked, not 2 (int); "
        "pass the events from 1 on as history, such as journal.read(1)",
    ),
    (
        read_after_a_lost_event,
        InvalidArgumentError,
        "the last event that was booked must be event 3, the last one of the source, not 2 (int); "
        "pass the events from 3 on as history, such as journal.read(3)",
    ),
    (
        continue_history_after_its_source,
        InvalidArgumentError,
        "the last event that was booked must be event 0, the last one of the source, not 1 (int); "
        "follow the source of these events",
    ),
    (
        read_while_booking,
        OpenTransactionError,
        "this thread is in the middle of booking events; "
        "in a signal handler or a finalizer, set a flag instead of calling a method",
    ),
    (
        lambda: Account().curve("JPM"),
        InvalidArgumentError,
        "record must be True for a curve, not False (bool); use Account(source, record=True)",
    ),
    (
        mistaken(Account().unrealized, symbol="JPM", mark=20.25),
        InvalidArgumentError,
        "mark must be an int or a Fraction, in ticks, not 20.25 (float); "
        "convert with Instrument('0.01', '1').to_ticks('20.25')",
    ),
    (
        mistaken(Account, fees=5),
        InvalidArgumentError,
        "fees must be a FeeSchedule, not 5 (int); write FeeSchedule(maker_bps=1, taker_bps=5)",
    ),
    (
        mistaken(Account, fees={"JPM": 5}),
        InvalidArgumentError,
        "fees['JPM'] must be a FeeSchedule, not 5 (int); write FeeSchedule(maker_bps=1, taker_bps=5)",
    ),
    (
        mistaken(FeeSchedule, maker_bps=0.5),
        InvalidArgumentError,
        f"maker_bps {RATE}, not 0.5 (float); write '0.5'",
    ),
    (mistaken(FeeSchedule, taker_bps="x"), InvalidArgumentError, f"taker_bps {RATE}, not 'x' (str)"),
    (
        mistaken(FeeSchedule, tiers=5),
        InvalidArgumentError,
        f"{TIERS}, not 5 (int); write [FeeTier(volume, ...)]",
    ),
    (mistaken(FeeSchedule, tiers=[5]), InvalidArgumentError, f"{TIERS}, not (5,) (tuple)"),
    (
        mistaken(FeeSchedule, tiers=[FeeTier(2), FeeTier(1)]),
        InvalidArgumentError,
        f"{TIERS}, not (FeeTier(volume=2), FeeTier(volume=1)) (tuple); "
        "sort them by volume, and write each volume once",
    ),
    (
        mistaken(FeeSchedule, tier_by="AMOUNT"),
        InvalidArgumentError,
        "tier_by must be a member of FeeVolume, not 'AMOUNT' (str)",
    ),
    (
        mistaken(FeeSchedule, round_to=0),
        InvalidArgumentError,
        "round_to must be an int >= 1, not 0 (int)",
    ),
    (
        mistaken(FeeTier, volume=np.int64(5)),
        InvalidArgumentError,
        "volume must be an int >= 1, not np.int64(5) (int64); "
        "convert with int(volume), or a whole array with .tolist()",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ACCOUNTS)
def test_an_account_says_what_is_allowed(
    call: Callable[[], object], kind: type[BaseException], message: str
) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == message


# ---------------------------------------------------------------------- completeness

CORE = Path(oms.__file__).parent


def raise_statements() -> dict[tuple[str, int], str]:
    """Return every statement in the core that raises a new error, by its file and by each of its lines."""
    return {
        (path.name, line): f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for path in CORE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def origins_of(call: Callable[[], object]) -> set[tuple[str, int]]:
    """Return the files and lines of the core in the traceback of the error of a call."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the tests above check each type and message
        call()
    frames = [
        (Path(frame.f_code.co_filename), line)
        for frame, line in traceback.walk_tb(caught.value.__traceback__)
    ]
    return {(file.name, line) for file, line in frames if file.parent == CORE}


def test_this_file_contains_a_message_of_every_raise_statement_in_the_core() -> None:
    statements = raise_statements()
    calls: list[Callable[[], object]] = [partial(row[0], OrderManagement(), row[2]) for row in CALLS]
    calls += [row[0] for row in ORDERS] + [row[0] for row in ARGUMENTS]
    calls += [row[0] for row in OTHERS] + [row[0] for row in ENGINE] + [row[0] for row in ACCOUNTS]
    origins = {statements.get(origin) for call in calls for origin in origins_of(call)}
    assert set(statements.values()) - origins == set()
