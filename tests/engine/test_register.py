"""The register of open orders: its indexes follow its entries, and its self-check finds damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Side
from oms.engine_state import Entry
from oms.register import Register
from oms.submission import Submission, TimeInForce

BUY, SELL = Side.BUY, Side.SELL


def stop(arrival: int, side: Side, stop_price: int, symbol: str = "JPM") -> Entry:
    order = Submission(f"s{arrival}", symbol, side, 1, stop_price=stop_price)
    return Entry(arrival, order, 1, waiting=True)


def dated(arrival: int, expires: int) -> Entry:
    order = Submission(arrival, "JPM", BUY, 1, 10, TimeInForce.GTD, expires=expires)
    return Entry(arrival, order, 1)


@given(
    stops=st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 20)), max_size=20),
    removed=st.sets(st.integers(0, 19)),
    lowest=st.integers(1, 20),
    highest=st.integers(1, 20),
)
def test_trades_trigger_the_buy_stops_below_and_the_sell_stops_above_in_the_order_of_arrival(
    stops: list[tuple[Side, int]], removed: set[int], lowest: int, highest: int
) -> None:
    entries = [stop(arrival, side, price) for arrival, (side, price) in enumerate(stops)]
    register = Register(entries)
    for arrival in removed & set(range(len(entries))):
        register.remove(entries[arrival])
    register._check()
    assert register.triggered("IBM", lowest, highest) == []
    assert register.triggered("JPM", lowest, highest) == [
        entries[arrival]
        for arrival, (side, price) in enumerate(stops)
        if arrival not in removed and (price <= highest if side is BUY else price >= lowest)
    ]


@given(times=st.lists(st.integers(1, 9), max_size=20), now=st.integers(1, 9))
def test_orders_expire_in_the_order_of_their_times_and_then_of_their_arrival(
    times: list[int], now: int
) -> None:
    entries = [dated(arrival, expires) for arrival, expires in enumerate(times)]
    expired = sorted((expires, arrival) for arrival, expires in enumerate(times) if expires <= now)
    assert Register(entries).expired(now) == [entries[arrival] for _, arrival in expired]


@pytest.mark.parametrize("name", Register.__slots__)
def test_the_self_check_finds_an_index_that_does_not_match_the_entries(name: str) -> None:
    register = Register([stop(1, SELL, 20), dated(2, 5)])
    register._check()
    getattr(register, name).clear()
    with pytest.raises(AssertionError, match="matches the entries"):
        register._check()
