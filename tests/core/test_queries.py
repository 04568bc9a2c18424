"""Queries: quotes, many prices, budgets, and slippage. Each returns an exact result or raises an error."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    InsufficientLiquidityError,
    InvalidOrderError,
    OmsError,
    Order,
    OrderFill,
    OrderManagement,
    OrderNotFoundError,
    PriceBoundError,
    Quote,
    Side,
    Trade,
)
from support import strategies as our
from support.reference import Reference

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def om() -> OrderManagement:
    """Return books with two asks and two bids."""
    om = OrderManagement()
    om.add_orders(
        [
            Order(1, "JPM", BUY, 20, 20),
            Order(4, "JPM", BUY, 10, 21),
            Order(2, "JPM", SELL, 20, 19),
            Order(3, "JPM", SELL, 10, 18),
        ]
    )
    return om


def both(orders: list[Order]) -> tuple[OrderManagement, Reference]:
    om, reference = OrderManagement(), Reference()
    om.add_orders(orders)
    reference.add_orders(orders)
    return om, reference


# ---------------------------------------------------------------------- quotes


def test_a_quote_describes_a_trade_and_changes_nothing(om: OrderManagement) -> None:
    assert om.quote("JPM", BUY, 22) == Quote(
        "JPM", BUY, 22, 22, 0, 442, 20, 21, 2, (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    )
    assert om.calculate_price("JPM", BUY, 30) == 610


@pytest.mark.parametrize(
    ("side", "limit", "amount"), [(BUY, 20, 20), (BUY, 21, 30), (SELL, 19, 20), (SELL, 18, 30), (SELL, 1, 30)]
)
def test_a_limit_price_is_the_worst_price_at_which_a_trade_is_filled(
    om: OrderManagement, side: Side, limit: int, amount: int
) -> None:
    assert om.available_amount("JPM", side, limit_price=limit) == amount
    assert om.quote("JPM", side, 1000, limit_price=limit, allow_partial=True).amount == amount
    with pytest.raises(InsufficientLiquidityError) as caught:
        om.quote("JPM", side, 1000, limit_price=limit)
    assert (caught.value.requested, caught.value.available) == (1000, amount)


@pytest.mark.parametrize(("side", "limit"), [(BUY, 19), (SELL, 20)])
def test_a_book_without_liquidity_raises_an_error_even_with_allow_partial(
    om: OrderManagement, side: Side, limit: int
) -> None:
    for call in (om.quote, om.place_trade):
        with pytest.raises(InsufficientLiquidityError) as caught:
            call("JPM", side, 1, limit_price=limit, allow_partial=True)
        assert caught.value.available == 0
    with pytest.raises(InsufficientLiquidityError):
        om.quote("IBM", side, 1, allow_partial=True)


def test_average_price_and_slippage_are_correctly_rounded_floats_of_exact_integers() -> None:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", BUY, our.HUGE - n, our.HUGE - n) for n in range(3)])
    quote = om.quote("JPM", BUY, 3 * our.HUGE - 3)
    assert quote.average_price == float(Fraction(quote.total_price, quote.amount))
    at_best = quote.amount * quote.best_price
    assert quote.slippage == abs(quote.total_price - at_best)
    assert quote.slippage_bps == float(Fraction(10_000 * quote.slippage, at_best))
    trade = om.place_trade("JPM", BUY, quote.amount)
    assert trade.average_price == quote.average_price


@given(st.integers(1, 2**200), st.integers(1, 2**70), st.integers(1, our.HUGE))
def test_every_float_of_a_quote_is_the_one_nearest_to_the_exact_fraction(
    total: int, amount: int, best: int
) -> None:
    quote = Quote("JPM", BUY, amount, amount, 0, total, best, best, 1, ())
    assert quote.average_price == float(Fraction(total, amount))
    assert quote.slippage_bps == float(Fraction(10_000 * quote.slippage, amount * best))
    assert Trade(1, "JPM", BUY, amount, total, ()).average_price == quote.average_price


@given(our.distinct_orders(), our.symbols, our.sides, our.requested_amounts, our.requested_amounts)
def test_a_larger_amount_never_has_a_better_average_price(
    orders: list[Order], symbol: str, side: Side, one: int, other: int
) -> None:
    om, _ = both(orders)
    small, large = sorted((one, other))
    try:
        costs = om.calculate_prices(symbol, side, [small, large])
    except InsufficientLiquidityError:
        return
    small_average, large_average = Fraction(costs[0], small), Fraction(costs[1], large)
    assert small_average <= large_average if side is BUY else small_average >= large_average


@given(our.distinct_orders(), our.symbols, our.sides, our.requested_amounts, our.limits, st.booleans())
def test_the_quote_the_price_and_the_next_trade_have_the_same_total(
    orders: list[Order], symbol: str, side: Side, amount: int, limit: int | None, partial: bool
) -> None:
    om, _ = both(orders)
    options: dict[str, Any] = {"limit_price": limit, "allow_partial": partial}
    try:
        quote = om.quote(symbol, side, amount, **options)
    except InsufficientLiquidityError as error:
        with pytest.raises(InsufficientLiquidityError) as caught:
            om.place_trade(symbol, side, amount, **options)
        assert caught.value.args == error.args
        return
    assert om.calculate_price(symbol, side, quote.amount) == quote.total_price
    trade = om.place_trade(symbol, side, amount, **options)
    assert trade[1:] == (symbol, side, quote.amount, quote.total_price, quote.fills)


# ---------------------------------------------------------------------- many prices at once


def test_calculate_prices_accepts_amounts_in_any_order_and_with_repetitions(om: OrderManagement) -> None:
    assert om.calculate_prices("JPM", BUY, iter([22, 10, 22, 30])) == [442, 200, 442, 610]
    assert om.calculate_prices("IBM", BUY, []) == []


@given(
    our.distinct_orders(),
    our.distinct_orders(12),
    our.symbols,
    our.sides,
    st.lists(our.requested_amounts, max_size=30),
    our.requested_amounts,
)
def test_calculate_prices_equals_calculate_price_for_each_amount_even_after_changes(
    orders: list[Order], changes: list[Order], symbol: str, side: Side, amounts: list[int], cached: int
) -> None:
    om, _ = both(orders)

    def compare() -> None:
        alone: list[int] = []
        try:
            alone.extend(om.calculate_price(symbol, side, amount) for amount in amounts)
        except InsufficientLiquidityError as error:
            with pytest.raises(InsufficientLiquidityError) as caught:
                om.calculate_prices(symbol, side, amounts)
            assert caught.value.args == error.args
        else:
            assert om.calculate_prices(symbol, side, amounts) == alone

    fresh = om.copy()  # nothing is cached yet
    with suppress(InsufficientLiquidityError):
        assert fresh.calculate_prices(symbol, side, [cached]) == [om.calculate_price(symbol, side, cached)]
    compare()
    for order in changes:
        if order.order_id in om:
            om.remove_order(order.order_id)
        else:
            om.add_order(*order)
        compare()


def test_a_price_curve_has_one_row_per_level_and_columns_of_equal_length(om: OrderManagement) -> None:
    assert om.price_curve("JPM", SELL) == {
        "price": [19, 18],
        "amount": [20, 10],
        "cumulative_amount": [20, 30],
        "cumulative_price": [380, 560],
    }
    assert om.price_curve("JPM", BUY, 1)["cumulative_price"] == [400]
    assert set(map(tuple, om.price_curve("IBM", BUY).values())) == {()}
    assert om.price_curve("JPM", BUY, 2**70)["price"] == [20, 21]
    assert len(om.depth("JPM", BUY, 2**70)) == 2


def test_numpy_pandas_and_polars_accept_a_price_curve_unchanged(om: OrderManagement) -> None:
    curve = om.price_curve("JPM", SELL)
    assert {name: np.array(column).dtype for name, column in curve.items()} == dict.fromkeys(
        curve, np.dtype(np.int64)
    )
    assert pd.DataFrame(curve).to_dict("list") == curve
    assert pl.DataFrame(curve).to_dict(as_series=False) == curve


# ---------------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("budget", "amount"), [(19, 0), (20, 1), (399, 19), (400, 20), (420, 20), (421, 21), (10**30, 30)]
)
def test_a_buy_budget_buys_the_largest_amount_it_can_pay_for(
    om: OrderManagement, budget: int, amount: int
) -> None:
    assert om.calculate_amount("JPM", BUY, budget) == amount


@pytest.mark.parametrize(("budget", "amount"), [(1, 1), (19, 1), (20, 2), (380, 20), (381, 21), (560, 30)])
def test_a_sell_budget_sells_the_smallest_amount_that_raises_it(
    om: OrderManagement, budget: int, amount: int
) -> None:
    assert om.calculate_amount("JPM", SELL, budget) == amount


def test_a_sell_budget_above_the_value_of_the_book_raises_insufficient_liquidity_in_money(
    om: OrderManagement,
) -> None:
    for limit, raised in ((None, 560), (19, 380)):
        with pytest.raises(InsufficientLiquidityError) as caught:
            om.calculate_amount("JPM", SELL, 561, limit_price=limit)
        assert (caught.value.requested, caught.value.available, caught.value.unit) == (561, raised, "money")


def test_in_an_empty_book_a_budget_buys_nothing_and_no_amount_is_within_a_slippage() -> None:
    om = OrderManagement()
    assert om.calculate_amount("JPM", BUY, 100) == 0
    assert om.available_amount("JPM", BUY) == 0
    assert om.amount_within("JPM", BUY, 100) == 0
    with pytest.raises(InsufficientLiquidityError):
        om.calculate_amount("JPM", SELL, 1)


@pytest.mark.parametrize(("bps", "amount"), [(0, 20), (45, 21), (46, 22), (10**9, 30)])
def test_amount_within_returns_the_largest_amount_within_the_slippage(
    om: OrderManagement, bps: int, amount: int
) -> None:
    assert om.amount_within("JPM", BUY, bps) == amount
    assert om.quote("JPM", BUY, amount).slippage_bps <= bps


@given(our.distinct_orders(), our.symbols, our.sides, our.budgets, our.limits, our.bps)
def test_calculate_amount_and_amount_within_agree_with_a_linear_search(
    orders: list[Order], symbol: str, side: Side, budget: int, limit: int | None, bps: int
) -> None:
    om, reference = both(orders)
    assert om.amount_within(symbol, side, bps) == reference.amount_within(symbol, side, bps)
    try:
        expected = reference.calculate_amount(symbol, side, budget, limit_price=limit)
    except InsufficientLiquidityError as error:
        with pytest.raises(InsufficientLiquidityError) as caught:
            om.calculate_amount(symbol, side, budget, limit_price=limit)
        assert caught.value.args == error.args
    else:
        assert om.calculate_amount(symbol, side, budget, limit_price=limit) == expected


@given(
    st.lists(st.tuples(st.integers(10_000, 60_000), st.integers(1, 10**9)), min_size=2, max_size=6),
    our.sides,
    st.integers(0, 500),
)
def test_one_more_lot_than_amount_within_returns_is_beyond_the_slippage(
    levels: list[tuple[int, int]], side: Side, bps: int
) -> None:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", side, amount, price) for n, (price, amount) in enumerate(levels))
    largest = om.amount_within("JPM", side, bps)
    assert _is_within(om, side, largest, bps)
    assert largest == om.available_amount("JPM", side) or not _is_within(om, side, largest + 1, bps)


def _is_within(om: OrderManagement, side: Side, amount: int, bps: int) -> bool:
    quote = om.quote("JPM", side, amount)
    return 10_000 * quote.slippage <= bps * quote.best_price * amount


# ---------------------------------------------------------------------- trades with a price bound


def test_a_trade_within_its_price_bound_is_placed(om: OrderManagement) -> None:
    assert om.place_trade("JPM", BUY, 22, max_total_price=442).total_price == 442
    assert om.place_trade("JPM", SELL, 22, min_total_price=416).total_price == 416


@pytest.mark.parametrize(
    ("side", "field", "bound", "total", "worse"),
    [(BUY, "max_total_price", 441, 442, "above"), (SELL, "min_total_price", 417, 416, "below")],
)
def test_a_trade_beyond_its_price_bound_raises_an_error_with_the_price(
    om: OrderManagement, side: Side, field: str, bound: int, total: int, worse: str
) -> None:
    before = om.state_hash()
    options: dict[str, Any] = {field: bound}
    message = f"^the total price {total} is {worse} {field} {bound}$"
    with pytest.raises(PriceBoundError, match=message) as caught:
        om.place_trade("JPM", side, 22, **options)
    assert (caught.value.bound, caught.value.total_price) == (bound, total)
    assert om.state_hash() == before


@pytest.mark.parametrize(
    ("side", "field", "right"),
    [(SELL, "max_total_price", "min_total_price"), (BUY, "min_total_price", "max_total_price")],
)
def test_a_price_bound_of_the_other_side_is_rejected(
    om: OrderManagement, side: Side, field: str, right: str
) -> None:
    options: dict[str, Any] = {field: 5}
    with pytest.raises(InvalidOrderError) as caught:
        om.place_trade("JPM", side, 1, **options)
    assert str(caught.value) == f"{field} must be None for a {side} trade, not 5 (int); use {right}"


def test_allow_partial_trades_the_available_amount(om: OrderManagement) -> None:
    trade = om.place_trade("JPM", BUY, 1000, limit_price=20, allow_partial=True)
    assert (trade.amount, trade.total_price) == (20, 400)
    assert om.best_price("JPM", BUY) == 21


# ---------------------------------------------------------------------- rejected arguments

POSITIVE = [value for value in [*our.NOT_INTS, 0, -1] if value is not None]
QUERIES: dict[str, Any] = {
    "amount": lambda om, x: om.quote("JPM", BUY, x),
    "limit_price": lambda om, x: om.quote("JPM", BUY, 1, limit_price=x),
    "limit_price ": lambda om, x: om.calculate_amount("JPM", BUY, 1, limit_price=x),
    " limit_price": lambda om, x: om.available_amount("JPM", BUY, limit_price=x),
    "amounts": lambda om, x: om.calculate_prices("JPM", BUY, [1, x]),
    "levels": lambda om, x: om.price_curve("JPM", BUY, x),
    "budget": lambda om, x: om.calculate_amount("JPM", BUY, x),
    "max_total_price": lambda om, x: om.place_trade("JPM", BUY, 1, max_total_price=x),
    "min_total_price": lambda om, x: om.place_trade("JPM", SELL, 1, min_total_price=x),
}


@pytest.mark.parametrize("field", QUERIES)
@pytest.mark.parametrize("value", POSITIVE, ids=lambda value: f"{value!r}-{type(value).__name__}")
def test_an_invalid_argument_of_a_query_is_rejected_and_the_message_names_it(
    om: OrderManagement, field: str, value: object
) -> None:
    with pytest.raises(InvalidOrderError, match=f"^{field.strip()} must be an int >= 1"):
        QUERIES[field](om, value)


@pytest.mark.parametrize("value", [*POSITIVE[:-2], None, -1], ids=lambda value: type(value).__name__)
def test_a_slippage_that_is_not_a_whole_number_of_basis_points_is_rejected(
    om: OrderManagement, value: Any
) -> None:
    with pytest.raises(InvalidOrderError, match="max_slippage_bps must be an int >= 0"):
        om.amount_within("JPM", BUY, value)


@pytest.mark.parametrize("value", [None, 1, 0, "yes"], ids=repr)
def test_an_allow_partial_other_than_true_or_false_is_rejected(om: OrderManagement, value: Any) -> None:
    with pytest.raises(InvalidOrderError, match="allow_partial must be True or False"):
        om.quote("JPM", BUY, 1, allow_partial=value)


def test_amounts_that_are_not_iterable_are_rejected(om: OrderManagement) -> None:
    bad: Any = 5
    with pytest.raises(InvalidOrderError, match="amounts must be an iterable of int >= 1"):
        om.calculate_prices("JPM", BUY, bad)


@pytest.mark.parametrize("query", ["quote", "calculate_prices", "price_curve", "calculate_amount"])
@pytest.mark.parametrize("name", [("", BUY), ("JPM", "BUY"), (None, BUY), ("JPM", 1)], ids=repr)
def test_every_query_rejects_an_invalid_symbol_or_side(
    om: OrderManagement, query: str, name: tuple[Any, Any]
) -> None:
    arguments: dict[str, list[Any]] = {"quote": [1], "calculate_prices": [[1]], "calculate_amount": [1]}
    with pytest.raises(OmsError, match=r"^(symbol|side) must be"):
        getattr(om, query)(*name, *arguments.get(query, []))
    for method in ("available_amount", "amount_within"):
        with pytest.raises(OmsError, match=r"^(symbol|side) must be"):
            getattr(om, method)(*name, *([1] if method == "amount_within" else []))


# ---------------------------------------------------------------------- the queue


def test_an_order_is_behind_all_orders_at_its_price_that_have_lower_ids(om: OrderManagement) -> None:
    om.add_orders([Order(9, "JPM", BUY, 5, 20), Order(8, "JPM", BUY, 7, 20), Order(0, "JPM", BUY, 3, 19)])
    assert [om.queue_ahead(order_id) for order_id in (1, 8, 9, 4, 0)] == [
        (0, 0),
        (1, 20),
        (2, 27),
        (0, 0),
        (0, 0),
    ]


def test_a_trade_and_a_change_of_amount_shorten_the_queue_ahead_of_an_order(om: OrderManagement) -> None:
    om.add_order(9, "JPM", BUY, 5, 20)
    om.place_trade("JPM", BUY, 3)
    assert om.queue_ahead(9) == (1, 17)
    om.amend_order(1, amount=2)
    assert om.queue_ahead(9) == (1, 2)
    om.place_trade("JPM", BUY, 2)
    assert om.queue_ahead(9) == (0, 0)


def test_an_id_that_is_not_resting_has_no_queue(om: OrderManagement) -> None:
    with pytest.raises(OrderNotFoundError):
        om.queue_ahead(7)
    with pytest.raises(InvalidOrderError):
        om.queue_ahead(True)


@given(orders=our.distinct_orders(), order_id=our.order_ids)
def test_the_queue_ahead_agrees_with_the_reference(orders: list[Order], order_id: int) -> None:
    om, reference = both(orders)
    if order_id in om:
        assert om.queue_ahead(order_id) == reference.queue_ahead(order_id)
    else:
        with pytest.raises(OrderNotFoundError):
            om.queue_ahead(order_id)
