"""A size as a number of units: what its messages and its text look like. `test_instrument` has the rules."""

from __future__ import annotations

import re

import pytest

from oms import InvalidArgumentError
from oms.size import Size, common_size, decimals_of, exact_decimal


def test_a_size_knows_the_method_and_the_keyword_for_its_messages() -> None:
    tick, lot = Size("tick_size", "0.05"), Size("lot_size", "10")
    assert (tick.field, tick.call, tick.keyword) == ("price", "to_ticks", "off_tick")
    assert (lot.field, lot.call, lot.keyword) == ("amount", "to_lots", "off_lot")


def test_the_message_about_a_number_between_two_units_names_both() -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape("such as 20.05 or 20.10, not")):
        Size("tick_size", "0.05").rounded("20.07", "raise")


def test_the_common_size_of_two_sizes_keeps_the_text_of_the_size_that_is_common() -> None:
    assert common_size(Size("tick_size", "0.50"), Size("tick_size", "1.0")) == "0.50"
    assert common_size(Size("tick_size", "4"), Size("tick_size", "6")) == "2"
    assert common_size(Size("tick_size", "0.05"), Size("tick_size", "0.02")) == "0.01"


def test_a_decimal_has_exactly_the_digits_of_the_integer_that_it_was_made_of() -> None:
    assert str(exact_decimal(10**50 + 1, 25)) == f"1{'0' * 25}.{'0' * 24}1"
    assert exact_decimal(-(10**6000), 0) == -(10**6000)


def test_trailing_zeros_are_not_counted_as_decimals() -> None:
    assert [decimals_of(text) for text in ("1.500", "2.000", "1e-3", "")] == [1, 0, 3, 0]
