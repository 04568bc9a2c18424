"""`locked()`: several calls that see the same state, because the block holds the lock."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from oms import Event, OpenTransactionError, OrderManagement, Side
from support.threads import in_a_thread

BUY = Side.BUY


@pytest.fixture
def om() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(4, "JPM", BUY, 10, 21)
    om.calculate_price("JPM", BUY, 30)
    return om


def enter_locked(om: OrderManagement) -> None:
    with om.locked():
        pass


def is_free(om: OrderManagement) -> bool:
    """Return True if another thread can acquire the lock."""

    def try_lock() -> bool:
        success = om._lock.acquire(blocking=False)
        if success:
            om._lock.release()
        return success

    return in_a_thread(try_lock)


def test_a_change_in_another_thread_waits_until_the_block_ends(om: OrderManagement) -> None:
    writer = threading.Thread(target=partial(om.remove_order, 4))
    with om.locked() as same:
        assert same is om
        writer.start()
        assert not is_free(om)
        assert (len(om), om.best_price("JPM", BUY), len(om)) == (2, 20, 2)
    writer.join()
    assert len(om) == 1


def test_another_thread_gets_a_cached_price_while_the_block_runs(om: OrderManagement) -> None:
    with om.locked():
        assert in_a_thread(lambda: om.calculate_price("JPM", BUY, 22)) == 442


def test_each_change_inside_the_block_takes_effect_immediately_and_is_not_rolled_back(
    om: OrderManagement,
) -> None:
    events: list[Event] = []
    om.subscribe(events.append)
    with suppress(ZeroDivisionError), om.locked():
        om.remove_order(4)
        assert [event.sequence for event in events] == [3]
        assert not om._ledger.is_open
        raise ZeroDivisionError
    assert len(om) == 1
    assert is_free(om)


def test_events_of_callbacks_inside_the_block_are_published_in_order(om: OrderManagement) -> None:
    sequences: list[int] = []

    def follow(event: Event) -> None:
        if len(om) == 3:
            om.remove_order(4)
        sequences.append(event.sequence)

    om.subscribe(follow)
    om.subscribe(lambda event: sequences.append(-event.sequence))
    with om.locked():
        om.add_order(5, "JPM", BUY, 1, 1)
    assert sequences == [3, -3, 4, -4]


def test_locked_blocks_and_transactions_can_be_nested(om: OrderManagement) -> None:
    with om.locked(), om.transaction(), om.locked(), om.what_if():
        om.remove_order(4)
        with om.locked():
            assert len(om) == 1
        assert not is_free(om)
    assert len(om) == 2
    assert is_free(om)


def test_an_exit_stack_releases_the_lock(om: OrderManagement) -> None:
    with ExitStack() as stack:
        stack.enter_context(om.locked())
        assert not is_free(om)
    assert is_free(om)


def test_the_same_context_can_be_entered_again(om: OrderManagement) -> None:
    context = om.locked()
    for _ in range(2):
        with context, context:
            assert not is_free(om)
        assert is_free(om)


def test_the_block_begins_after_the_transaction_of_another_thread_has_ended(om: OrderManagement) -> None:
    has_entered, may_leave = threading.Event(), threading.Event()

    def owner() -> None:
        with om.transaction():
            om.remove_order(4)
            has_entered.set()
            may_leave.wait()
            om.remove_order(1)

    counts: list[tuple[int, int]] = []

    def count() -> None:
        with om.locked():
            counts.append((len(om.orders()), len(om)))

    threads = [threading.Thread(target=owner), threading.Thread(target=count)]
    threads[0].start()
    has_entered.wait()
    threads[1].start()
    may_leave.set()
    for thread in threads:
        thread.join()
    assert counts == [(0, 0)]


def test_waiting_too_long_for_the_transaction_of_another_thread_is_an_error_and_releases_the_lock(
    om: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.admission.LONGEST_WAIT", 0.01)
    with om.transaction():
        with pytest.raises(OpenTransactionError, match="another thread's transaction"):
            in_a_thread(lambda: enter_locked(om))
        assert is_free(om)


def test_entering_the_block_while_another_task_has_a_transaction_open_is_an_error(
    om: OrderManagement,
) -> None:
    async def use_the_book() -> None:
        with om.locked():
            pytest.fail("the block has begun")

    async def main() -> None:
        with om.transaction():
            om.remove_order(4)
            with pytest.raises(OpenTransactionError, match="another task"):
                await asyncio.create_task(use_the_book())

    asyncio.run(main())
    assert is_free(om)
    assert len(om) == 1
