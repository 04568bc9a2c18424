"""Decimal text to ticks and lots and back: the round trip is the identity, everything else an error."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oms import InvalidOrderError
from oms.feeds import Instrument
from oms.models import MAX_INT
from strategies import NOT_INTS

sizes = st.builds(
    lambda step, decimals: f"{Decimal(step).scaleb(-decimals):f}", st.integers(1, 5000), st.integers(0, 12)
)
counts = st.integers(0, MAX_INT)


@settings(deadline=None)
@given(sizes, counts)
def test_ticks_written_and_read_are_the_same_ticks(size: str, ticks: int) -> None:
    instrument = Instrument(tick_size=size)
    assert instrument.to_ticks(instrument.price_text(ticks)) == ticks


@settings(deadline=None)
@given(sizes, counts)
def test_lots_are_read_and_written_as_ticks_are(size: str, lots: int) -> None:
    instrument = Instrument(lot_size=size)
    text = instrument.amount_text(lots)
    assert instrument.to_lots(text) == lots
    assert Decimal(text) == lots * instrument.lot


@settings(deadline=None)
@given(sizes, st.from_regex(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?", fullmatch=True))
def test_a_text_is_read_as_what_it_says_or_refused(size: str, text: str) -> None:
    instrument = Instrument(tick_size=size)
    ticks = Decimal(text) / Decimal(size)
    if ticks == ticks.to_integral_value():
        assert instrument.to_ticks(text) == ticks
        assert Decimal(instrument.price_text(int(ticks))) == Decimal(text)
    else:
        with pytest.raises(InvalidOrderError, match=f"a multiple of {size}"):
            instrument.to_ticks(text)


@settings(deadline=None)
@given(sizes, counts, st.integers(0, 5))
def test_a_text_with_as_many_decimals_as_the_tick_comes_back_letter_by_letter(
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
        *("", " ", " 1", "1 ", "1\n", "+1", "-1", "-0", "1e3", "1E-2", ".5", "5.", "1,000", "1_000", "NaN"),
        *("inf", "٣", "0x1", "1.2.3", "1" * 41, "0." + "0" * 41, 1, 1.0, Decimal(1), None, b"1"),
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    for read in (Instrument().to_ticks, Instrument().to_lots):
        with pytest.raises(InvalidOrderError, match="a plain decimal such as"):
            read(text)


def test_more_than_a_book_can_hold_is_refused() -> None:
    assert Instrument("0.01").to_ticks("92233720368547758.07") == MAX_INT
    with pytest.raises(InvalidOrderError, match=r"price must be at most 92233720368547758\.07"):
        Instrument("0.01").to_ticks("92233720368547758.08")


@pytest.mark.parametrize("size", ["0", "0.00", "-1", "1e-8", "", " 1", 1, 0.1, Decimal("0.1"), None])
def test_a_size_that_nothing_can_be_counted_in_is_refused(size: str) -> None:
    with pytest.raises(InvalidOrderError, match="tick_size must be a plain decimal"):
        Instrument(size)
    with pytest.raises(InvalidOrderError, match="lot_size must be a plain decimal"):
        Instrument("1", size)


@pytest.mark.parametrize("value", [-1, *NOT_INTS])
def test_only_counts_are_written(value: int) -> None:
    for write in (Instrument().price_text, Instrument().amount_text):
        with pytest.raises(InvalidOrderError, match="an int >= 0"):
            write(value)


@settings(deadline=None)
@given(sizes, st.integers(-(10**20), 10**20), st.integers(1, 10**12))
def test_what_people_read_is_exact(size: str, total: int, lots: int) -> None:
    assume(len(size) < 15)
    instrument = Instrument(size, "0.25")
    assert Decimal(instrument.show_price(total).replace(",", "")) == total * Decimal(size)
    assert Decimal(instrument.show_total(total).replace(",", "")) == total * Decimal(size) * Decimal("0.25")
    shown = Decimal(instrument.show_average(total, lots).replace(",", ""))
    exact = total * Decimal(size) / lots
    assert abs(shown - exact) <= Decimal(1).scaleb(shown.as_tuple().exponent) / 2  # type: ignore[arg-type] # finite


def test_an_instrument_is_a_value() -> None:
    one = Instrument("0.5", "0.001")
    assert pickle.loads(pickle.dumps(one)) == one == Instrument("0.5", "0.001") != Instrument("0.50")  # noqa: S301 - our own
    assert len({one, Instrument("0.5", "0.001")}) == 1
