"""OrderBook: one side of the order book of one symbol."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Order, PriceLevel, Side
from oms.order_book import OrderBook
from support import strategies as our
from support.reference import best_first


def book_of(*orders: Order, side: Side = Side.BUY) -> OrderBook:
    book = OrderBook("JPM", side)
    if orders:
        book.update([order._replace(symbol="JPM", side=side) for order in orders])
    book._check()
    return book


def line(book: OrderBook) -> str:
    """Return a book as one line of `id:amount@price`, best order first."""
    return " ".join(f"{order.order_id}:{order.amount}@{order.price}" for order in book.orders())


FOUR = [
    Order(4, "JPM", Side.BUY, 10, 21),
    Order(3, "JPM", Side.BUY, 5, 20),
    Order(1, "JPM", Side.BUY, 20, 20),
    Order(2, "JPM", Side.BUY, 7, 19),
]


def test_a_buy_book_is_sorted_by_ascending_price_and_then_by_id() -> None:
    assert line(book_of(*FOUR)) == "2:7@19 1:20@20 3:5@20 4:10@21"


def test_a_sell_book_is_sorted_by_descending_price_and_then_by_id() -> None:
    assert line(book_of(*FOUR, side=Side.SELL)) == "4:10@21 1:20@20 3:5@20 2:7@19"


@given(our.distinct_orders(), our.sides)
def test_orders_are_sorted_in_the_sequence_in_which_they_trade(orders: list[Order], side: Side) -> None:
    ours = [order._replace(symbol="JPM", side=side) for order in orders]
    assert list(book_of(*orders, side=side).orders()) == sorted(ours, key=best_first)


@given(our.distinct_orders(), our.distinct_orders(), our.sides)
def test_adding_orders_in_bulk_gives_the_same_book_as_adding_them_one_by_one(
    first: list[Order], second: list[Order], side: Side
) -> None:
    book = book_of(*first, side=side)
    if second:
        book.update(
            [order._replace(symbol="JPM", side=side, order_id=order.order_id + 100) for order in second]
        )
    one_by_one = book_of(side=side)
    for order in book.orders():
        one_by_one.add(order)
    one_by_one._check()
    assert list(book.orders()) == list(one_by_one.orders())
    assert list(book.amounts()) == list(one_by_one.amounts())


def test_a_partially_filled_order_keeps_its_priority() -> None:
    book = book_of(*FOUR)
    book.resize(FOUR[2], 3)
    book._check()
    assert line(book) == "2:7@19 1:3@20 3:5@20 4:10@21"


def test_an_empty_book_has_no_best_price_and_no_depth() -> None:
    book = book_of(*FOUR)
    for order in FOUR:
        book.remove(order)
        book._check()
    assert (len(book), book.best_price(), book.depth()) == (0, None, ())


@given(our.distinct_orders(), our.sides, st.none() | st.integers(1, 5))
def test_depth_adds_up_the_orders_of_each_price(orders: list[Order], side: Side, levels: int | None) -> None:
    book = book_of(*orders, side=side)
    prices = list(dict.fromkeys(order.price for order in book.orders()))[:levels]
    assert book.depth(levels) == tuple(
        PriceLevel(
            price,
            sum(order.amount for order in book.orders() if order.price == price),
            sum(order.price == price for order in book.orders()),
        )
        for price in prices
    )
    assert [price for price, _ in book.amounts()][:levels] == prices
    assert book.best_price() == (prices[0] if prices else None)


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        (lambda book: setattr(book.levels[20], "amount", 1), "a level's amount is the sum of its orders"),
        (lambda book: book._ladder.pop(), "the ladder lists every level, best first"),
        (lambda book: book._orders.update({1: FOUR[2]._replace(amount=0)}), "a resting order has an amount"),
        (lambda book: book._orders.update({1: FOUR[1]}), "the key of an order is its id"),
        (lambda book: book._orders.update({1: FOUR[2]._replace(symbol="X")}), "in its own book"),
        (lambda book: book._orders.update({1: FOUR[2]._replace(price=19)}), "in the level of its price"),
        (lambda book: book.levels[20].ids.append(1), "unique and ascending"),
        (lambda book: book.levels[20].ids.clear(), "a level has an order"),
    ],
)
def test_the_self_check_detects_each_kind_of_damage(
    damage: Callable[[OrderBook], object], invariant: str
) -> None:
    book = book_of(*FOUR)
    damage(book)
    with pytest.raises(AssertionError, match=invariant):
        book._check()


def test_orders_at_the_same_price_share_one_int_object() -> None:
    """Without sharing, a million orders at a few hundred prices take 32 MB more memory."""
    book = OrderBook("JPM", Side.SELL)
    for order_id in range(1, 4):
        book.add(Order(order_id, "JPM", Side.SELL, 10, int("1000")))  # a new int object for each order
    assert len({id(order.price) for order in book.orders()}) == 1


def test_an_empty_book_has_no_best_price_level_or_order() -> None:
    book = OrderBook("JPM", Side.BUY)
    assert (book.best_price(), book.best_level(), book.best_order()) == (None, None, None)
    book.add(Order(1, "JPM", Side.BUY, 20, 20))
    assert (book.best_price(), book.best_level(), book.best_order()) == (20, (20, 20), next(book.rows()))
    book.remove(Order(1, "JPM", Side.BUY, 20, 20))
    assert (book.best_price(), book.best_level(), book.best_order()) == (None, None, None)


@given(our.distinct_orders(), our.sides, st.data())
def test_rows_after_a_position_are_those_that_trade_after_it(
    orders: list[Order], side: Side, data: st.DataObject
) -> None:
    book = book_of(*orders, side=side)
    rows = list(book.rows())
    for position, row in enumerate(rows):
        assert list(book.rows_after(row[4], row[0])) == rows[position + 1 :]
    if rows:
        gone = data.draw(st.sampled_from(rows))
        position = rows.index(gone)
        book.remove(gone)
        assert list(book.rows_after(gone[4], gone[0])) == rows[position + 1 :]


@given(our.distinct_orders(), our.sides, our.prices)
def test_levels_after_a_price_are_the_worse_levels(orders: list[Order], side: Side, price: int) -> None:
    book = book_of(*orders, side=side)
    assert tuple(book.levels_after(None)) == book.depth()
    worse = [level for level in book.depth() if side.sign * level.price > side.sign * price]
    assert list(book.levels_after(price)) == worse


@given(our.distinct_orders(), our.sides, our.requested_amounts, st.integers(1, 4))
def test_the_cached_sums_are_extended_by_a_few_levels_at_a_time(
    orders: list[Order], side: Side, amount: int, most_levels: int
) -> None:
    book, levels = book_of(*orders, side=side), len(book_of(*orders, side=side).depth())
    covered = 0
    while not book.cache_sums(amount, most_levels):
        book._check()
        assert book.cached_price(amount) is None
        assert book.cached_levels == covered + most_levels < levels
        covered = book.cached_levels
    book._check()
    assert book.cached_levels <= covered + most_levels
    available = sum(order.amount for order in orders)
    assert (book.cached_price(amount) is None) == (available < amount)


def test_sums_that_are_cached_are_not_extended() -> None:
    book = book_of(*FOUR)
    assert book.cache_sums(32, 2)
    assert not book.cache_sums(33, 0)
    assert book.cache_sums(33, 1)
    assert book.find_price(33) == 7 * 19 + 25 * 20 + 21
