"""An interrupt at any line of a verb leaves the engine as before the verb, or completely after it.

The books of the engine, `oms.engine_books`, are restored from the elementary changes of the verb.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

import pytest

from oms import Event, OpenTransactionError, Side
from oms.engine_books import EngineBooks
from oms.engine_events import EngineEvent
from oms.engine_state import Entry
from oms.ledger import Ledger
from oms.matching import MatchingEngine
from oms.order_book import OrderBook
from oms.register import Register
from support.engine_verbs import VERBS, Verb, after, small_engine
from support.interrupts import Interrupt, interrupted_at_line
from support.threads import prevent_new_threads

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture(autouse=True)
def _no_new_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent new threads from starting, because recovery must not need one."""
    prevent_new_threads(monkeypatch)


@pytest.mark.parametrize("error", [Interrupt, MemoryError])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_interrupted_at_any_line_is_made_as_a_whole_or_not_at_all(
    verb: str, error: type[BaseException]
) -> None:
    step, late_interrupts, expected = 1, 0, after(verb)
    before = small_engine().state_hash()
    while True:
        engine = small_engine()
        if not interrupted_at_line(step, partial(VERBS[verb], engine), error):
            break
        engine._check()
        assert engine.state_hash() in (before, expected)
        assert engine._ledger.version % 2 == 0
        if engine.state_hash() == before:
            VERBS[verb](engine)
            assert engine.state_hash() == expected
        else:
            late_interrupts += 1
        step += 1
    assert step > 15
    assert late_interrupts < 20, "an earlier interrupt rolls the verb back"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_interrupted_inside_a_transaction_is_rolled_back_without_the_verbs_before_it(
    verb: str,
) -> None:
    step, untouched = 1, small_engine().state_hash()
    while True:
        engine = small_engine()
        events: list[Event] = []
        engine.subscribe(events.append)
        with engine.transaction():
            engine.submit("earlier", "IBM", SELL, 3, 50)
            before = engine.state_hash()
            with engine.what_if():
                VERBS[verb](engine)
                expected = engine.state_hash()
            hit = interrupted_at_line(step, partial(VERBS[verb], engine))
            engine._check()
            state = engine.state_hash()
            assert state in (before, expected)
        assert engine.state_hash() == state != untouched
        assert len(events) == (1 if state == before else 2)
        assert not engine._ledger.is_open
        if not hit:
            break
        step += 1
    assert step > 15


@pytest.mark.parametrize("verb", VERBS)
def test_a_rollback_interrupted_at_any_line_is_still_completed(verb: str) -> None:
    step, before = 1, small_engine().state_hash()
    while True:
        engine = small_engine()
        context = engine.what_if()
        context.__enter__()
        engine.submit("earlier", "IBM", SELL, 3, 50)
        VERBS[verb](engine)
        hit = interrupted_at_line(step, partial(context.__exit__, None, None, None))
        del context
        engine._check()
        assert engine.state_hash() == before
        assert not engine._ledger.is_open
        assert engine._ledger.version % 2 == 0
        if not hit:
            break
        step += 1
    assert step > 15


@pytest.mark.slow
@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_recovery_interrupted_at_any_line_is_completed_by_the_next_caller(
    verb: str, in_transaction: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupted verb leaves the rollback to the next caller, and that caller is interrupted too."""
    monkeypatch.setattr(Ledger, "_settle_at_once", lambda _: None)
    lines, untouched = lines_of(verb), small_engine().state_hash()
    for line in (lines // 3, lines * 2 // 3):
        step, hit = 1, True
        while hit:
            engine = partly_changed_engine(verb, line, in_transaction)
            hit = interrupted_at_line(step, engine.state_hash)
            assert engine.state_hash() == untouched, "the deleted context abandons its transaction"
            engine._check()
            step += 1


def partly_changed_engine(verb: str, line: int, in_transaction: bool) -> MatchingEngine:
    """Return an engine on which a verb was interrupted at a line."""
    engine = small_engine()
    if in_transaction:
        context = engine.what_if()
        context.__enter__()
        engine.submit("earlier", "IBM", SELL, 3, 50)
    assert interrupted_at_line(line, partial(VERBS[verb], engine))
    return engine


def lines_of(verb: str) -> int:
    """Return the number of lines of a verb at which it can be interrupted."""
    line = 1
    while interrupted_at_line(line, partial(VERBS[verb], small_engine())):
        line += 1
    return line - 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_whose_event_cannot_be_made_is_rolled_back(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = small_engine()
    before, expected = engine.state_hash(), after(verb)
    failed = False

    def fail_to_make(*_: object) -> None:
        nonlocal failed
        failed = True
        raise MemoryError

    with monkeypatch.context() as patch, suppress(MemoryError):
        patch.setattr(EngineEvent, "about", fail_to_make)
        VERBS[verb](engine)
    assert engine.state_hash() == (before if failed else expected), "some verbs need no event"
    engine._check()


@pytest.mark.parametrize("method", ["add", "remove"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_whose_change_of_the_register_fails_is_rolled_back(
    verb: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, failed, original = 0, True, getattr(Register, method)
    while failed:
        engine, failed = small_engine(), False
        before, remaining = engine.state_hash(), calls

        def fail_later(self: Register, entry: Entry) -> None:
            nonlocal remaining, failed
            remaining -= 1
            if remaining == -1:
                failed = True
                raise MemoryError
            original(self, entry)

        with monkeypatch.context() as patch, suppress(MemoryError):
            patch.setattr(Register, method, fail_later)
            VERBS[verb](engine)
        assert engine.state_hash() == (before if failed else after(verb))
        engine._check()
        calls += 1


def fail(*_: object, **__: object) -> None:
    raise MemoryError


QUESTIONS_AND_VERBS: list[Verb] = [
    lambda engine: engine.order("day"),
    lambda engine: engine.queue_ahead("day"),
    MatchingEngine.state_hash,
    *VERBS.values(),
]


def test_while_a_rollback_keeps_failing_every_call_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = small_engine()
    before = engine.state_hash()
    with monkeypatch.context() as patch:
        patch.setattr(OrderBook, "remove_fills", fail)
        patch.setattr(EngineBooks, "restore", fail)
        with pytest.raises(MemoryError):
            engine.submit("x", "JPM", BUY, 4, 101)
        for call in QUESTIONS_AND_VERBS:
            with pytest.raises(OpenTransactionError, match="MemoryError"):
                call(engine)
    assert engine.state_hash() == before
    engine._check()


@pytest.mark.parametrize("verb", ["submit, rests", "submit, several prices", "cancel"])
def test_a_call_in_the_middle_of_a_verb_raises_an_error(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a signal handler or a finalizer can make such a call."""
    engine = small_engine()
    before = engine.state_hash()

    def call(*_: object) -> None:
        engine.order("day")

    with monkeypatch.context() as patch:
        patch.setattr(Register, "add", call)
        patch.setattr(Register, "remove", call)
        with pytest.raises(OpenTransactionError, match="in the middle of another change"):
            VERBS[verb](engine)
    assert engine.state_hash() == before
    engine._check()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_runs_out_of_stack_changes_nothing(verb: str) -> None:
    def call_at_depth(engine: MatchingEngine, levels: int) -> object:
        return call_at_depth(engine, levels - 1) if levels else VERBS[verb](engine)

    limit, successes, before = sys.getrecursionlimit(), 0, small_engine().state_hash()
    for levels in range(limit - 60, limit):
        engine = small_engine()
        with suppress(RecursionError):
            call_at_depth(engine, levels)
            successes += 1
            continue
        engine._check()
        assert engine.state_hash() == before
    assert successes < 60
