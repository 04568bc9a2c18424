"""Values are immutable, compared by content, and made of exact integers."""

from __future__ import annotations

import copy
import pickle

import pytest

from oms import InvalidOrderError, Order, OrderFill, PriceLevel, Quote, Side, Trade
from oms.models import MAX_INT, check_order, check_positive
from support import strategies as our

ORDER = Order(1, "JPM", Side.BUY, 20, 20)


def test_each_side_is_the_opposite_of_the_other() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


def test_a_better_price_multiplied_by_the_sign_of_its_side_is_a_smaller_number() -> None:
    best, worse = 20, 21  # a buyer pays the lower price first
    assert Side.BUY.sign * best < Side.BUY.sign * worse
    best, worse = 21, 20  # a seller takes the higher price first
    assert Side.SELL.sign * best < Side.SELL.sign * worse


@pytest.mark.parametrize("side", Side)
def test_the_sign_of_a_side_is_one_or_minus_one(side: Side) -> None:
    assert side.sign * side.sign == 1


def test_a_side_can_be_created_from_its_name_copied_and_pickled() -> None:
    assert Side("SELL") is Side.SELL
    assert pickle.loads(pickle.dumps(Side.BUY)) is Side.BUY  # noqa: S301  # our own bytes
    assert copy.deepcopy(Side.BUY) is Side.BUY


def test_a_side_uses_the_fast_hash_of_str() -> None:
    assert Side.__hash__ is str.__hash__


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (ORDER, ("order_id", "symbol", "side", "amount", "price")),
        (OrderFill(1, 20, 20), ("order_id", "amount", "price")),
        (PriceLevel(20, 20, 1), ("price", "amount", "orders")),
        (
            Trade(1, "JPM", Side.BUY, 20, 400, (OrderFill(1, 20, 20),)),
            ("trade_id", "symbol", "side", "amount", "total_price", "fills"),
        ),
        (
            Quote("JPM", Side.BUY, 22, 20, 2, 400, 20, 20, 1, (OrderFill(1, 20, 20),)),
            (
                "symbol",
                "side",
                "requested",
                "amount",
                "shortfall",
                "total_price",
                "best_price",
                "worst_price",
                "levels",
                "fills",
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_an_immutable_named_tuple_with_documented_fields(
    value: tuple[object, ...], fields: tuple[str, ...]
) -> None:
    assert value == tuple(getattr(value, field) for field in fields)
    assert value == type(value)(**dict(zip(fields, value, strict=True)))
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301  # our own bytes
    with pytest.raises(AttributeError):
        setattr(value, fields[0], 2)


@pytest.mark.parametrize("order_id", [0, 1, MAX_INT])
@pytest.mark.parametrize("number", [1, MAX_INT])
def test_the_smallest_and_the_largest_number_of_every_range_are_allowed(order_id: int, number: int) -> None:
    check_order(order_id, "JPM", Side.BUY, number, number)
    check_positive("amount", number * 2)


@pytest.mark.parametrize("symbol", ["J", "JPM", "BRK.B", "日経", "a b", "\0"])
def test_any_nonempty_text_can_be_a_symbol(symbol: str) -> None:
    check_order(1, symbol, Side.BUY, 1, 1)


@pytest.mark.parametrize("field", ["order_id", "amount", "price"])
@pytest.mark.parametrize(
    "value", [*our.NOT_INTS, -1, 2**63, -(2**63), 10**5000], ids=lambda value: type(value).__name__
)
def test_an_invalid_number_is_rejected_and_the_message_names_its_field(field: str, value: object) -> None:
    with pytest.raises(
        InvalidOrderError, match=f"^{field} must be an int in [01]..9223372036854775807, not "
    ) as caught:
        check_order(**(ORDER._asdict() | {field: value}))
    assert (caught.value.field, caught.value.value) == (field, value) or value != value  # noqa: PLR0124  # nan


@pytest.mark.parametrize("field", ["amount", "price"])
def test_an_amount_or_a_price_of_zero_is_rejected(field: str) -> None:
    with pytest.raises(InvalidOrderError, match=field):
        check_order(**(ORDER._asdict() | {field: 0}))


@pytest.mark.parametrize("symbol", our.NOT_SYMBOLS, ids=repr)
def test_a_value_that_cannot_be_a_symbol_is_rejected(symbol: object) -> None:
    with pytest.raises(InvalidOrderError, match="symbol must be a non-empty str of valid Unicode"):
        check_order(1, symbol, Side.BUY, 1, 1)


@pytest.mark.parametrize("side", our.NOT_SIDES, ids=repr)
def test_a_value_that_is_not_a_side_is_rejected(side: object) -> None:
    with pytest.raises(InvalidOrderError, match=r"side must be Side\.BUY or Side\.SELL"):
        check_order(1, "JPM", side, 1, 1)


@pytest.mark.parametrize("value", [*our.NOT_INTS, 0, -1], ids=lambda value: type(value).__name__)
def test_a_requested_number_must_be_an_integer_of_at_least_one(value: object) -> None:
    with pytest.raises(InvalidOrderError, match="levels must be an int >= 1"):
        check_positive("levels", value)
