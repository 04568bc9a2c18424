"""Conversion of decimal text to ticks and lots and back, which is either exact or an error."""

from __future__ import annotations

import pickle
from decimal import Decimal, localcontext
from fractions import Fraction
from math import gcd

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError
from oms.instrument import ExactNumber
from oms.models import MAX_INT
from support.strategies import NOT_INTS

sizes = st.builds(
    lambda step, decimals: f"{Decimal(step).scaleb(-decimals):f}", st.integers(1, 5000), st.integers(0, 12)
)
counts = st.integers(0, MAX_INT)


@given(sizes, counts)
def test_ticks_converted_to_text_and_back_are_unchanged(size: str, ticks: int) -> None:
    instrument = Instrument(tick_size=size)
    assert instrument.to_ticks(instrument.price_text(ticks)) == ticks


@given(sizes, counts)
def test_lots_converted_to_text_and_back_are_unchanged(size: str, lots: int) -> None:
    instrument = Instrument(lot_size=size)
    text = instrument.amount_text(lots)
    assert instrument.to_lots(text) == lots
    assert Decimal(text) == lots * instrument.lot


@given(sizes, st.from_regex(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?", fullmatch=True))
def test_decimal_text_is_converted_exactly_or_rejected(size: str, text: str) -> None:
    instrument = Instrument(tick_size=size)
    ticks = Decimal(text) / Decimal(size)
    if ticks > MAX_INT:
        with pytest.raises(InvalidArgumentError, match=r"at most|a multiple of"):
            instrument.to_ticks(text)
    elif ticks == ticks.to_integral_value():
        assert instrument.to_ticks(text) == ticks
        assert Decimal(instrument.price_text(int(ticks))) == Decimal(text)
    else:
        with pytest.raises(InvalidArgumentError, match=f"a multiple of {size}"):
            instrument.to_ticks(text)


@given(sizes, counts, st.integers(0, 5))
def test_text_with_as_many_decimals_as_the_tick_size_survives_the_round_trip_unchanged(
    size: str, ticks: int, zeros: int
) -> None:
    instrument = Instrument(tick_size=size)
    text = instrument.price_text(ticks)
    assert instrument.price_text(instrument.to_ticks(text)) == text
    padded = text + "0" * zeros if "." in text else text
    assert instrument.price_text(instrument.to_ticks(padded)) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            " 1",
            "1 ",
            "1\n",
            "+1",
            "-1",
            "-0",
            ".5",
            "5.",
            "1,000",
            "1_000",
            "NaN",
            "inf",
            "٣",
            "0x1",
        ),
        *("1.2.3", "1" * 41, "0." + "0" * 41, "1e", "e1", "1e1.0", "1e+-1", "1e41", "1e-41", "1e999999999"),
        *(Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal("1e41"), Decimal("0e999999999")),
        Decimal("1e-999999999"),
    ],
)
def test_text_and_decimals_that_are_not_plain_numbers_are_rejected(text: str | Decimal) -> None:
    for convert in (Instrument().to_ticks, Instrument().to_lots):
        with pytest.raises(InvalidArgumentError, match="a decimal >= 0 such as"):
            convert(text)


@pytest.mark.parametrize("value", [-1, Fraction(-1)])
def test_a_negative_number_is_rejected(value: int | Fraction) -> None:
    with pytest.raises(InvalidArgumentError, match="price must be 0 or more"):
        Instrument().to_ticks(value)


@pytest.mark.parametrize(
    "value", [1.0, 1e-300, float("nan"), True, None, b"1", [1], np.int64(1), np.float64(1), np.bool_(True)]
)
def test_a_value_of_an_inexact_type_is_rejected(value: str) -> None:
    for convert in (Instrument().to_ticks, Instrument().to_lots):
        with pytest.raises(
            InvalidArgumentError, match=r"must be text such as '12\.5', an int, a Decimal, or a Fraction"
        ):
            convert(value)


@pytest.mark.parametrize("value", [12.5, np.float64(12.5), np.float32(12.5), 0.1, 1e-5, 1e13])
def test_the_message_about_a_float_names_a_call_that_converts_it_exactly(value: float) -> None:
    instrument = Instrument("0.00001")
    with pytest.raises(InvalidArgumentError) as caught:
        instrument.to_ticks(value)  # type: ignore[arg-type] # the mistake
    call = caught.value.remedy.removeprefix("convert with ")
    ticks = eval(f"instrument.{call}", {"instrument": instrument})  # noqa: S307 - our own message
    assert ticks == Fraction(str(value)) * 10**5


@given(sizes, st.decimals("0", "1e6", places=8), st.integers(-6, 6))
def test_every_exact_form_of_a_number_is_converted_to_the_same_ticks(
    size: str, number: Decimal, shift: int
) -> None:
    instrument = Instrument(size)
    with localcontext(prec=60):
        text = f"{number.scaleb(-shift):f}e{shift}"
    ticks = Fraction(number) / Fraction(size)
    forms: list[ExactNumber] = [number, Fraction(number), f"{number:f}", text, text.replace("e", "E")]
    if number == int(number):
        forms.append(int(number))
    for form in forms:
        if ticks.denominator == 1:
            assert instrument.to_ticks(form) == ticks
        else:
            with pytest.raises(InvalidArgumentError, match=f"a multiple of {size}"):
                instrument.to_ticks(form)


def test_text_with_an_exponent_is_converted_exactly() -> None:
    instrument = Instrument("0.001", "1")
    assert [instrument.to_ticks(text) for text in ("1e-3", "25E-2", "1E+2", "0e9", "1.250e1")] == [
        *(1, 250, 100_000, 0, 12_500),
    ]


@given(sizes, sizes)
def test_the_finer_instrument_is_the_coarsest_one_in_which_both_tick_sizes_are_whole_numbers(
    one: str, other: str
) -> None:
    finer = Instrument(one, one).finer(Instrument(other, other))
    ratios = [Fraction(size) / Fraction(finer.tick_size) for size in (one, other)]
    assert [ratio.denominator for ratio in ratios] == [1, 1]
    assert gcd(*(ratio.numerator for ratio in ratios)) == 1
    assert finer.lot_size == finer.tick_size


def test_a_price_above_the_largest_integer_of_a_book_is_rejected() -> None:
    assert Instrument("0.01").to_ticks("92233720368547758.07") == MAX_INT
    with pytest.raises(InvalidArgumentError, match=r"price must be at most 92233720368547758\.07"):
        Instrument("0.01").to_ticks("92233720368547758.08")


@pytest.mark.parametrize("size", ["0", "0.00", "-1", "1e-8", "", " 1", 1, 0.1, Decimal("0.1"), None])
def test_an_invalid_tick_size_or_lot_size_is_rejected(size: str) -> None:
    with pytest.raises(InvalidArgumentError, match="tick_size must be decimal text above 0"):
        Instrument(size)
    with pytest.raises(InvalidArgumentError, match="lot_size must be decimal text above 0"):
        Instrument("1", size)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0.1, "0.1"), (1e-8, "0.00000001"), ("1e-8", "0.00000001"), (1, "1"), (Decimal("0.50"), "0.50")],
)
def test_the_message_about_a_size_of_another_type_contains_the_text_to_write(size: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Instrument(size)
    assert caught.value.remedy == f"write {text!r}"
    assert Instrument(text).tick == Decimal(str(size))


@pytest.mark.parametrize("value", [-1, *NOT_INTS])
def test_only_integers_of_zero_or_more_are_converted_to_text(value: int) -> None:
    for write in (Instrument().price_text, Instrument().amount_text):
        with pytest.raises(InvalidArgumentError, match="an int >= 0"):
            write(value)


@given(sizes, st.integers(-(10**20), 10**20), st.integers(1, 10**12))
def test_the_text_for_people_is_exact_and_averages_are_correctly_rounded(
    size: str, total: int, lots: int
) -> None:
    assume(len(size) < 15)
    instrument = Instrument(size, "0.25")
    assert Decimal(instrument.show_price(total).replace(",", "")) == total * Decimal(size)
    assert Decimal(instrument.show_total(total).replace(",", "")) == total * Decimal(size) * Decimal("0.25")
    assert Decimal(instrument.show_amount(total).replace(",", "")) == total * Decimal("0.25")
    average = Decimal(instrument.show_average(total, lots).replace(",", ""))
    exact = total * Decimal(size) / lots
    assert abs(average - exact) <= Decimal(1).scaleb(average.as_tuple().exponent) / 2  # type: ignore[arg-type] # finite


def test_instruments_are_compared_by_value_and_can_be_pickled() -> None:
    one = Instrument("0.5", "0.001")
    assert pickle.loads(pickle.dumps(one)) == one == Instrument("0.5", "0.001") != Instrument("0.50")  # noqa: S301 - our own
    assert len({one, Instrument("0.5", "0.001")}) == 1


def test_the_description_of_an_instrument_shows_its_sizes_as_they_were_passed() -> None:
    assert Instrument("0.50", "0.001").describe() == "1 tick = 0.50, 1 lot = 0.001"
