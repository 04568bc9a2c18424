"""OrderManagement: the contract of each method, and the arguments that it rejects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given

from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidOrderError,
    Order,
    OrderFill,
    OrderManagement,
    OrderNotFoundError,
    PriceLevel,
    Side,
    Trade,
)
from support import strategies as our

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def om() -> OrderManagement:
    """Return the worked example, with more orders on the other side and in another symbol."""
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(2, "JPM", SELL, 20, 19)
    om.add_order(3, "AAPL", SELL, 5, 30)
    om.add_order(4, "JPM", BUY, 10, 21)
    return om


def ids(om: OrderManagement) -> list[int]:
    return [order.order_id for order in om]


# ---------------------------------------------------------------------- the contract


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("add_order", "(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None"),
        ("remove_order", "(self, order_id: int) -> None"),
        ("calculate_price", "(self, symbol: str, side: Side, amount: int) -> int"),
    ],
)
def test_the_methods_have_the_required_signatures(method: str, signature: str) -> None:
    assert str(inspect.signature(getattr(OrderManagement, method))).replace("'", "") == signature


def test_place_trade_accepts_only_three_positional_arguments() -> None:
    signature = inspect.signature(OrderManagement.place_trade)
    positional = [name for name, p in signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["self", "symbol", "side", "amount"]
    assert signature.return_annotation == "Trade"


@pytest.mark.parametrize(("amount", "cost"), [(20, 400), (10, 200), (22, 442)])
def test_the_worked_example_has_the_expected_prices(om: OrderManagement, amount: int, cost: int) -> None:
    assert om.calculate_price("JPM", BUY, amount) == cost


def test_a_trade_in_the_worked_example_returns_its_fills_and_reduces_the_book(om: OrderManagement) -> None:
    assert om.place_trade("JPM", BUY, 22) == Trade(
        1, "JPM", BUY, 22, 442, (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    )
    assert 1 not in om
    assert om.get_order(4) == Order(4, "JPM", BUY, 8, 21)


def test_trade_ids_count_from_one_without_gaps(om: OrderManagement) -> None:
    first = om.place_trade("JPM", BUY, 1)
    with pytest.raises(InsufficientLiquidityError):
        om.place_trade("JPM", BUY, 1000)
    second = om.place_trade("AAPL", SELL, 1)
    assert (first.trade_id, second.trade_id) == (1, 2)


def test_a_sell_trade_consumes_the_highest_price_first() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", SELL, 20, 19), Order(2, "JPM", SELL, 10, 21)])
    assert om.place_trade("JPM", SELL, 12).fills == (OrderFill(2, 10, 21), OrderFill(1, 2, 19))


def test_adding_an_order_never_matches_so_a_book_can_be_crossed() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(2, "JPM", SELL, 20, 25)
    assert (om.best_price("JPM", BUY), om.best_price("JPM", SELL)) == (20, 25)


def test_iteration_is_sorted_by_symbol_then_side_then_best_price(om: OrderManagement) -> None:
    assert ids(om) == [3, 1, 4, 2]
    assert om.orders() == tuple(om)
    assert [order.order_id for order in om.orders("JPM")] == [1, 4, 2]
    assert [order.order_id for order in om.orders(side=SELL)] == [3, 2]
    assert om.orders("IBM") == ()


def test_orders_can_be_removed_while_iterating(om: OrderManagement) -> None:
    for order in om:
        om.remove_order(order.order_id)
    assert len(om) == 0


def test_symbols_lists_only_symbols_with_resting_orders(om: OrderManagement) -> None:
    assert om.symbols() == ("AAPL", "JPM")
    om.remove_order(3)
    assert om.symbols() == ("JPM",)


def test_an_empty_book_has_no_depth_and_no_best_price(om: OrderManagement) -> None:
    assert om.best_price("IBM", BUY) is None
    assert om.depth("IBM", BUY) == ()
    assert om.best_price("JPM", SELL) == 19
    assert om.depth("JPM", BUY, 1) == (PriceLevel(20, 20, 1),)


def test_an_id_can_be_used_again_after_its_order_was_filled_or_removed(om: OrderManagement) -> None:
    om.remove_order(3)
    om.add_order(3, "JPM", BUY, 1, 1)
    om.place_trade("JPM", BUY, 1)
    om.add_order(3, "AAPL", SELL, 2, 2)
    assert om.get_order(3).symbol == "AAPL"


def test_an_amended_amount_keeps_the_priority_of_the_order(om: OrderManagement) -> None:
    om.add_order(5, "JPM", BUY, 1, 20)
    assert om.amend_order(1, amount=30) == Order(1, "JPM", BUY, 30, 20)
    assert [order.order_id for order in om.orders("JPM", BUY)] == [1, 5, 4]


def test_an_amended_price_moves_the_order_to_its_new_level_by_id(om: OrderManagement) -> None:
    assert om.amend_order(1, price=21) == Order(1, "JPM", BUY, 20, 21)
    assert om.amend_order(1, amount=2, price=22) == Order(1, "JPM", BUY, 2, 22)
    assert [order.order_id for order in om.orders("JPM", BUY)] == [4, 1]


def test_an_amendment_to_the_same_values_changes_nothing(om: OrderManagement) -> None:
    before = om.orders()
    assert om.amend_order(1, amount=20, price=20) == om.get_order(1)
    assert om.orders() == before


def test_remove_orders_removes_the_selected_orders_and_returns_them(om: OrderManagement) -> None:
    assert [order.order_id for order in om.remove_orders("JPM", BUY)] == [1, 4]
    assert [order.order_id for order in om.remove_orders(side=SELL)] == [3, 2]
    assert om.remove_orders() == ()
    assert (len(om), om.symbols()) == (0, ())


def test_orders_of_different_symbols_can_be_added_in_bulk(om: OrderManagement) -> None:
    om.add_orders([Order(9, "日経", BUY, 1, 1), Order(10, "JPM", BUY, 1, 1)])
    assert om.symbols() == ("AAPL", "JPM", "日経")


def test_orders_can_come_from_a_generator_that_queries_the_same_books(om: OrderManagement) -> None:
    om.add_orders(order._replace(order_id=order.order_id + 10) for order in om.orders("JPM"))
    assert ids(om) == [3, 1, 11, 4, 14, 2, 12]


def test_the_repr_is_short() -> None:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", BUY, 1, n + 1) for n in range(1000))
    assert repr(om) == "<OrderManagement: 1,000 orders in 1 book>"


# ---------------------------------------------------------------------- rejected arguments

Call = Callable[[OrderManagement, Any], object]
WITH_ID: dict[str, Call] = {
    "add_order": lambda om, x: om.add_order(x, "JPM", BUY, 1, 1),
    "add_orders": lambda om, x: om.add_orders([Order(9, "JPM", BUY, 1, 1), Order(x, "JPM", BUY, 1, 1)]),
    "remove_order": lambda om, x: om.remove_order(x),
    "amend_order": lambda om, x: om.amend_order(x, amount=1),
    "get_order": lambda om, x: om.get_order(x),
}
WITH_AMOUNT: dict[str, Call] = {
    "add_order": lambda om, x: om.add_order(9, "JPM", BUY, x, 1),
    "add_orders": lambda om, x: om.add_orders([Order(9, "JPM", BUY, 1, 1), Order(10, "JPM", BUY, x, 1)]),
    "amend_order": lambda om, x: om.amend_order(1, amount=x, price=5),
    "calculate_price": lambda om, x: om.calculate_price("JPM", BUY, x),
    "place_trade": lambda om, x: om.place_trade("JPM", BUY, x),
}
WITH_PRICE: dict[str, Call] = {
    "add_order": lambda om, x: om.add_order(9, "JPM", BUY, 1, x),
    "add_orders": lambda om, x: om.add_orders([Order(9, "JPM", BUY, 1, 1), Order(10, "JPM", BUY, 1, x)]),
    "amend_order": lambda om, x: om.amend_order(1, amount=5, price=x),
}
WITH_SYMBOL: dict[str, Call] = {
    "add_order": lambda om, x: om.add_order(9, x, BUY, 1, 1),
    "add_orders": lambda om, x: om.add_orders([Order(9, "JPM", BUY, 1, 1), Order(10, x, BUY, 1, 1)]),
    "calculate_price": lambda om, x: om.calculate_price(x, BUY, 1),
    "place_trade": lambda om, x: om.place_trade(x, BUY, 1),
    "best_price": lambda om, x: om.best_price(x, BUY),
    "depth": lambda om, x: om.depth(x, BUY),
    "orders": lambda om, x: om.orders(x),
    "remove_orders": lambda om, x: om.remove_orders(x),
}
WITH_SIDE: dict[str, Call] = {
    "add_order": lambda om, x: om.add_order(9, "JPM", x, 1, 1),
    "add_orders": lambda om, x: om.add_orders([Order(9, "JPM", BUY, 1, 1), Order(10, "JPM", x, 1, 1)]),
    "calculate_price": lambda om, x: om.calculate_price("JPM", x, 1),
    "place_trade": lambda om, x: om.place_trade("JPM", x, 1),
    "best_price": lambda om, x: om.best_price("JPM", x),
    "depth": lambda om, x: om.depth("JPM", x),
    "orders": lambda om, x: om.orders("JPM", x),
    "remove_orders": lambda om, x: om.remove_orders("JPM", x),
}
OPTIONAL = {"amend_order", "orders", "remove_orders"}  # where None means that the argument is absent


def bad_input() -> Iterator[Any]:
    """Yield every method with every kind of invalid argument."""
    cases: list[tuple[str, dict[str, Call], list[Any]]] = [
        ("order_id", WITH_ID, [*our.NOT_INTS, -1, 2**63]),
        ("amount", WITH_AMOUNT, [*our.NOT_INTS, 0, -1]),
        ("amount", {method: call for method, call in WITH_AMOUNT.items() if method in WITH_PRICE}, [2**63]),
        ("price", WITH_PRICE, [*our.NOT_INTS, 0, -1, 2**63]),
        ("symbol", WITH_SYMBOL, our.NOT_SYMBOLS),
        ("side", WITH_SIDE, our.NOT_SIDES),
    ]
    for field, calls, values in cases:
        for method, call in calls.items():
            for value in values:
                if not (value is None and method in OPTIONAL):
                    yield pytest.param(
                        field, call, value, id=f"{method}-{field}-{value!r}-{type(value).__name__}"
                    )


@pytest.mark.parametrize(("field", "call", "value"), list(bad_input()))
def test_an_invalid_argument_raises_an_error_that_names_the_field_and_changes_nothing(
    om: OrderManagement, field: str, call: Call, value: object
) -> None:
    before = om.orders()
    with pytest.raises(InvalidOrderError, match=f"^{field} must be ") as caught:
        call(om, value)
    assert caught.value.field == field
    assert caught.value.value is value
    assert om.orders() == before
    om._check()


@pytest.mark.parametrize("method", ["remove_order", "amend_order", "get_order"])
def test_an_unknown_order_id_raises_order_not_found(om: OrderManagement, method: str) -> None:
    with pytest.raises(OrderNotFoundError, match="no order with id 99 is resting") as caught:
        WITH_ID[method](om, 99)
    assert caught.value.order_id == 99


def test_a_duplicate_order_id_is_rejected_even_if_all_other_fields_differ(om: OrderManagement) -> None:
    before = om.orders()
    with pytest.raises(DuplicateOrderError, match="id 1 "):
        om.add_order(1, "IBM", SELL, 1, 1)
    with pytest.raises(DuplicateOrderError, match="id 1 "):
        om.add_orders([Order(9, "IBM", SELL, 1, 1), Order(1, "IBM", SELL, 1, 1)])
    with pytest.raises(DuplicateOrderError, match="id 9 "):
        om.add_orders([Order(9, "IBM", SELL, 1, 1), Order(9, "JPM", SELL, 1, 1)])
    assert om.orders() == before
    assert om.symbols() == ("AAPL", "JPM")


def test_insufficient_liquidity_reports_the_available_amount_and_consumes_nothing(
    om: OrderManagement,
) -> None:
    for call in (om.calculate_price, om.place_trade):
        with pytest.raises(InsufficientLiquidityError) as caught:
            call("JPM", BUY, 31)
        assert (caught.value.requested, caught.value.available) == (31, 30)
        with pytest.raises(InsufficientLiquidityError) as caught:
            call("IBM", BUY, 2**70)
        assert (caught.value.requested, caught.value.available) == (2**70, 0)
    assert ids(om) == [3, 1, 4, 2]


def test_an_amendment_without_amount_and_price_is_rejected(om: OrderManagement) -> None:
    with pytest.raises(InvalidOrderError, match="amount or price must be an int, not None"):
        om.amend_order(1)


@pytest.mark.parametrize("orders", [None, 5, [(9, "JPM", BUY, 1, 1)], [None], "ab"], ids=repr)
def test_add_orders_rejects_items_that_are_not_orders(om: OrderManagement, orders: Any) -> None:
    with pytest.raises(InvalidOrderError, match="orders must be an iterable of Order"):
        om.add_orders(orders)
    assert ids(om) == [3, 1, 4, 2]


def test_an_iterable_that_raises_after_some_orders_adds_no_order(om: OrderManagement) -> None:
    def broken() -> Iterator[Order]:
        yield Order(9, "JPM", BUY, 1, 1)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        om.add_orders(broken())
    assert 9 not in om


@pytest.mark.parametrize("levels", [0, -1, True, 1.0, "1"], ids=repr)
def test_a_depth_of_fewer_than_one_level_is_rejected(om: OrderManagement, levels: Any) -> None:
    with pytest.raises(InvalidOrderError, match="levels"):
        om.depth("JPM", BUY, levels)


@pytest.mark.parametrize("order_id", [True, 1.0, "1", None, [], -1])
def test_the_in_operator_is_false_for_a_value_that_cannot_be_an_order_id(
    om: OrderManagement, order_id: object
) -> None:
    assert order_id not in om


def test_the_self_check_detects_a_wrong_index(om: OrderManagement) -> None:
    om._orders[9] = om._orders[1]
    with pytest.raises(AssertionError, match="every order is in exactly one book"):
        om._check()


# ---------------------------------------------------------------------- properties


@given(our.distinct_orders(), our.symbols, our.sides, our.requested_amounts)
def test_a_trade_costs_exactly_what_calculate_price_returned(
    orders: list[Order], symbol: str, side: Side, amount: int
) -> None:
    om = OrderManagement()
    om.add_orders(orders)
    try:
        price = om.calculate_price(symbol, side, amount)
    except InsufficientLiquidityError as error:
        with pytest.raises(InsufficientLiquidityError) as caught:
            om.place_trade(symbol, side, amount)
        assert caught.value.args == error.args
        return
    trade = om.place_trade(symbol, side, amount)
    assert trade.total_price == price == sum(fill.amount * fill.price for fill in trade.fills)
