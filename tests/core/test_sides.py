"""The sides in a market's data, and the books that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from oms import SUBMITTER_SIDES, InvalidArgumentError, InvalidOrderError, Side
from oms.sides import as_sides

BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize("bid", ["buy", "BUY", "Buy", "bid", "BID", "Bid", "b", "B", 1])
def test_a_resting_order_to_buy_is_a_bid_whatever_the_market_calls_it(bid: str | int) -> None:
    assert SUBMITTER_SIDES[bid] is SELL


@pytest.mark.parametrize("ask", ["sell", "SELL", "Sell", "ask", "ASK", "Ask", "s", "S", "a", "A", -1])
def test_a_resting_order_to_sell_is_an_ask_whatever_the_market_calls_it(ask: str | int) -> None:
    assert SUBMITTER_SIDES[ask] is BUY


def test_the_default_sides_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SUBMITTER_SIDES["long"] = SELL  # type: ignore[index] # the mistake


def test_a_side_of_oms_stands_for_itself_although_it_equals_its_name() -> None:
    assert as_sides(["BUY", BUY, "SELL", SELL], SUBMITTER_SIDES) == [SELL, BUY, BUY, SELL]
    assert as_sides(["BUY", BUY, "SELL", SELL], Side.__members__) == [BUY, BUY, SELL, SELL]


def test_a_mapping_can_have_keys_of_any_type() -> None:
    assert as_sides([True, False, True], {True: SELL, False: BUY}) == [SELL, BUY, SELL]
    assert as_sides([], SUBMITTER_SIDES) == []


@pytest.mark.parametrize("value", ["", "long", "b ", True, 1.0, 2, 0, b"buy", ["buy"], np.str_("buy")])
def test_an_unknown_side_is_rejected_with_its_row(value: Any) -> None:
    with pytest.raises(InvalidOrderError, match=r"side in row 1 must be a Side or a key of sides \('buy', "):
        as_sides(["bid", value, "?"], SUBMITTER_SIDES)


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA])
def test_a_missing_side_is_rejected_with_its_row_and_is_reported_first(value: object) -> None:
    with pytest.raises(InvalidOrderError, match="side in row 2 must be present"):
        as_sides(["bid", "?", value], SUBMITTER_SIDES)


@pytest.mark.parametrize("sides", [None, {}, "buy", ["buy"], {"buy": "SELL"}, {"buy": SELL, "sell": 1}])
def test_sides_that_are_not_a_mapping_to_side_are_rejected(sides: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"sides must be a mapping to Side\.BUY and Side\.SELL"):
        as_sides(["buy"], sides)
