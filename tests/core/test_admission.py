"""A call applies a batch whose thread was interrupted, but not inside a block that another call has begun."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import JournalError, OpenTransactionError, OrderManagement
from oms.facade import Facade
from support import memory_journal
from support.batches_in_flight import (
    BOOK_READS,
    ENGINE_READS,
    Storing,
    books,
    engine,
    submit,
    trade,
    what_if,
)
from support.interrupts import INTERRUPTED_FILES, Interrupt, interrupted_at_line
from support.memory_journal import FailingJournal

FILES_OF_STORING = INTERRUPTED_FILES | {memory_journal.__file__}
WAYS: dict[str, Callable[[Any], Any]] = {
    "to read": lambda om: om.locked(to_read=True),
    "what-if": lambda om: om.what_if(),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Interrupted:
    """Books, and a thread that `interrupt` stops while it stores a batch."""

    def __init__(self, pool: ThreadPoolExecutor, om: Any, change: Callable[[Any], object]) -> None:
        self.om = om
        self._storing = Storing(pool, om, change)

    def interrupt(self, *, is_stored: bool = True) -> None:
        self.om.journal.error, self.om.journal.stores_batch = Interrupt(), is_stored
        with pytest.raises(Interrupt):
            self._storing.finish()
        assert self.om._ledger.in_flight.is_abandoned


def state(om: Facade) -> tuple[int, str, str]:
    return om.last_sequence, om.state_hash(), repr(om)


def result_of(read: Callable[[Any], object], om: Facade) -> object:
    """Return the result, or the text of the error of a copy inside a what-if."""
    try:
        return read(om)
    except OpenTransactionError as error:
        return str(error)


READS = [
    *(pytest.param(books, trade, read, id=f"books-{name}") for name, read in BOOK_READS.items()),
    *(pytest.param(engine, submit, read, id=f"engine-{name}") for name, read in ENGINE_READS.items()),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize(("new", "change", "read"), READS)
def test_a_read_in_a_block_sees_the_same_state_after_the_thread_that_stores_was_interrupted(
    new: Callable[[], Any],
    change: Callable[[Any], None],
    read: Callable[[Any], object],
    is_stored: bool,
    way: str,
    pool: ThreadPoolExecutor,
) -> None:
    om = new()
    storing = Interrupted(pool, om, change)
    before = state(om)
    with WAYS[way](om):
        first = result_of(read, om)
        storing.interrupt(is_stored=is_stored)
        assert result_of(read, om) == first
        assert state(om) == before
    assert (state(om) == before) is not is_stored
    assert om.last_sequence == om.journal.last_sequence
    om._check()


@pytest.mark.parametrize("way", WAYS)
def test_entering_a_block_applies_a_batch_that_was_interrupted_before(
    way: str, pool: ThreadPoolExecutor
) -> None:
    om = books()
    storing = Interrupted(pool, om, trade)
    storing.interrupt()
    with WAYS[way](om):
        assert om._ledger.in_flight is None
        assert 9 in om


def test_a_block_without_to_read_applies_the_batch_and_so_does_a_change_inside_a_block_to_read(
    pool: ThreadPoolExecutor,
) -> None:
    changes: list[Callable[[OrderManagement], object]] = [lambda om: om.remove_order(3), enter_locked]
    for change in changes:
        om = books()
        storing = Interrupted(pool, om, trade)
        with om.locked(to_read=True):
            storing.interrupt()
            assert 9 not in om
            change(om)
            assert 9 in om
        om._check()


def enter_locked(om: OrderManagement) -> None:
    with om.locked():
        pass


def test_a_block_sees_the_batch_of_its_own_thread_after_an_interrupt() -> None:
    om = books()
    om.journal.error, om.journal.stores_batch = Interrupt(), True  # type: ignore[union-attr]  # it is a BlockingJournal
    with om.locked(to_read=True):
        assert 9 not in om
        with suppress(Interrupt), om.transaction(concurrent_commit=True):
            trade(om)
        assert 9 in om


def test_entering_a_block_is_an_error_while_the_journal_does_not_say_whether_it_contains_the_batch(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = books()
    storing = Interrupted(pool, om, trade)
    with monkeypatch.context() as patch:
        with om.locked(to_read=True):
            before = state(om)
            storing.interrupt()
            patch.setattr("support.memory_journal.MemoryJournal.last_sequence", property(unreadable))
            assert state(om) == before
        with pytest.raises(JournalError, match="unreadable"), om.locked(to_read=True):
            pytest.fail("the block has begun")
    assert 9 in om


def unreadable(_: object) -> int:
    raise JournalError("memory", "unreadable")


def reader(om: OrderManagement) -> Generator[None]:
    """Read the books twice in one block, before and after a `yield`."""
    with om.locked(to_read=True):
        before = state(om)
        yield
        assert state(om) == before


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, JournalError("memory", "full")], ids=["stored", "rejected"])
def test_a_block_sees_one_state_at_whichever_line_the_thread_that_stores_is_interrupted(
    error: JournalError | None, pool: ThreadPoolExecutor
) -> None:
    step, blocks = 1, 0
    while True:
        om = books()
        assert isinstance(om.journal, FailingJournal)
        om.journal.error = error
        before, changed = state(om), om.copy()
        trade(changed)
        interrupt = InterruptDuringBlock(om, pool)
        interrupted_at_line(
            step, partial(store_trade, om), interrupt.now, JournalError, files=FILES_OF_STORING
        )
        blocks += interrupt.ends_block()
        assert state(om) == (before if om.journal.last_sequence == 2 else state(changed))
        om._check()
        if not interrupt.has_occurred:
            break
        step += 1
    assert blocks >= 3


def store_trade(om: OrderManagement) -> None:
    with om.transaction(concurrent_commit=True):
        trade(om)


class InterruptDuringBlock:
    """An interrupt of a thread that stores a batch, while another thread is in a block to read.

    The other thread enters the block just before, and leaves it after the interrupt.
    """

    def __init__(self, om: OrderManagement, pool: ThreadPoolExecutor) -> None:
        self._om, self._pool = om, pool
        self._block: Generator[None] | None = None
        self.has_occurred = False

    def now(self) -> Interrupt:
        """Return an exception to raise."""
        self.has_occurred = True
        self._pool.submit(self._enter).result(20)
        return Interrupt()

    def _enter(self) -> None:
        if self._om._ledger.in_flight is not None and self._om._lock.acquire(blocking=False):
            self._om._lock.release()
            self._block = reader(self._om)
            next(self._block)

    def ends_block(self) -> bool:
        """Read again and leave the block. Return False if the other thread could not enter it."""
        if self._block is None:
            return False
        assert self._pool.submit(next, self._block, True).result(20)
        return True


@pytest.mark.slow
def test_a_what_if_interrupted_at_any_line_in_a_block_does_not_apply_the_batch(
    pool: ThreadPoolExecutor,
) -> None:
    step = 1
    while True:
        om = books()
        storing = Interrupted(pool, om, trade)
        with om.locked(to_read=True):
            before = state(om)
            storing.interrupt()
            hit = interrupted_at_line(step, partial(what_if, om))
            assert state(om) == before
        assert 9 in om
        om._check()
        if not hit:
            break
        step += 1
    assert step > 10


STEPS = ["read", "enter to read", "enter what-if", "what-if", "leave", "interrupt", "interrupted what-if"]


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 150)), max_size=12),
    st.sampled_from([(books, trade), (engine, submit)]),
    st.booleans(),
)
def test_nested_blocks_show_one_state_until_the_outermost_one_ends(
    steps: list[tuple[str, int]],
    kind: tuple[Callable[[], Any], Callable[[Any], None]],
    is_stored: bool,
) -> None:
    new, change = kind
    with ThreadPoolExecutor(1) as pool:
        om = new()
        storing, is_interrupted = Interrupted(pool, om, change), False
        before = state(om)
        with om.locked(to_read=True), ExitStack() as outer:
            inner: list[ExitStack] = []
            for step, line in steps:
                if step.startswith("enter"):
                    inner.append(outer.enter_context(ExitStack()))
                    inner[-1].enter_context(WAYS[step.removeprefix("enter ")](om))
                elif step == "leave" and inner:
                    inner.pop().close()
                elif step == "interrupt" and not is_interrupted:
                    is_interrupted = True
                    storing.interrupt(is_stored=is_stored)
                elif step == "what-if":
                    change_in_what_if(om, change)
                elif step == "interrupted what-if":
                    interrupted_at_line(line, partial(change_in_what_if, om, change))
                assert state(om) == before
        if not is_interrupted:
            storing.interrupt(is_stored=is_stored)
        assert om.last_sequence == om.journal.last_sequence
        om._check()


def change_in_what_if(om: Facade, change: Callable[[Any], None]) -> None:
    with om.what_if():
        change(om)
