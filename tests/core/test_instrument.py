"""Conversion of decimal text to ticks and lots and back, which is either exact or an error."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, Overflow, Rounded, localcontext
from fractions import Fraction
from functools import partial
from math import ceil, floor, gcd, inf, nextafter
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError
from oms.instrument import ratio
from oms.models import MAX_INT
from oms.size import ExactNumber, Rounding
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


def test_zero_ticks_and_zero_lots_have_a_text() -> None:
    assert Instrument("0.01", "0.1").price_text(0) == "0.00"
    assert Instrument("0.01", "0.1").amount_text(0) == "0.0"


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
        instrument.to_ticks(value)  # type: ignore[call-overload] # the mistake
    call, _, keyword = caught.value.remedy.removeprefix("convert with ").partition(", or pass ")
    ticks = eval(f"instrument.{call}", {"instrument": instrument})  # noqa: S307 - our own message
    assert ticks == Fraction(str(value)) * 10**5
    assert keyword == "off_tick='raise'"
    assert instrument.to_ticks(value, off_tick="raise") == ticks


WAYS: dict[Rounding, Callable[[Fraction], int]] = {"nearest": round, "down": floor, "up": ceil}
"""The exact roundings. `round` rounds a half to the even integer."""


def expected(value: float, size: str, way: Rounding) -> int | None:
    """Return the units of a float by the documented rule, or None if it must be rejected."""
    exact = Fraction(value) / Fraction(size)
    difference = abs(exact - round(exact))
    is_nearest_float = float(round(exact) * Fraction(size)) == value
    if difference <= exact / 10**9 and (difference <= Fraction(1, 100) or is_nearest_float):
        return round(exact)
    return None if way == "raise" else WAYS[way](exact)


near_ticks = st.builds(
    lambda ticks, size, ulps: (size, nudged(ticks * float(size), ulps)),
    st.integers(0, 10**12) | st.integers(10**12, 2**62),
    sizes,
    st.integers(-20, 20),
)


def nudged(value: float, ulps: int) -> float:
    """Return the float that is this many steps above (or below) a value, and at least 0."""
    for _ in range(abs(ulps)):
        value = nextafter(value, inf if ulps > 0 else 0)
    return value


@given(near_ticks | st.tuples(sizes, st.floats(0, 1e15)), st.sampled_from(get_args(Rounding)))
def test_a_float_is_converted_as_its_exact_value_says(case: tuple[str, float], way: Rounding) -> None:
    size, value = case
    instrument, units = Instrument(size, size), expected(value, size, way)
    assume(units is None or units <= MAX_INT)
    if units is not None:
        assert instrument.to_ticks(value, off_tick=way) == units
        assert instrument.to_lots(value, off_lot=way) == units
        return
    below = floor(Fraction(value) / Fraction(size))
    assume(below < MAX_INT)
    neighbors = f"{instrument.price_text(below)} or {instrument.price_text(below + 1)}"
    with pytest.raises(InvalidArgumentError, match=rf"a multiple of {size}, such as {neighbors}, not"):
        instrument.to_ticks(value, off_tick="raise")


@given(sizes, st.integers(0, 10**13) | st.integers(10**13, 2**52))
def test_the_float_that_is_nearest_to_a_tick_is_this_tick_with_every_rounding(size: str, ticks: int) -> None:
    instrument = Instrument(size)
    value = float(instrument.price_text(ticks))
    assert {instrument.to_ticks(value, off_tick=way) for way in get_args(Rounding)} == {ticks}


def test_a_float_does_not_lose_a_tick_as_truncation_does() -> None:
    share = Instrument("0.01")
    assert int(20.40 * 100) == 2039
    assert {share.to_ticks(20.40, off_tick=way) for way in get_args(Rounding)} == {2040}
    assert {share.to_ticks(0.1 + 0.2, off_tick=way) for way in get_args(Rounding)} == {30}


@pytest.mark.parametrize("way", get_args(Rounding))
def test_a_large_float_that_is_nearest_to_a_lot_is_this_lot_although_it_differs_by_2_percent_of_a_lot(
    way: Rounding,
) -> None:
    coin = Instrument("1", "0.00000001")
    value = 6667001.51382875
    assert abs(Fraction(value) - Fraction("6667001.51382875")) > Fraction(coin.lot) / 100
    assert coin.to_lots(value, off_lot=way) == 666700151382875
    beside = nextafter(value, 0)
    if way == "raise":
        with pytest.raises(InvalidArgumentError, match=r"such as 6667001\.51382874 or 6667001\.51382875"):
            coin.to_lots(beside, off_lot=way)
    else:
        assert coin.to_lots(beside, off_lot=way) == 666700151382875 - (way == "down")


def test_a_long_float_of_numpy_that_is_only_rounded_to_a_lot_is_not_this_lot() -> None:
    value = np.longdouble("6667001.5138287502")
    assert float(value) == 6667001.51382875
    if np.finfo(np.longdouble).nmant > 52:  # on some platforms, it has the precision of a float
        assert Instrument("1", "0.00000001").to_lots(value, off_lot="up") == 666700151382876  # type: ignore[call-overload] # a scalar


def test_a_large_float_that_is_half_way_between_two_lots_is_not_mistaken_for_a_whole_number() -> None:
    with pytest.raises(InvalidArgumentError, match="such as 1234567890 or 1234567891"):
        Instrument().to_lots(1234567890.5, off_lot="raise")


@given(sizes, st.fractions(0, 10**6), st.sampled_from(["nearest", "down", "up"]))
def test_an_exact_number_is_rounded_as_requested(size: str, number: Fraction, way: Rounding) -> None:
    units = WAYS[way](number / Fraction(size))
    assume(units <= MAX_INT)
    assert Instrument(size).to_ticks(number, off_tick=way) == units
    assert Instrument("1", size).to_lots(number, off_lot=way) == units


@given(sizes, st.decimals("0", "1e6", places=8))
def test_every_exact_form_of_a_number_is_rounded_to_the_same_ticks(size: str, number: Decimal) -> None:
    for way, rounding in WAYS.items():
        ticks = rounding(Fraction(number) / Fraction(size))
        forms: list[ExactNumber] = [number, f"{number:f}", str(number), Fraction(number)]
        for form in forms:
            assert Instrument(size).to_ticks(form, off_tick=way) == ticks


@given(sizes, counts)
def test_a_multiple_of_the_size_is_not_changed_by_any_rounding(size: str, ticks: int) -> None:
    instrument = Instrument(size)
    text = instrument.price_text(ticks)
    assert {instrument.to_ticks(text, off_tick=way) for way in get_args(Rounding)} == {ticks}


def test_halves_are_rounded_to_the_even_tick() -> None:
    halves: list[str | float] = ["0.005", "0.015", "0.025", 0.125, 0.375]
    assert [Instrument("0.01").to_ticks(half, off_tick="nearest") for half in halves] == [0, 2, 2, 12, 38]


@pytest.mark.parametrize("way", get_args(Rounding))
@pytest.mark.parametrize(
    "value", [float("nan"), inf, -inf, -1.0, -1e-300, np.float32("nan"), "-1", -1, Fraction(-1, 10**9)]
)
def test_a_number_that_is_negative_or_not_finite_is_rejected_with_every_rounding(
    value: float | Fraction | str, way: Rounding
) -> None:
    for convert in (partial(Instrument().to_ticks, off_tick=way), partial(Instrument().to_lots, off_lot=way)):
        with pytest.raises(InvalidArgumentError, match=r"finite number >= 0|0 or more|a decimal >= 0"):
            convert(value)


@pytest.mark.parametrize("value", [True, None, b"1", [1], 1j, np.int64(1), np.bool_(True), np.array([1.0])])
def test_a_value_that_is_not_a_number_is_rejected_with_a_rounding_too(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="an int, a Decimal, or a Fraction"):
        Instrument().to_ticks(value, off_tick="nearest")


def test_floats_of_numpy_are_converted_as_their_exact_value_says() -> None:
    share = Instrument("0.01")
    assert share.to_ticks(np.float64(20.4), off_tick="raise") == 2040
    assert share.to_ticks(np.float32(20.4), off_tick="nearest") == 2040  # type: ignore[call-overload] # a scalar
    with pytest.raises(InvalidArgumentError, match=r"such as 20\.39 or 20\.40, not np\.float32\(20\.4\)"):
        share.to_ticks(np.float32(20.4), off_tick="raise")  # type: ignore[call-overload] # a scalar


def test_rounding_up_past_the_largest_integer_of_a_book_is_rejected() -> None:
    with pytest.raises(InvalidArgumentError, match="price must be at most"):
        Instrument().to_ticks(f"{MAX_INT}.5", off_tick="up")


@pytest.mark.parametrize("rounding", ["floor", "", True, 1, [], np.array(["up", "down"])])
def test_an_unknown_rounding_is_rejected(rounding: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="off_tick must be 'raise', 'nearest', 'down', or 'up'"):
        Instrument().to_ticks("1", off_tick=rounding)
    with pytest.raises(InvalidArgumentError, match="off_lot must be"):
        Instrument().to_lots("1", off_lot=rounding)


@given(sizes, sizes, st.integers(-(10**60), 10**60))
def test_decimals_made_of_ticks_lots_and_totals_are_exact_in_any_decimal_context(
    tick: str, lot: str, number: int
) -> None:
    instrument = Instrument(tick, lot)
    with localcontext(Context(prec=1, Emax=1, Emin=-1, traps=[Inexact, Rounded, Overflow])):
        price, amount, money = (
            convert(number) for convert in (instrument.to_price, instrument.to_amount, instrument.to_money)
        )
    assert Fraction(price) == number * Fraction(tick)
    assert Fraction(amount) == number * Fraction(lot)
    assert Fraction(money) == number * Fraction(tick) * Fraction(lot)


@given(sizes, st.integers(-(10**20), 10**20), st.integers(0, 12), st.integers(0, 12))
def test_a_fraction_is_converted_to_an_exact_decimal_if_there_is_one(
    size: str, numerator: int, twos: int, fives: int
) -> None:
    number = Fraction(numerator, 2**twos * 5**fives)
    instrument = Instrument(size, "0.25")
    assert Fraction(instrument.to_price(number)) == number * Fraction(size)
    assert Fraction(instrument.to_money(number)) == number * Fraction(size) / 4
    if number.denominator == 1:
        assert str(instrument.to_price(number)) == str(instrument.to_price(int(number)))
    with pytest.raises(InvalidArgumentError, match="lots must be a number with finitely many decimal places"):
        instrument.to_amount(number + Fraction(1, 3))


def test_half_a_tick_adds_one_decimal_place() -> None:
    assert str(Instrument("0.01").to_price(Fraction(3999, 2))) == "19.995"
    assert str(Instrument("0.01").to_price(Fraction(1, 8))) == "0.00125"


@given(sizes, counts)
def test_a_price_converted_to_a_decimal_and_back_is_unchanged(size: str, ticks: int) -> None:
    instrument = Instrument(size, size)
    assert instrument.to_ticks(instrument.to_price(ticks)) == ticks
    assert instrument.to_lots(instrument.to_amount(ticks)) == ticks
    assert str(instrument.to_price(ticks)) == str(Decimal(instrument.price_text(ticks)))


@pytest.mark.parametrize("value", [value for value in NOT_INTS if type(value) is not Fraction])
def test_only_integers_and_fractions_are_converted_to_decimals(value: int) -> None:
    for convert in (Instrument().to_price, Instrument().to_amount, Instrument().to_money):
        with pytest.raises(InvalidArgumentError, match="must be an int or a Fraction, not"):
            convert(value)


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


def test_a_finer_instrument_keeps_the_name_the_currency_and_enough_decimals() -> None:
    share = Instrument("0.01", "1", name="JPM", currency="USD", price_decimals=3)
    finer = share.finer(Instrument("0.0001", "1"))
    assert finer == Instrument("0.0001", "1", name="JPM", currency="USD", price_decimals=4)
    assert share.finer(Instrument("1", "0.5")).price_decimals == 3
    assert Instrument("0.01", currency="USD").finer(Instrument("0.001")) == Instrument(
        "0.001", currency="USD"
    )


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


@pytest.mark.parametrize("value", NOT_INTS)
@pytest.mark.parametrize("method", ["show_price", "show_amount", "show_total", "show_money"])
def test_only_integers_are_shown_as_text(method: str, value: object) -> None:
    if method == "show_money" and type(value) is Fraction:
        return  # see test_a_fraction_of_money_is_shown_as_exactly_as_an_integer
    with pytest.raises(InvalidArgumentError, match="must be an int, not "):
        getattr(Instrument("0.01"), method)(value)


@pytest.mark.parametrize("value", NOT_INTS)
def test_an_average_is_that_of_an_integer_of_at_least_one_lot(value: int) -> None:
    share = Instrument("0.01")
    with pytest.raises(InvalidArgumentError, match="total must be an int, not "):
        share.show_average(value, 1)
    for lots in (value, 0, -1):
        with pytest.raises(InvalidArgumentError, match="lots must be an int >= 1, not "):
            share.show_average(2040, lots)


@pytest.mark.parametrize("value", NOT_INTS)
def test_a_ratio_is_that_of_two_integers_with_a_number_of_decimals(value: int) -> None:
    with pytest.raises(InvalidArgumentError, match="numerator must be an int, not "):
        ratio(value, 1, 2)
    for denominator in (value, 0, -3):
        with pytest.raises(InvalidArgumentError, match="denominator must be an int >= 1, not "):
            ratio(2, denominator, 2)
    for decimals in (value, -1):
        with pytest.raises(InvalidArgumentError, match="decimals must be an int >= 0, not "):
            ratio(2, 3, decimals)


@pytest.mark.parametrize("value", [-1, 41, *NOT_INTS])
def test_a_number_of_decimals_is_an_integer_from_0_to_40(value: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"price must be an int in 0\.\.40, not "):
        Instrument.of_decimals(value, 2)
    with pytest.raises(InvalidArgumentError, match=r"amount must be an int in 0\.\.40, not "):
        Instrument.of_decimals(2, value)


def test_the_sizes_of_0_and_of_40_decimals_are_exact() -> None:
    assert Instrument.of_decimals(0, 40) == Instrument("1", f"0.{'0' * 39}1")


@pytest.mark.parametrize("value", [5, None, "0.01", ("0.01", "1"), Instrument])
def test_only_an_instrument_is_compared_for_the_finer_sizes(value: Instrument) -> None:
    with pytest.raises(InvalidArgumentError, match="other must be an Instrument, not "):
        Instrument("0.01").finer(value)


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


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_preserves_an_instrument_that_was_used(protocol: int) -> None:
    one = Instrument("0.05", "0.001", name="JPM", currency="USD", price_decimals=4)
    assert one.show_price(one.to_ticks("20.05")) == "20.0500"
    other = pickle.loads(pickle.dumps(one, protocol))  # noqa: S301 - our own
    assert other == one
    assert repr(other) == repr(one)
    assert (other.to_ticks("20.05"), other.show_price(401), other.to_lots("1.5")) == (401, "20.0500", 1500)


def test_a_pickle_of_an_instrument_contains_its_fields_only() -> None:
    one = Instrument("0.01")
    assert one.to_ticks("1") == 100
    assert set(one.__getstate__()) == {"tick_size", "lot_size", "name", "currency", "price_decimals"}
    assert copy.deepcopy(one) == copy.copy(one) == one


def test_the_description_of_an_instrument_shows_its_sizes_as_they_were_passed() -> None:
    assert Instrument("0.50", "0.001").describe() == "1 tick = 0.50, 1 lot = 0.001"


def test_the_repr_shows_the_name_the_currency_and_the_decimals_only_if_they_were_passed() -> None:
    full = Instrument("0.01", "1", name="JPM", currency="USD", price_decimals=4)
    assert repr(Instrument("0.01")) == "Instrument(tick_size='0.01', lot_size='1')"
    assert repr(full) == (
        "Instrument(tick_size='0.01', lot_size='1', name='JPM', currency='USD', price_decimals=4)"
    )
    for instrument in (Instrument("0.01"), full, Instrument(currency="EUR")):
        assert eval(repr(instrument)) == instrument  # noqa: S307 - our own repr


def test_instruments_with_different_names_or_currencies_are_different() -> None:
    one, others = Instrument("0.01"), [Instrument("0.01", name="JPM"), Instrument("0.01", currency="USD")]
    assert one not in others
    assert len({one, *others, Instrument("0.01", price_decimals=2)}) == 4
    assert all(pickle.loads(pickle.dumps(each)) == each for each in others)  # noqa: S301 - our own


def test_prices_and_totals_are_shown_with_the_decimals_of_prices() -> None:
    bond = Instrument("0.5", "10", price_decimals=3, currency="EUR")
    assert (bond.show_price(2469), bond.show_price(-1)) == ("1,234.500", "-0.500")
    assert (bond.show_total(2469), bond.show_average(2469, 2)) == ("12,345.000", "617.25000")
    assert bond.price_text(2469) == "1234.5"


@pytest.mark.parametrize(
    ("tick", "lot", "decimals", "total", "text"),
    [
        ("0.01", "1", None, 41_156_639, "411,566.39"),
        ("0.01", "0.001", None, 2_040_001, "20.40001"),
        ("0.01", "0.001", None, -2_040_000, "-20.40"),
        ("1", "1", None, 1200, "1,200"),
        ("1", "0.01", None, 120_000, "1,200"),
        ("100", "0.1", None, 5, "50"),
        ("1", "1", 2, 0, "0.00"),
    ],
)
def test_money_is_shown_exactly_with_no_more_decimals_than_it_needs(
    tick: str, lot: str, decimals: int | None, total: int, text: str
) -> None:
    assert Instrument(tick, lot, price_decimals=decimals).show_money(total) == text
    assert Instrument(tick, lot, price_decimals=decimals, currency="USD").show_money(total) == f"{text} USD"


@given(sizes, sizes, st.integers(-(10**20), 10**20))
def test_money_as_text_and_as_a_decimal_are_equal(tick: str, lot: str, total: int) -> None:
    instrument = Instrument(tick, lot)
    assert Decimal(instrument.show_money(total).replace(",", "")) == instrument.to_money(total)


@given(sizes, sizes, st.integers(-(10**20), 10**20), st.integers(0, 6), st.none() | st.integers(30, 40))
def test_a_fraction_of_money_is_shown_as_exactly_as_an_integer(
    tick: str, lot: str, total: int, places: int, decimals: int | None
) -> None:
    instrument = Instrument(tick, lot, price_decimals=decimals)
    assert instrument.show_money(Fraction(total)) == instrument.show_money(total)
    part = Fraction(total, 10**places)
    assert Decimal(instrument.show_money(part).replace(",", "")) == instrument.to_money(part)


def test_a_fraction_without_an_exact_decimal_number_is_not_shown_as_money() -> None:
    with pytest.raises(InvalidArgumentError, match="finitely many decimal places"):
        Instrument("0.01").show_money(Fraction(1, 3))


def test_the_description_contains_the_name_and_the_currency() -> None:
    assert Instrument("0.01", name="JPM", currency="USD").describe() == "JPM: 1 tick = 0.01 USD, 1 lot = 1"


@pytest.mark.parametrize("value", ["", "\ud800", b"USD", 7, np.str_("USD")])
def test_an_invalid_name_or_currency_is_rejected(value: Any) -> None:
    for argument in ("name", "currency"):
        with pytest.raises(InvalidArgumentError, match=f"{argument} must be a non-empty str"):
            Instrument(**{argument: value})


@pytest.mark.parametrize("value", [1, -1, 41, True, 2.0, "2", np.int64(2)])
def test_the_decimals_of_prices_are_an_integer_that_is_large_enough_for_every_tick(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"price_decimals must be an int in 2\.\.40, or None"):
        Instrument("0.05", price_decimals=value)
