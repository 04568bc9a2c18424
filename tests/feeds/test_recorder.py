"""A recorder samples books and trades for plots, within its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError, OrderManagement, Side
from oms.feeds import Kind, Message, Recorder, lobster, replay
from support.recordings import AAPL_L10, needs_recordings

SECOND = 10**9


def record(times: list[int], **bounds: int) -> Recorder:
    """Record a book at each time (ns); the amount of its only order is 1, 2, 3, ..."""
    om, recorder = OrderManagement(), Recorder(**bounds)
    om.add_order(1, "X", Side.BUY, 1, 10)
    for count, time in enumerate(times, 1):
        om.amend_order(1, amount=count)
        recorder.see(om, "X", time)
    return recorder


@given(st.lists(st.integers(0, 60 * SECOND), min_size=1, max_size=60).map(sorted), st.integers(1, 20))
def test_the_first_book_of_each_interval_is_sampled_and_the_interval_doubles_at_the_limit(
    times: list[int], most: int
) -> None:
    history = record(times, samples=most).history("X")
    assert len(history.times) <= most
    every = next(
        every
        for every in (SECOND * 2**power for power in range(20))
        if len(set(history.times)) == len({int(time * SECOND) // every for time in history.times})
    )
    assert every >= SECOND
    assert history.times[0] == times[0] / SECOND
    amounts = [levels[0][1] for levels in history.buy_levels]
    assert [times[amount - 1] / SECOND for amount in amounts] == history.times


def test_the_interval_between_two_samples_is_never_shorter_than_every() -> None:
    history = record([n * SECOND // 4 for n in range(41)]).history("X")
    assert history.times == [float(second) for second in range(11)]


def test_the_number_of_samples_does_not_grow_with_the_session() -> None:
    recorder = record([n * SECOND for n in range(5_000)], samples=64)
    history = recorder.history("X")
    assert 32 <= len(history.times) <= 64
    gaps = {later - earlier for earlier, later in zip(history.times, history.times[1:], strict=False)}
    assert gaps == {128.0}


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 10))
def test_of_too_many_trades_the_largest_remain_in_order_of_time(amounts: list[int], most: int) -> None:
    recorder = Recorder(trades=most)
    recorder.begin("X", Instrument("0.1", "1"))
    for time, amount in enumerate(amounts):
        recorder.trade("X", time * SECOND, Side.SELL, 7, amount)
    trades = recorder.history("X").trades
    assert sorted(trades.amount) == sorted(amounts)[-most:]
    assert trades.time == sorted(trades.time)
    assert all(amounts[int(time)] == amount for time, amount in zip(trades.time, trades.amount, strict=True))
    assert recorder.history("X").trades_seen == len(amounts)


def test_an_empty_side_has_no_best_price_and_no_levels() -> None:
    recorder = Recorder()
    recorder.see(OrderManagement(), "X", 5)
    history = recorder.history("X")
    assert (history.best_buy, history.best_sell) == ([None], [None])
    assert (history.buy_levels, history.sell_levels) == ([()], [()])


@pytest.mark.parametrize("bound", ["every", "levels", "samples", "trades"])
def test_a_limit_that_is_not_positive_and_finite_raises_an_error(bound: str) -> None:
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidArgumentError, match=f"{bound} must be a"):
            Recorder(**{bound: value})  # type: ignore[arg-type] # some are floats


def test_a_symbol_that_was_not_recorded_raises_an_error() -> None:
    recorder = record([1])
    assert recorder.symbols == ("X",)
    with pytest.raises(InvalidArgumentError, match=r"symbol must be a recorded symbol \(X\), not 'Y'"):
        recorder.history("Y")


def test_an_order_by_order_replay_is_recorded_with_its_executions() -> None:
    session = [
        Message(1, 0, Kind.SUBMITTED, 7, Side.BUY, 10, 101),
        Message(2, 1 * SECOND, Kind.SUBMITTED, 8, Side.SELL, 5, 99),
        Message(3, 2 * SECOND, Kind.EXECUTED, 7, Side.BUY, 4, 101),
        Message(4, 3 * SECOND, Kind.HIDDEN, 0, Side.SELL, 2, 100),
    ]
    recorder = Recorder()
    replay(session, OrderManagement(), symbol="X", recorder=recorder)
    history = recorder.history("X")
    assert history.buy_levels == [((101, 10),), ((101, 10),), ((101, 6),), ((101, 6),)]
    assert history.best_sell == [None, 99, 99, 99]
    assert history.trades.side == [Side.BUY, Side.SELL]
    assert history.trades.time == [2.0, 3.0]


@needs_recordings
def test_a_lobster_file_is_recorded_in_the_ticks_of_lobster() -> None:
    recorder, history = Recorder(every=0.5, levels=3), lobster.read(AAPL_L10)
    replay(history, OrderManagement(), symbol="AAPL", recorder=recorder)
    recorded = recorder.history("AAPL")
    assert recorded.instrument == Instrument("0.0001", "1")
    assert 34_200 <= recorded.times[0] < recorded.times[-1] < 36_000
    assert max(map(len, recorded.buy_levels)) == 3
    assert recorded.trades_seen == len(recorded.trades.time) > 50


def test_earlier_trades_and_levels_are_converted_to_a_finer_tick_and_lot() -> None:
    om, recorder = OrderManagement(), Recorder(every=1)
    om.add_order(1, "X", Side.SELL, 7, 24)
    recorder.see(om, "X", 0)  # before the tick is set
    recorder.begin("X", Instrument("0.01", "1"))
    recorder.trade("X", 0, Side.BUY, 25, 3)
    recorder.begin("X", Instrument("0.001", "0.1"))
    history = recorder.history("X")
    assert (history.trades.price, history.trades.amount) == ([250], [30])
    assert history.sell_levels == [((240, 70),)]
    with pytest.raises(
        InvalidArgumentError,
        match=r"instrument must be one .* divide the earlier sizes \(1 tick = 0\.001, 1 lot = 0\.1\)",
    ):
        recorder.begin("X", Instrument("0.01", "1"))
