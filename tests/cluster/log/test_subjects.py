"""Every symbol has a subject of its own, and a subject is valid in NATS."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms import Event, InvalidArgumentError, Order, OrderAdded, OrdersAdded, Side
from oms.cluster.log.subjects import check_shard, stream_of, subject_of, symbol_token

BUY = Side.BUY
symbols = st.text(st.characters(codec="utf-8"), min_size=1)


def added(*symbols: str) -> list[Event]:
    return [OrderAdded(Order(n, symbol, BUY, 1, 1), n) for n, symbol in enumerate(symbols, 1)]


@given(symbol=symbols | st.text(".*> ~%$\t\r\n\0", min_size=1), repeats=st.integers(1, 300))
@example("JPM", 1)
@example(">", 1)
def test_a_symbol_is_one_valid_token(symbol: str, repeats: int) -> None:
    token = symbol_token(symbol * repeats)
    assert re.fullmatch(r"[A-Za-z0-9_%-]{1,200}|~[0-9a-f]{64}", token)


@given(one=symbols | st.text(".%2E~7", min_size=1), other=symbols | st.text(".%2E~7", min_size=1))
def test_different_symbols_have_different_tokens(one: str, other: str) -> None:
    assert (symbol_token(one) == symbol_token(other)) is (one == other)


def test_long_symbols_have_different_tokens() -> None:
    assert symbol_token("a" * 200) == "a" * 200
    assert symbol_token("a" * 201) != symbol_token("a" * 202)
    assert symbol_token(symbol_token("a" * 201)) != symbol_token("a" * 201)


def test_events_of_one_symbol_have_its_subject_and_all_others_that_of_the_shard() -> None:
    basket = OrdersAdded((Order(1, "JPM", BUY, 1, 1), Order(2, "JPM", BUY, 1, 1)), 1)
    mixed = OrdersAdded((Order(1, "JPM", BUY, 1, 1), Order(2, "IBM", BUY, 1, 1)), 1)
    assert subject_of("main", added("JPM")) == "oms.main.symbol.JPM"
    assert subject_of("main", [*added("JPM", "JPM"), basket]) == "oms.main.symbol.JPM"
    for events in (added("JPM", "IBM"), [mixed], [*added("IBM"), basket], []):
        assert subject_of("main", events) == "oms.main.shard"


@pytest.mark.parametrize("shard", ["", "a.b", "a b", "*", ">", "é", "a" * 65, "a\n", None, 1, b"a"])
def test_an_invalid_name_of_a_shard_is_rejected(shard: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="shard"):
        check_shard(shard)


def test_a_valid_name_of_a_shard_is_accepted() -> None:
    check_shard("Main-1_a")
    assert stream_of("Main-1_a") == "oms-Main-1_a"
