"""Prices of amounts, and the fills of trades."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InsufficientLiquidityError, Order, OrderFill, Side, Trade
from oms.models import OrderRow
from oms.order_book import OrderBook
from oms.pricing import fill, total_prices
from support import strategies as our

WORKED = [Order(1, "JPM", Side.BUY, 20, 20), Order(4, "JPM", Side.BUY, 10, 21)]


def book_of(
    orders: list[Order], side: Side = Side.BUY, by_id: dict[int, OrderRow] | None = None
) -> OrderBook:
    book = OrderBook("JPM", side, by_id)
    if orders:
        book.update([order._replace(symbol="JPM", side=side) for order in orders])
    return book


@pytest.mark.parametrize(("amount", "cost"), [(20, 400), (10, 200), (22, 442), (30, 610), (1, 20), (21, 421)])
def test_the_worked_example_has_the_expected_prices(amount: int, cost: int) -> None:
    assert book_of(WORKED).find_price(amount) == cost


def fills(book: OrderBook, amount: int) -> tuple[OrderFill, ...]:
    order_fills, filled, cost = fill(book, amount, None, allow_partial=False)
    assert (filled, cost) == (amount, sum(each.amount * each.price for each in order_fills))
    return order_fills


@pytest.mark.parametrize("call", [OrderBook.find_price, fills])
def test_insufficient_liquidity_reports_the_available_amount(
    call: Callable[[OrderBook, int], object],
) -> None:
    with pytest.raises(InsufficientLiquidityError) as caught:
        call(book_of(WORKED), 31)
    assert (caught.value.requested, caught.value.available) == (31, 30)
    assert (caught.value.symbol, caught.value.side) == ("JPM", Side.BUY)


def test_fills_start_with_the_best_order_and_the_last_fill_can_be_partial() -> None:
    assert fills(book_of(WORKED), 22) == (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    assert fills(book_of(WORKED), 20) == (OrderFill(1, 20, 20),)


def test_many_fills_are_made_piece_by_piece() -> None:
    orders = [Order(n, "JPM", Side.BUY, 2, 1 + n % 7) for n in range(25_000)]
    expected = [OrderFill(order.order_id, 2, order.price) for order in book_of(orders).orders()]
    assert list(fills(book_of(orders), 50_000)) == expected
    assert list(fills(book_of(orders), 20_000)) == expected[:10_000]
    assert list(fills(book_of(orders), 20_001)) == [*expected[:10_000], expected[10_000]._replace(amount=1)]


def test_the_error_for_many_prices_names_the_first_amount_in_the_argument_that_exceeds_the_book() -> None:
    with pytest.raises(InsufficientLiquidityError) as caught:
        total_prices(book_of(WORKED), [5, 40, 31, 30])
    assert (caught.value.requested, caught.value.available) == (40, 30)


@given(our.distinct_orders(), our.sides, our.requested_amounts)
def test_the_price_is_the_sum_of_the_fills(orders: list[Order], side: Side, amount: int) -> None:
    book = book_of(orders, side)
    try:
        cost = book.find_price(amount)
    except InsufficientLiquidityError as error:
        assert error.available == sum(order.amount for order in orders) < amount
        return
    order_fills = fills(book, amount)
    assert cost == sum(fill.amount * fill.price for fill in order_fills)
    assert amount == sum(fill.amount for fill in order_fills)


@given(our.distinct_orders(), our.sides, our.requested_amounts)
def test_a_trade_consumes_only_the_orders_of_its_fills_and_can_be_rolled_back(
    orders: list[Order], side: Side, amount: int
) -> None:
    by_id: dict[int, OrderRow] = {}
    book = book_of(orders, side, by_id)
    before = list(book.orders())
    try:
        order_fills = fills(book, amount)
    except InsufficientLiquidityError:
        return
    trade = Trade(1, "JPM", side, amount, book.find_price(amount), order_fills)
    book.remove_fills(trade)
    book._check()
    amounts = {fill.order_id: fill.amount for fill in order_fills}
    remaining = [order._replace(amount=order.amount - amounts.get(order.order_id, 0)) for order in before]
    assert list(book.orders()) == [order for order in remaining if order.amount]
    assert by_id.keys() == {order.order_id for order in remaining if order.amount}
    book.restore_fills(trade)
    book._check()
    assert list(book.orders()) == before


def test_totals_past_64_bits_stay_exact() -> None:
    huge = 2**63 - 1
    book = book_of([Order(n, "JPM", Side.BUY, huge, huge) for n in range(3)])
    assert book.find_price(3 * huge) == 3 * huge * huge


@given(
    our.distinct_orders(),
    our.sides,
    st.lists(st.tuples(our.order_ids, our.amounts, our.prices, st.lists(our.requested_amounts, max_size=4))),
)
def test_cached_prices_equal_the_prices_of_a_new_book_after_changes_at_any_level(
    orders: list[Order], side: Side, changes: list[tuple[int, int, int, list[int]]]
) -> None:
    by_id: dict[int, OrderRow] = {}
    book = book_of(orders, side, by_id)
    for order_id, resting, price, amounts in changes:
        if order_id in by_id and resting % 2:
            book.remove(by_id[order_id])
        elif order_id in by_id:
            book.resize(by_id[order_id], resting)
        elif resting % 2:
            book.update([Order(order_id, "JPM", side, resting, price)])
        else:
            book.add(Order(order_id, "JPM", side, resting, price))
        book._check()
        for amount in amounts:
            fresh = book_of(list(book.orders()), side)
            assert outcome(book, amount) == outcome(fresh, amount)
            cached_price = book.cached_price(amount)
            assert cached_price is None or cached_price == fresh.find_price(amount)
            book._check()


def outcome(book: OrderBook, amount: int) -> object:
    try:
        return book.find_price(amount)
    except InsufficientLiquidityError as error:
        return error.args
