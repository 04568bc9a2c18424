"""The tables of the command, and the format of its numbers."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from oms import Instrument, OrderManagement, Side
from oms.cli.costs import Cost, costs
from oms.cli.ladder import ladder
from oms.feeds import bitstamp, lobster
from oms.instrument import ratio

PLAIN = Instrument.of_decimals(price=0, amount=0)


def drawn(renderable: RenderableType, width: int = 60, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, color_system=None).print(renderable)
    file.seek(0)
    return [line.rstrip() for line in file.read().splitlines() if line.strip()]


@pytest.fixture
def om() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(2, "JPM", Side.BUY, 20, 21)
    om.add_order(3, "JPM", Side.BUY, 1, 22)
    om.add_order(4, "JPM", Side.BUY, 2, 22)
    om.add_order(5, "JPM", Side.SELL, 10, 18)
    om.add_order(6, "JPM", Side.SELL, 5, 17)
    return om


def test_the_ladder_has_the_asks_above_and_the_bids_below(om: OrderManagement) -> None:
    block = "\u2588"
    assert drawn(ladder(om, "JPM", PLAIN), width=58)[2:] == [
        " BUY (asks)      22       2       3  " + block * 3,
        " BUY (asks)      21       1      20  " + block * 20,
        " BUY (asks)      20       1      20  " + block * 20,
        " spread           2",
        " SELL (bids)     18       1      10  " + block * 10,
        " SELL (bids)     17       1       5  " + block * 5,
    ]


def test_a_truncated_ladder_shows_the_sums_of_the_hidden_levels(om: OrderManagement) -> None:
    rows = [line.split() for line in drawn(ladder(om, "JPM", PLAIN, levels=1))[2:]]
    assert [row[:5] for row in rows] == [
        ["2", "more", "3", "23"],
        ["BUY", "(asks)", "20", "1", "20"],
        ["spread", "2"],
        ["SELL", "(bids)", "18", "1", "10"],
        ["1", "more", "1", "5"],
    ]


def test_an_empty_ladder_and_a_crossed_ladder_are_drawn(om: OrderManagement) -> None:
    assert [line.split() for line in drawn(ladder(om, "IBM", PLAIN))[2:]] == [
        ["BUY", "(asks)", "nothing"],
        ["spread", "none"],
        ["SELL", "(bids)", "nothing"],
    ]
    om.add_order(7, "JPM", Side.SELL, 5, 21)
    assert [line for line in drawn(ladder(om, "JPM", PLAIN)) if "spread" in line] == [" spread          -1"]


def test_a_ladder_for_an_ascii_terminal_is_ascii(om: OrderManagement) -> None:
    text = "\n".join(drawn(ladder(om, "JPM", PLAIN), encoding="ascii"))
    assert text.isascii()
    assert "####" in text


def test_a_cost_has_the_best_and_worst_price_and_the_available_amount(om: OrderManagement) -> None:
    assert list(costs(om, "JPM", [1, 22, 44])) == [
        Cost(Side.BUY, 1, 43, 20, 20, 20),
        Cost(Side.BUY, 22, 43, 442, 20, 21),
        Cost(Side.BUY, 44, 43, None, None, None),
        Cost(Side.SELL, 1, 15, 18, 18, 18),
        Cost(Side.SELL, 22, 15, None, None, None),
        Cost(Side.SELL, 44, 15, None, None, None),
    ]


def test_numbers_have_the_decimals_of_their_feed() -> None:
    assert lobster.UNITS.show_price(5_859_400) == "585.9400"
    assert lobster.UNITS.show_amount(42_203) == "42,203"
    assert lobster.UNITS.show_total(-1) == "-0.0001"
    assert bitstamp.UNITS.show_total(2**63) == "922,337,203.6854775808"
    assert bitstamp.UNITS.show_average(442, 22) == "0.2009"
    assert bitstamp.UNITS.describe() == "1 tick = 0.01, 1 lot = 0.00000001"


@given(st.integers(0, 10**30), st.integers(1, 10**30), st.integers(1, 8))
def test_a_ratio_is_rounded_to_the_nearest_value_of_its_last_decimal(
    numerator: int, denominator: int, decimals: int
) -> None:
    shown = int(ratio(numerator, denominator, decimals).replace(",", "").replace(".", ""))
    assert 2 * abs(numerator * 10**decimals - shown * denominator) <= denominator
