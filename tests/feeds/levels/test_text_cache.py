"""CachedConversion: conversions from text that are made once."""

from __future__ import annotations

import pytest

from oms import Instrument, InvalidArgumentError
from oms.feeds.levels import text_cache
from oms.feeds.levels.text_cache import CachedConversion


def test_a_repeated_text_is_converted_once() -> None:
    calls: list[str] = []

    def to_int(text: str) -> int:
        calls.append(text)
        return int(text)

    conversion = CachedConversion(to_int)
    assert [conversion[text] for text in ("7", "8", "7", "7")] == [7, 8, 7, 7]
    assert calls == ["7", "8"]


def test_the_number_of_cached_texts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "MOST_TEXTS", 3)
    conversion = CachedConversion(int)
    for number in range(20):
        assert conversion[str(number % 5)] == number % 5
        assert len(conversion) <= 3


def test_an_invalid_text_raises_the_error_of_the_function_each_time_and_is_not_cached() -> None:
    conversion = CachedConversion(Instrument("0.5", "1").to_ticks)
    assert conversion["1.5"] == 3
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match=r"price must be a multiple of 0\.5"):
            conversion["1.7"]
    assert conversion == {"1.5": 3}


def test_a_value_that_is_not_text_is_not_cached() -> None:
    conversion = CachedConversion(lambda value: len(str(value)))
    assert [conversion[value] for value in (1, True, 1.0)] == [1, 4, 3]  # type: ignore[index] # not text
    assert conversion == {}
