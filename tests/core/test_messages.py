"""The messages that users meet: what was given, what is allowed, and the call that helps, if there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from oms import (
    Instrument,
    InvalidArgumentError,
    InvalidOrderError,
    Order,
    OrderManagement,
    Side,
    to_columns,
)
from oms.feeds import LevelFeed, Okx, Recorder
from support import strategies as our

Call = Callable[[OrderManagement, Any], object]


class Direction(Enum):
    """The enum of another library."""

    BUY = 1
    SHORT = 2


def adding(**fields: object) -> Call:
    """A call of `add_order` with one field left to the value."""

    def call(om: OrderManagement, value: Any) -> object:
        named: dict[str, Any] = {"order_id": 9, "symbol": "JPM", "side": Side.BUY, "amount": 1, "price": 1}
        named |= dict.fromkeys(fields, value)
        om.add_order(**named)
        return om

    return call


TAKES = {
    "order_id": adding(order_id=None),
    "symbol": adding(symbol=None),
    "side": adding(side=None),
    "amount": adding(amount=None),
    "price": adding(price=None),
}
IDS, RESTING = f"an int in 0..{2**63 - 1}", f"an int in 1..{2**63 - 1}"
SYMBOL, SIDE = "a non-empty str of valid Unicode", "Side.BUY or Side.SELL"
INT = ", or a whole array with .tolist()"
ARRAY = "an array with .tolist()"

CALLS: list[tuple[Call, str, object, str, str, str]] = [
    # call, field, value, what is allowed, how the value is shown, the call that helps
    (TAKES["price"], "price", 20.25, RESTING, "20.25 (float)", "Instrument('0.01', '1').to_ticks('20.25')"),
    (TAKES["price"], "price", 0.125, RESTING, "0.125 (float)", "Instrument('0.001', '1').to_ticks('0.125')"),
    (TAKES["price"], "price", 20.0, RESTING, "20.0 (float)", "Instrument('0.01', '1').to_ticks('20.0')"),
    (
        *(TAKES["price"], "price", Decimal("20.5"), RESTING),
        *("Decimal('20.5') (Decimal)", "Instrument('0.01', '1').to_ticks('20.5')"),
    ),
    (TAKES["price"], "price", "20.5", RESTING, "'20.5' (str)", "Instrument('0.01', '1').to_ticks('20.5')"),
    (
        *(TAKES["price"], "price", np.float64(20.5), RESTING),
        *("np.float64(20.5) (float64)", "Instrument('0.01', '1').to_ticks('20.5')"),
    ),
    (TAKES["price"], "price", np.int64(5), RESTING, "np.int64(5) (int64)", f"int(price){INT}"),
    (TAKES["price"], "price", float("nan"), RESTING, "nan (float)", ""),
    (TAKES["price"], "price", -1.5, RESTING, "-1.5 (float)", ""),
    (TAKES["price"], "price", True, RESTING, "True (bool)", ""),
    (TAKES["price"], "price", np.bool_(True), RESTING, "np.True_ (bool)", ""),
    (TAKES["price"], "price", None, RESTING, "None (NoneType)", ""),
    (TAKES["price"], "price", Fraction(1, 2), RESTING, "Fraction(1, 2) (Fraction)", ""),
    (TAKES["price"], "price", "1" * 50, RESTING, f"'{'1' * 12}...{'1' * 13}' (str)", ""),
    (TAKES["price"], "price", "٣", RESTING, "'٣' (str)", ""),
    (TAKES["price"], "price", 0, RESTING, "0 (int)", ""),
    (TAKES["amount"], "amount", 1.5, RESTING, "1.5 (float)", "Instrument('0.01', '0.1').to_lots('1.5')"),
    (TAKES["amount"], "amount", "1e2", RESTING, "'1e2' (str)", "Instrument('0.01', '1').to_lots('1e2')"),
    (
        TAKES["amount"],
        "amount",
        np.array([1, 2]),
        RESTING,
        "array([1, 2]) (ndarray)",
        ARRAY,
    ),
    (TAKES["amount"], "amount", np.uint8(5), RESTING, "np.uint8(5) (uint8)", f"int(amount){INT}"),
    (TAKES["order_id"], "order_id", 7.0, IDS, "7.0 (float)", "int(order_id)"),
    (TAKES["order_id"], "order_id", 7.5, IDS, "7.5 (float)", ""),
    (TAKES["order_id"], "order_id", "7", IDS, "'7' (str)", "int(order_id)"),
    (TAKES["order_id"], "order_id", np.int32(7), IDS, "np.int32(7) (int32)", f"int(order_id){INT}"),
    (TAKES["order_id"], "order_id", -1, IDS, "-1 (int)", ""),
    (TAKES["side"], "side", "BUY", SIDE, "'BUY' (str)", "Side('BUY')"),
    (TAKES["side"], "side", "sell", SIDE, "'sell' (str)", "Side('SELL')"),
    (TAKES["side"], "side", np.str_("BUY"), SIDE, "np.str_('BUY') (str_)", "Side('BUY')"),
    (TAKES["side"], "side", Direction.BUY, SIDE, "<Direction.BUY: 1> (Direction)", "Side('BUY')"),
    (TAKES["side"], "side", Direction.SHORT, SIDE, "<Direction.SHORT: 2> (Direction)", ""),
    (TAKES["side"], "side", "bid", SIDE, "'bid' (str)", ""),
    (TAKES["side"], "side", 1, SIDE, "1 (int)", ""),
    (TAKES["symbol"], "symbol", np.str_("JPM"), SYMBOL, "np.str_('JPM') (str_)", "str(symbol)"),
    (TAKES["symbol"], "symbol", b"JPM", SYMBOL, "b'JPM' (bytes)", "symbol.decode()"),
    (TAKES["symbol"], "symbol", "", SYMBOL, "'' (str)", ""),
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
]


@pytest.mark.parametrize(("call", "field", "value", "allowed", "shown", "remedy"), CALLS)
def test_a_refused_value_is_shown_with_what_is_allowed_and_the_call_that_converts_it(
    call: Call, field: str, value: object, allowed: str, shown: str, remedy: str
) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        call(OrderManagement(), value)
    helps = f"; convert {'' if remedy == ARRAY else 'with '}{remedy}" if remedy else ""
    assert str(caught.value) == f"{field} must be {allowed}, not {shown}{helps}"


@pytest.mark.parametrize(
    ("call", "field", "value", "remedy"),
    [(call, field, value, remedy) for call, field, value, _, _, remedy in CALLS if field in TAKES and remedy],
)
def test_what_the_named_call_returns_is_taken(call: Call, field: str, value: object, remedy: str) -> None:
    if remedy == ARRAY:
        return
    names = {"Instrument": Instrument, "Side": Side, field: value}
    converted = eval(remedy.removesuffix(INT), names)  # noqa: S307 - our own message
    call(OrderManagement(), converted)


ORDERS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: OrderManagement().add_orders(Order(1, "JPM", Side.BUY, 1, 1)),  # type: ignore[arg-type] # too
        "orders must be an iterable of Order, not Order(order_i...nt=1, price=1) (Order); write [order]",
    ),
    (
        lambda: OrderManagement().calculate_prices("JPM", Side.BUY, 5),  # type: ignore[arg-type] # the mistake
        "amounts must be an iterable of int >= 1, not 5 (int); write [amount]",
    ),
]

ARGUMENTS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Instrument("0.01", "1").to_ticks(12.5),  # type: ignore[arg-type] # the mistake
        "price must be text such as '12.5', an int, a Decimal, or a Fraction, not 12.5 (float); "
        "convert with to_ticks('12.5')",
    ),
    (
        lambda: Instrument("0.01", "1").to_lots(np.int8(5)),  # type: ignore[arg-type] # the mistake
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
        lambda: LevelFeed(OrderManagement(), Okx.rule, {}).instrument("X"),
        "symbol must be one whose Instrument is known, not 'X' (str); "
        "give instruments={'X': Instrument(tick_size, lot_size)}",
    ),
    (lambda: Recorder(every="1"), "every must be a finite number of seconds above 0, not '1' (str)"),  # type: ignore[arg-type] # the mistake
    (
        lambda: Recorder().history("X"),
        "symbol must be one that was recorded (nothing was yet), not 'X' (str)",
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
    (lambda: to_columns([]), "values must be a non-empty iterable, not [] (list); pass kind"),
]


@pytest.mark.parametrize(("call", "message"), ORDERS)
def test_a_mistake_about_orders_is_an_invalid_order(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(("call", "message"), ARGUMENTS)
def test_any_other_mistake_is_an_invalid_argument_and_not_an_invalid_order(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        call()
    assert type(caught.value) is InvalidArgumentError
    assert str(caught.value) == message


@pytest.mark.parametrize("field", TAKES)
def test_no_message_allows_what_it_refuses(field: str) -> None:
    # "a decimal such as 12.5, not 12.5": what is named as an example must not be the value.
    for value in [*our.NOT_INTS, *our.NOT_SYMBOLS, *our.NOT_SIDES, 12.5, "12.5", -1, 2**63]:
        for call in (TAKES[field], lambda om, value: Instrument().to_ticks(value)):
            try:
                call(OrderManagement(), value)
            except InvalidArgumentError as error:
                message = str(error)
                allowed, _, refused = message.partition(", not ")
                assert refused.partition(" (")[0] not in re.findall(r"\S+", allowed), message


def test_no_value_keeps_a_message_from_being_made() -> None:
    class Broken:
        ndim = 0

        def __float__(self) -> float:
            raise OSError

        def __str__(self) -> str:
            raise OSError

        __repr__ = __str__

    with pytest.raises(InvalidOrderError, match=r"not <Broken instance at 0x\w+> \(Broken\)$"):
        TAKES["price"](OrderManagement(), Broken())
