"""Whatever strikes in the middle of a verb, nothing is half done: the books are as they were before it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import oms
from oms import Event, Order, OrderManagement, Side
from oms.ledger import Ledger
from oms.order_book import OrderBook

BUY, SELL = Side.BUY, Side.SELL
INSIDE = {
    str(Path(oms.__file__).parent / name)
    for name in ("books.py", "level.py", "order_book.py", "price_sums.py")
}

VERBS: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "JPM", BUY, 5, 22),
    "add_order to a new book": lambda om: om.add_order(9, "NEW", SELL, 5, 22),
    "add_orders": lambda om: om.add_orders([Order(9, "JPM", BUY, 5, 20), Order(10, "NEW", BUY, 5, 20)]),
    "remove_order": lambda om: om.remove_order(2),
    "remove_order, the last": lambda om: om.remove_order(5),
    "remove_orders": lambda om: om.remove_orders("JPM"),
    "amend_order, amount": lambda om: om.amend_order(1, amount=3),
    "amend_order, price": lambda om: om.amend_order(1, price=25),
    "place_trade, a part": lambda om: om.place_trade("JPM", BUY, 3),
    "place_trade, several": lambda om: om.place_trade("JPM", BUY, 22),
    "place_trade, everything": lambda om: om.place_trade("IBM", BUY, 10),
}


QUESTIONS: dict[str, Callable[[OrderManagement], object]] = {
    "calculate_price": lambda om: [om.calculate_price("JPM", BUY, amount) for amount in (5, 25, 25, 30, 30)],
    "quote": lambda om: om.quote("JPM", BUY, 25),
    "what_if": lambda om: om.what_if().__enter__().place_trade("JPM", BUY, 1),
}


def book() -> OrderManagement:
    om = OrderManagement()
    om.add_orders(
        [
            Order(1, "JPM", BUY, 20, 20),
            Order(2, "JPM", BUY, 1, 20),
            Order(4, "JPM", BUY, 10, 21),
            Order(3, "JPM", SELL, 15, 19),
            Order(5, "IBM", BUY, 10, 90),
        ]
    )
    om.place_trade("JPM", BUY, 1)
    om.calculate_price("JPM", BUY, 10)
    om.calculate_price("JPM", BUY, 10)
    return om


class Strike(BaseException):
    """Like KeyboardInterrupt: nobody expects it."""


def struck(at: int, call: Callable[[], object]) -> bool:
    """Raise at the so-many-th line inside the books while calling; say whether that line was reached."""
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in INSIDE:
            return None
        if event == "line":
            lines += 1
            if lines == at:
                sys.settrace(None)
                raise Strike
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Strike:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_struck_anywhere_has_changed_nothing(verb: str) -> None:
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        if not struck(at, partial(VERBS[verb], om)):
            break
        om._check()
        assert om.state_hash() == before
        assert om._ledger.version % 2 == 0
        VERBS[verb](om)
        om._check()
        at += 1
    assert at > 3


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_struck_inside_a_transaction_is_undone_alone(verb: str) -> None:
    at = 1
    while True:
        om = book()
        untouched = om.state_hash()
        with om.what_if():
            om.place_trade("JPM", BUY, 1)
            before = om.state_hash()
            hit = struck(at, partial(VERBS[verb], om))
            om._check()
            assert (om.state_hash() == before) is hit
        assert om.state_hash() == untouched
        if not hit:
            break
        at += 1


@pytest.mark.parametrize("verb", VERBS)
def test_undoing_that_is_struck_anywhere_is_finished_all_the_same(verb: str) -> None:
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        context = om.what_if()
        context.__enter__()
        om.place_trade("JPM", BUY, 1)
        VERBS[verb](om)
        om.amend_order(3, amount=1) if 3 in om else None
        hit = struck(at, partial(context.__exit__, None, None, None))
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        at += 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_without_stack_to_run_on_has_changed_nothing(verb: str) -> None:
    def deep(om: OrderManagement, levels: int) -> object:
        return deep(om, levels - 1) if levels else VERBS[verb](om)

    limit, done = sys.getrecursionlimit(), 0
    for levels in range(limit - 60, limit):
        om = book()
        before = om.state_hash()
        with suppress(RecursionError):
            deep(om, levels)
            done += 1
            continue
        om._check()
        assert om.state_hash() == before
    assert sys.getrecursionlimit() == limit
    assert done < 60


CHANGES = ("_drop_level", "_resize_level", "add", "clear", "remove", "update")  # every change needs one


def fail_once(
    monkeypatch: pytest.MonkeyPatch, owner: object, names: tuple[str, ...], call: Callable[[], object]
) -> None:
    """Call, and let the first of the named methods that is used fail."""
    with monkeypatch.context() as patch, pytest.raises(Strike):

        def fail(*_: object, **__: object) -> None:
            patch.undo()
            raise Strike

        for name in names:
            patch.setattr(owner, name, fail)
        call()


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_whose_books_fail_is_mended(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that mends is out of sight of a coverage tracer, so here it runs in the caller's own."""
    monkeypatch.setattr("oms.ledger.start_new_thread", lambda function, arguments: function(*arguments))

    om = book()
    before = om.state_hash()
    fail_once(monkeypatch, OrderBook, CHANGES, lambda: VERBS[verb](om))
    assert om.state_hash() == before
    context = om.what_if()
    context.__enter__()
    VERBS[verb](om)
    fail_once(monkeypatch, OrderBook, CHANGES, lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before
    VERBS[verb](om)
    om._check()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_that_is_struck_anywhere_leaves_every_answer_true(question: str) -> None:
    at = 1
    while True:
        om = book()
        om.amend_order(1, amount=25)
        if not struck(at, partial(QUESTIONS[question], om)):
            break
        while om._ledger.is_open:
            om._ledger.close(om._ledger._open[-1], failed=True)
        om._check()
        fresh = om.copy()
        for amount in (1, 5, 25, 26, 30, 36):
            assert om.calculate_price("JPM", BUY, amount) == fresh.calculate_price("JPM", BUY, amount)
        at += 1


def test_a_transaction_without_stack_to_begin_on_holds_nothing_up() -> None:
    def deep(om: OrderManagement, levels: int) -> object:
        if levels:
            return deep(om, levels - 1)
        with om.what_if():
            return om.amend_order(1, amount=3)

    limit = sys.getrecursionlimit()
    for levels in range(limit - 60, limit):
        om = book()
        before = om.state_hash()
        with suppress(RecursionError):
            deep(om, levels)
        assert om.state_hash() == before
        assert not om._ledger.is_open
        other = threading.Thread(target=om.symbols)
        other.start()
        other.join(10)
        assert not other.is_alive()


def patient_mender(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mending begin only after a second interrupt has come while it is waited for."""
    waiting: list[Callable[[], object]] = []
    naps = 0

    def nap(_: float) -> None:
        nonlocal naps
        naps += 1
        if naps % 2:
            raise KeyboardInterrupt
        waiting.pop()()

    monkeypatch.setattr(
        "oms.ledger.start_new_thread", lambda call, given: waiting.append(partial(call, *given))
    )
    monkeypatch.setattr("oms.ledger.sleep", nap)


def test_a_second_interrupt_does_not_cut_the_mending_short(monkeypatch: pytest.MonkeyPatch) -> None:
    patient_mender(monkeypatch)
    om = book()
    before = om.state_hash()
    fail_once(monkeypatch, OrderBook, CHANGES, lambda: om.add_order(9, "JPM", BUY, 1, 1))
    om._check()
    assert om.state_hash() == before
    context = om.what_if()
    context.__enter__()
    om.add_order(9, "JPM", BUY, 1, 1)
    fail_once(monkeypatch, OrderBook, CHANGES, lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before


def test_undoing_that_fails_before_it_begins_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.ledger.start_new_thread", lambda function, arguments: function(*arguments))
    om = book()
    before = om.state_hash()
    context = om.what_if()
    context.__enter__()
    om.place_trade("JPM", BUY, 22)
    fail_once(monkeypatch, Event, ("subject",), lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before


@pytest.mark.parametrize("verb", VERBS)
def test_undoing_that_fails_when_it_is_almost_done_is_finished(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(list[Event]):
        """Gives up its last event, and then fails, once."""

        failed = False

        def pop(self, *_: Any) -> Event:
            event = super().pop()
            if not self.failed:
                self.failed = True
                raise Strike
            return event

    monkeypatch.setattr("oms.ledger.start_new_thread", lambda function, arguments: function(*arguments))
    om = book()
    before = om.state_hash()
    context = om.what_if()
    context.__enter__()
    om.add_order(77, "JPM", BUY, 1, 1)
    VERBS[verb](om)
    om._ledger._provisional = Late(om._ledger._provisional)
    with pytest.raises(Strike):
        context.__exit__(None, None, None)
    om._check()
    assert om.state_hash() == before
    assert not om._ledger.is_open


def test_a_transaction_that_cannot_begin_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    om = book()
    fail_once(monkeypatch, Ledger, ("open",), lambda: om.transaction().__enter__())
    other = threading.Thread(target=om.symbols)
    other.start()
    other.join(10)
    assert not other.is_alive()


def interrupted(at: int, call: Callable[[], object]) -> bool:
    """Raise at the so-many-th place inside the ledger at which Python looks for an interrupt.

    They are the beginning of each function, and the return from each one written in C; not where a
    generator goes on because it is closed.
    """
    inside = {str(Path(oms.__file__).parent / name) for name in ("ledger.py", "transaction.py")}
    places = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal places
        begins = event == "call" and frame.f_lineno == frame.f_code.co_firstlineno
        if (begins or event == "c_return") and frame.f_code.co_filename in inside:
            places += 1
            if places == at:
                sys.setprofile(None)
                raise Strike

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    except Strike:
        return True
    finally:
        sys.setprofile(before)
    return False


def undone_what_if(om: OrderManagement) -> None:
    with om.what_if():
        om.place_trade("JPM", BUY, 22)
        with om.what_if():
            om.remove_orders("IBM")
        om.add_order(9, "JPM", BUY, 5, 22)


def undone_transaction(om: OrderManagement) -> None:
    with suppress(KeyError), om.transaction("outer"):
        om.place_trade("JPM", BUY, 22)
        with om.transaction("inner"):
            om.remove_orders("IBM")
        raise KeyError


@pytest.mark.parametrize("undone", [undone_what_if, undone_transaction])
def test_what_is_undone_leaves_no_trace_wherever_an_interrupt_strikes(
    undone: Callable[[OrderManagement], None],
) -> None:
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        hit = interrupted(at, partial(undone, om))
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        other = threading.Thread(target=om.symbols, daemon=True)
        other.start()
        other.join(10)
        assert not other.is_alive(), f"the lock has been given back, place {at}"
        told: list[Event] = []
        om.subscribe(told.append)
        om.remove_order(4)
        assert [event.note for event in told] == [None], "no transaction is left open, and no note of one"
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        at += 1
    assert at > 30


def test_a_transaction_is_kept_or_undone_as_a_whole_wherever_an_interrupt_strikes() -> None:
    def keep(om: OrderManagement) -> None:
        with om.transaction("outer"):
            om.place_trade("JPM", BUY, 22)
            with om.transaction():
                om.remove_orders("IBM")

    kept = book()
    keep(kept)
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        hit = interrupted(at, partial(keep, om))
        om._check()
        assert om.state_hash() in (before, kept.state_hash())
        assert not om._ledger.is_open
        assert not om._ledger._provisional
        if not hit:
            break
        at += 1
    assert at > 30


@pytest.mark.parametrize("inside", ["what_if", "transaction"])
def test_an_undoing_that_is_broken_off_is_done_all_the_same(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    before, undo, tries = om.state_hash(), Ledger._undo_to, iter([True])

    def broken(self: Ledger, savepoint: int) -> None:
        if next(tries, False):
            raise KeyboardInterrupt
        undo(self, savepoint)

    monkeypatch.setattr(Ledger, "_undo_to", broken)
    with pytest.raises(KeyboardInterrupt), getattr(om, inside)():
        om.remove_order(1)
        om.add_order(2, "IBM", BUY, 20, 20)
        raise KeyboardInterrupt
    assert om.state_hash() == before
    assert not om._ledger.is_open
    om._check()
