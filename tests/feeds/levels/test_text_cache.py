"""CachedConversion: conversions from text that are made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError
from oms.feeds.levels import text_cache
from oms.feeds.levels.text_cache import CachedConversion


def test_a_repeated_text_is_converted_once() -> None:
    calls: list[str] = []

    def to_int(text: str) -> int:
        calls.append(text)
        return int(text)

    conversion = CachedConversion(to_int, "3")
    assert [conversion[text] for text in ("7", "8", "7", "7")] == [7, 8, 7, 7]
    assert calls == ["7", "8"]


SIZES = [
    "1",
    "1.0",
    "0.1",
    "0.100",
    "0.01",
    "0.00000001",
    "0.5",
    "0.05",
    "3",
    "10",
    "1" + "0" * 20,
    f"0.{'0' * 29}1",
]
TEXTS = [
    "",
    ".",
    "0",
    "00",
    "1.",
    ".1",
    "1..2",
    "1.2.3",
    "-1",
    "+1",
    "1_0",
    " 1",
    "1 ",
    "1e-2",
    "\u0663",
    "1.\u0663",
    "0." + "0" * 18,
    "9" * 18,
    str(2**63 - 1),
    str(2**63),
    "92233720368547758.08",
]


@pytest.mark.parametrize("size", SIZES)
def test_every_text_gives_the_number_or_the_error_of_the_function(size: str) -> None:
    to_ticks = Instrument(size).to_ticks
    conversion = CachedConversion(to_ticks, size)
    for text in TEXTS:
        assert outcome(conversion.__getitem__, text) == outcome(to_ticks, text)


@given(st.sampled_from(SIZES), st.text("0123456789.", max_size=22))
def test_digits_with_points_give_the_number_or_the_error_of_the_function(size: str, text: str) -> None:
    to_ticks = Instrument(size).to_ticks
    assert outcome(CachedConversion(to_ticks, size).__getitem__, text) == outcome(to_ticks, text)


def outcome(convert: Callable[[str], int], text: str) -> int | str:
    try:
        return convert(text)
    except InvalidArgumentError as error:
        return str(error)


def test_the_number_of_cached_texts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "MOST_TEXTS", 3)
    conversion = CachedConversion(int, "3")
    for number in range(20):
        assert conversion[str(number % 5)] == number % 5
        assert len(conversion) <= 3


def test_an_invalid_text_raises_the_error_of_the_function_each_time_and_is_not_cached() -> None:
    conversion = CachedConversion(Instrument("0.5", "1").to_ticks, "0.5")
    assert conversion["1.5"] == 3
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match=r"price must be a multiple of 0\.5"):
            conversion["1.7"]
    assert conversion == {"1.5": 3}


def test_a_value_that_is_not_text_is_not_cached() -> None:
    conversion = CachedConversion(lambda value: len(str(value)), "1")
    assert [conversion[value] for value in (1, True, 1.0)] == [1, 4, 3]  # type: ignore[index] # not text
    assert conversion == {}
