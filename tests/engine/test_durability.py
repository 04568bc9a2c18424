"""A matching engine with a journal: after any failure, memory and the journal contain the same events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from oms import Event, JournalError, Side, Snapshot
from oms.ledger import Ledger
from oms.matching import MatchingEngine
from support.engine_verbs import VERBS, after, small_engine
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import FailingJournal, MemoryJournal

BUY, SELL = Side.BUY, Side.SELL


class StartedJournal(FailingJournal):
    """A journal in memory that begins with the state of `small_engine`."""

    def __init__(self) -> None:
        super().__init__()
        self.start = small_engine().snapshot()
        self.readable = True

    @property
    def last_sequence(self) -> int:
        if not self.readable:
            raise JournalError("memory", "unreadable")
        return self.start.sequence + len(self.events)

    def snapshot(self) -> Snapshot:
        return self.start

    def read(self, first: int = 1) -> Iterator[Event]:
        return iter(self.events[first - 1 - self.start.sequence :])


def journaled() -> tuple[MatchingEngine, StartedJournal]:
    journal = StartedJournal()
    prevention = journal.start.engine.self_trade_prevention if journal.start.engine else None
    assert prevention is not None
    return MatchingEngine(journal, self_trade_prevention=prevention), journal


def assert_that_memory_agrees(engine: MatchingEngine, journal: StartedJournal) -> None:
    """Check that the journal rebuilds the state in memory."""
    engine._check()
    assert MatchingEngine(journal).state_hash() == engine.state_hash()
    assert engine.last_sequence == journal.last_sequence


@pytest.mark.parametrize("error", [Interrupt, pytest.param(MemoryError, marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_interrupted_at_any_line_is_in_memory_and_in_the_journal_or_in_neither(
    verb: str, error: type[BaseException]
) -> None:
    step, hit, stored, expected = 1, True, 0, after(verb)
    while hit:
        engine, journal = journaled()
        hit = interrupted_at_line(step, partial(VERBS[verb], engine), error)
        assert_that_memory_agrees(engine, journal)
        stored += len(journal.events)
        if not journal.events:
            VERBS[verb](engine)
        assert engine.state_hash() == expected
        step += 1
    assert 1 < stored < step, "some interrupts come before the append, and some after it"


@pytest.mark.parametrize("stores_batch", [False, True])
@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_whose_append_is_interrupted_is_in_memory_if_its_event_is_in_the_journal(
    verb: str, in_transaction: bool, stores_batch: bool
) -> None:
    engine, journal = journaled()
    before = engine.state_hash()
    journal.error, journal.stores_batch = Interrupt(), stores_batch
    with pytest.raises(Interrupt):
        if in_transaction:
            with engine.transaction():
                VERBS[verb](engine)
        else:
            VERBS[verb](engine)
    assert engine.state_hash() == (after(verb) if stores_batch else before)
    assert_that_memory_agrees(engine, journal)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_the_journal_rejects_changes_nothing_even_if_the_journal_cannot_be_read(
    verb: str,
) -> None:
    engine, journal = journaled()
    before = engine.state_hash()
    journal.error, journal.before_raising = (
        JournalError("memory", "full"),
        partial(setattr, journal, "readable", False),
    )
    with pytest.raises(JournalError, match="full"):
        VERBS[verb](engine)
    assert engine.state_hash() == before
    journal.readable = True
    assert_that_memory_agrees(engine, journal)


@pytest.mark.parametrize("stores_batch", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_while_the_journal_cannot_be_read_after_an_interrupted_append_every_call_raises_an_error(
    verb: str, stores_batch: bool
) -> None:
    engine, journal = journaled()
    journal.error, journal.stores_batch = Interrupt(), stores_batch
    journal.before_raising = partial(setattr, journal, "readable", False)
    with pytest.raises(Interrupt):
        VERBS[verb](engine)
    for call in (engine.state_hash, partial(engine.best_price, "JPM", BUY), partial(engine.cancel, "day")):
        with pytest.raises(JournalError, match="unreadable"):
            call()
    journal.readable = True
    assert_that_memory_agrees(engine, journal)
    assert len(journal.events) == stores_batch


@pytest.mark.slow
@pytest.mark.parametrize("stores_batch", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_recovery_interrupted_at_any_line_is_completed_by_the_next_caller(
    verb: str, stores_batch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "_settle_at_once", lambda _: None)
    step, hit = 1, True
    while hit:
        engine, journal = journaled()
        before = engine.state_hash()
        journal.error, journal.stores_batch = Interrupt(), stores_batch
        with pytest.raises(Interrupt):
            VERBS[verb](engine)
        hit = interrupted_at_line(step, engine.state_hash)
        assert engine.state_hash() == (after(verb) if stores_batch else before)
        assert_that_memory_agrees(engine, journal)
        step += 1
    assert step > 5


def test_an_engine_continues_from_its_journal() -> None:
    journal = MemoryJournal()
    engine = MatchingEngine(journal)
    engine.submit("a", "JPM", SELL, 5, 101, owner="Ann")
    with engine.transaction("why"):
        engine.submit("b", "JPM", BUY, 9, 101)
    reopened = MatchingEngine(journal)
    assert reopened.state_hash() == engine.state_hash()
    assert reopened.order("b").remaining == 4
    assert reopened.last_price("JPM") == 101
    assert [event.note for event in journal.events] == [None, "why"]
