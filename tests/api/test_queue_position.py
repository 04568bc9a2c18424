"""The orders ahead of an order are counted in slices, as they are at the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oms import MatchingEngine, OrderNotFoundError, Side
from oms.api import long_reads
from oms.api.engine.queue_position import begin_count
from support.counted_lock import CountedLock


@pytest.fixture
def engine() -> MatchingEngine:
    engine = MatchingEngine()
    for n in range(3_000):
        engine.submit(n, "JPM", Side.SELL, n % 5 + 1, 100)
    for n in range(3_000, 3_100):
        engine.submit(n, "JPM", Side.SELL, 9, 99 + n % 2 * 2)
    engine.submit("stop", "JPM", Side.SELL, 5, 98, stop_price=90)
    return engine


@pytest.mark.parametrize("order_id", [0, 1, 999, 1_000, 1_001, 2_999, 3_000, 3_099])
def test_the_count_is_that_of_the_beginning_whatever_changes_between_slices(
    order_id: int, engine: MatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = engine.queue_ahead(order_id)
    lock = CountedLock(engine, monkeypatch)
    canceled: Iterator[int] = iter(range(order_id, -1, -1))
    lock.change = lambda: engine.cancel(next(canceled))
    with engine.locked():
        count = begin_count(engine, order_id)
    assert count() == expected
    assert max(lock.reads) <= long_reads.SLICE
    assert not engine._ledger.subscribers.callbacks


def test_an_order_that_is_not_in_the_book_raises_the_same_error(engine: MatchingEngine) -> None:
    with pytest.raises(OrderNotFoundError):
        begin_count(engine, 5_000)
    with pytest.raises(ValueError, match="waits for its stop price"):
        begin_count(engine, "stop")
