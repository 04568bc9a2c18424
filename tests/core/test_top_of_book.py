"""The best bid and ask of a symbol, the indicators computed from them, and the slippage against a price."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidOrderError, Order, OrderManagement, Side, TopOfBook
from oms.models import MAX_INT
from support import strategies as our

BUY, SELL = Side.BUY, Side.SELL
numbers = st.integers(1, MAX_INT)
tops = st.builds(TopOfBook, st.just("JPM"), numbers, numbers, numbers, numbers)


def test_the_bid_is_the_best_sell_order_and_the_ask_is_the_best_buy_order() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 3, 20), Order(3, "JPM", BUY, 9, 21)])
    om.add_orders([Order(4, "JPM", SELL, 15, 17), Order(5, "JPM", SELL, 30, 16)])
    assert om.top("JPM") == TopOfBook("JPM", bid=17, ask=20, bid_amount=15, ask_amount=23)
    om.place_trade("JPM", BUY, 23)
    assert om.top("JPM") == TopOfBook("JPM", bid=17, ask=21, bid_amount=15, ask_amount=9)


@given(our.distinct_orders(), our.symbols)
def test_the_top_of_a_book_is_its_best_level_on_each_side(orders: list[Order], symbol: str) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    top = om.top(symbol)
    assert (top.symbol, top.bid, top.ask) == (symbol, om.best_price(symbol, SELL), om.best_price(symbol, BUY))
    for side, amount in ((SELL, top.bid_amount), (BUY, top.ask_amount)):
        assert amount == sum(level.amount for level in om.depth(symbol, side, 1))


@pytest.mark.parametrize(("bid", "ask"), [(None, 20), (17, None), (None, None)])
def test_an_indicator_is_none_if_a_side_is_empty(bid: int | None, ask: int | None) -> None:
    om = OrderManagement()
    for order_id, (side, price) in enumerate([(SELL, bid), (BUY, ask)]):
        if price is not None:
            om.add_order(order_id, "JPM", side, 5, price)
    top = om.top("JPM")
    assert top == TopOfBook("JPM", bid, ask, 5 * (bid is not None), 5 * (ask is not None))
    assert (top.spread, top.mid, top.imbalance, top.microprice) == (None, None, None, None)


@pytest.mark.parametrize("symbol", ["", None, 7, "\ud800"])
def test_an_invalid_symbol_is_rejected(symbol: Any) -> None:
    with pytest.raises(InvalidOrderError, match="symbol must be a non-empty str"):
        OrderManagement().top(symbol)


def test_the_indicators_of_an_example() -> None:
    top = TopOfBook("JPM", bid=1998, ask=2001, bid_amount=30, ask_amount=10)
    assert (top.spread, top.mid) == (3, Fraction("1999.5"))
    assert (top.imbalance, top.microprice) == (Fraction("0.5"), Fraction("2000.25"))


@given(tops)
def test_the_indicators_are_exact_and_follow_from_one_another(top: TopOfBook) -> None:
    assert top.bid is not None
    assert top.spread is not None
    assert top.mid is not None
    assert top.imbalance is not None
    assert top.microprice is not None
    assert top.mid - top.bid == Fraction(top.spread) / 2
    assert top.microprice == top.mid + top.imbalance * top.spread / 2
    assert -1 < top.imbalance < 1
    assert {type(number) for number in (top.mid, top.imbalance, top.microprice)} == {Fraction}
    assert type(top.spread) is int


@given(tops)
def test_swapped_sides_give_the_opposite_spread_and_imbalance_and_the_same_mid_price(top: TopOfBook) -> None:
    other = TopOfBook("JPM", top.ask, top.bid, top.ask_amount, top.bid_amount)
    assert (other.mid, other.microprice) == (top.mid, top.microprice)
    assert top.spread is not None
    assert top.imbalance is not None
    assert (other.spread, other.imbalance) == (-top.spread, -top.imbalance)


def test_a_crossed_book_has_a_negative_spread() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 5, 17)
    om.add_order(2, "JPM", SELL, 5, 20)
    assert om.top("JPM").spread == -3


def test_the_top_of_a_book_can_be_pickled_and_is_equal_to_one_with_the_same_fields() -> None:
    top = TopOfBook("JPM", None, 20, 0, 5)
    assert pickle.loads(pickle.dumps(top)) == top  # noqa: S301 - our own


# ---------------------------------------------------------------------- slippage


@given(our.distinct_orders(), our.symbols, our.sides, st.integers(1, 50), st.fractions(0, 100))
def test_slippage_is_the_difference_to_the_cost_of_the_whole_amount_at_the_reference_price(
    orders: list[Order], symbol: str, side: Side, amount: int, reference: Fraction
) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    if not om.available_amount(symbol, side):
        return
    quote = om.quote(symbol, side, amount, allow_partial=True)
    assert quote.slippage_against(quote.best_price) == quote.slippage
    worse_by = sum((fill.price - reference) * fill.amount for fill in quote.fills)
    assert quote.slippage_against(reference) == (worse_by if side is BUY else -worse_by)
    assert type(quote.slippage_against(quote.best_price)) is Fraction


def test_slippage_against_the_mid_price_includes_half_the_spread_on_both_sides() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", SELL, 20, 17)])
    mid = om.top("JPM").mid
    assert mid is not None
    assert [om.quote("JPM", side, 10).slippage_against(mid) for side in Side] == [15, 15]
    assert om.quote("JPM", BUY, 10).slippage_against(21) == -10


@pytest.mark.parametrize("reference", [None, 20.5, "20", True])
def test_a_reference_price_that_is_not_exact_is_rejected(reference: Any) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    with pytest.raises(InvalidOrderError, match="reference must be an int or a Fraction, not "):
        om.quote("JPM", BUY, 10).slippage_against(reference)
