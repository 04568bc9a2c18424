"""Wherever an interrupt strikes in a verb, the books are as they were before it, and no thread is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import oms
from oms import Event, OpenTransactionError, Order, OrderManagement, Side, TradePlaced
from oms.books import Books
from oms.ledger import Ledger, Savepoint
from oms.order_book import OrderBook
from support.interrupts import INSIDE, LEDGER_FILES, Interrupt, interrupted_at_line
from support.memory_journal import MemoryJournal
from support.threads import let_no_thread_start

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture(autouse=True)
def bystander(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Give another thread that runs already: no more of them can be started."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(bool).result()

        let_no_thread_start(monkeypatch)
        yield pool


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


def hypothetical(om: OrderManagement) -> None:
    with om.what_if():
        om.place_trade("JPM", BUY, 1)


QUESTIONS: dict[str, Callable[[OrderManagement], object]] = {
    "calculate_price": lambda om: [om.calculate_price("JPM", BUY, amount) for amount in (5, 25, 25, 30, 30)],
    "quote": lambda om: om.quote("JPM", BUY, 25),
    "what_if": hypothetical,
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


def after(verb: str) -> str:
    om = book()
    VERBS[verb](om)
    return om.state_hash()


@pytest.mark.parametrize("error", [Interrupt, MemoryError])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_interrupted_anywhere_has_changed_nothing(verb: str, error: type[BaseException]) -> None:
    at, changed = 1, 0
    while True:
        om = book()
        before = om.state_hash()
        if not interrupted_at_line(at, partial(VERBS[verb], om), error):
            break
        om._check()
        assert om.state_hash() in (before, after(verb))
        assert om._ledger.version % 2 == 0
        if om.state_hash() == before:
            VERBS[verb](om)
        else:
            changed += 1
        om._check()
        at += 1
    assert at > 10
    assert changed == 2, "too late are only the lines behind the change: letting others in, and publishing"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_interrupted_inside_a_transaction_is_undone_alone(verb: str) -> None:
    at = 1
    while True:
        om = book()
        untouched = om.state_hash()
        with om.what_if():
            om.place_trade("JPM", BUY, 1)
            before = om.state_hash()
            hit = interrupted_at_line(at, partial(VERBS[verb], om))
            om._check()
            changed = om.state_hash() != before
            if not hit:
                assert changed
                break
            assert not changed or not om._ledger.is_marked
        assert om.state_hash() == untouched
        at += 1
    assert at > 10


@pytest.mark.parametrize("verb", VERBS)
def test_undoing_that_is_interrupted_anywhere_is_finished_all_the_same(verb: str) -> None:
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        context = om.what_if()
        context.__enter__()
        om.place_trade("JPM", BUY, 1)
        VERBS[verb](om)
        om.amend_order(3, amount=1) if 3 in om else None
        hit = interrupted_at_line(at, partial(context.__exit__, None, None, None))
        del context
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        at += 1
    assert at > 10


@pytest.mark.parametrize("verb", VERBS)
def test_settling_that_is_interrupted_anywhere_is_done_again_by_the_next_caller(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing verb does not settle here, so that the next caller has to, and is interrupted in turn."""
    monkeypatch.setattr(Ledger, "_settle_at_once", lambda _: None)

    def left_half_done() -> OrderManagement:
        om = book()
        context = om.what_if()
        context.__enter__()
        om.place_trade("JPM", BUY, 1)
        with monkeypatch.context() as patch, suppress(Interrupt):
            for name in CHANGES:
                patch.setattr(OrderBook, name, fail)
            VERBS[verb](om)
        return om

    def fail(*_: object, **__: object) -> None:
        raise Interrupt

    before, at = book().state_hash(), 1
    while True:
        om = left_half_done()
        assert om._ledger.is_marked
        hit = interrupted_at_line(at, om.symbols)
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        if not hit:
            break
        at += 1
    assert at > 30


@pytest.mark.parametrize("journal", [None, MemoryJournal])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_an_undo_that_keeps_failing_ends_in_refusals(
    journal: Callable[[], Any] | None,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    bystander: ThreadPoolExecutor,
) -> None:
    om = OrderManagement(None if journal is None else journal())
    om.add_orders([Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 1, 20)])
    om.calculate_price("JPM", BUY, 1)
    before = om.state_hash()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(OrderBook, "_resize_level", fail)
        patch.setattr(Books, "recover", fail)
        with suppress(Interrupt, error), om.transaction():
            with pytest.raises(error):
                om.place_trade("JPM", BUY, 20)
            raise Interrupt
        for call in (om.symbols, partial(om.calculate_price, "JPM", BUY, 1), partial(om.remove_order, 2)):
            with pytest.raises(OpenTransactionError, match=error.__name__):
                call()
            with pytest.raises(OpenTransactionError, match=error.__name__):
                bystander.submit(call).result(10)
    assert om.state_hash() == before
    om._check()
    om.remove_order(2)


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
    with monkeypatch.context() as patch, pytest.raises(Interrupt):

        def fail(*_: object, **__: object) -> None:
            patch.undo()
            raise Interrupt

        for name in names:
            patch.setattr(owner, name, fail)
        call()


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_whose_books_fail_is_restored(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_question_that_is_interrupted_anywhere_leaves_every_answer_true(question: str) -> None:
    at = 1
    while True:
        om = book()
        om.amend_order(1, amount=25)
        if not interrupted_at_line(at, partial(QUESTIONS[question], om)):
            break
        om._check()
        fresh = om.copy()
        for amount in (1, 5, 25, 26, 30, 36):
            assert om.calculate_price("JPM", BUY, amount) == fresh.calculate_price("JPM", BUY, amount)
        at += 1


def test_a_transaction_without_stack_to_begin_on_holds_nothing_up(bystander: ThreadPoolExecutor) -> None:
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
        bystander.submit(om.symbols).result(10)
        assert om.state_hash() == before
        assert not om._ledger.is_open


def test_undoing_that_fails_before_it_begins_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    om = book()
    before = om.state_hash()
    context = om.what_if()
    context.__enter__()
    om.place_trade("JPM", BUY, 22)
    fail_once(monkeypatch, TradePlaced, ("subject",), lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before


@pytest.mark.parametrize("verb", VERBS)
def test_undoing_that_fails_when_it_is_almost_done_is_finished(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(list[Any]):
        """Gives up its last event, and then fails, once."""

        failed = False

        def pop(self, *_: Any) -> Any:
            event = super().pop()
            if not self.failed:
                self.failed = True
                raise Interrupt
            return event

    om = book()
    before = om.state_hash()
    context = om.what_if()
    context.__enter__()
    om.add_order(77, "JPM", BUY, 1, 1)
    VERBS[verb](om)
    om._ledger._provisional = Late(om._ledger._provisional)
    with pytest.raises(Interrupt):
        context.__exit__(None, None, None)
    om._check()
    assert om.state_hash() == before
    assert not om._ledger.is_open


def test_a_transaction_that_cannot_begin_gives_the_lock_back(
    monkeypatch: pytest.MonkeyPatch, bystander: ThreadPoolExecutor
) -> None:
    om = book()
    fail_once(monkeypatch, Ledger, ("open",), lambda: om.transaction().__enter__())
    bystander.submit(om.symbols).result(10)


def interrupted_at_check(at: int, call: Callable[[], object]) -> bool:
    """Raise at the so-many-th place inside the ledger at which Python looks for an interrupt.

    They are the beginning of each function, and the return from each one written in C.
    """
    inside = {str(Path(oms.__file__).parent / name) for name in LEDGER_FILES}
    places = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal places
        begins = event == "call" and frame.f_lineno == frame.f_code.co_firstlineno
        if (begins or event == "c_return") and frame.f_code.co_filename in inside:
            places += 1
            if places == at:
                sys.setprofile(None)
                raise Interrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    except Interrupt:
        return True
    finally:
        sys.setprofile(before)
    return False


def held_twice(om: OrderManagement) -> None:
    with om.locked() as same:
        assert same is om
        with om.locked():
            assert len(om) == 5


@pytest.mark.parametrize("interrupted", [interrupted_at_check, interrupted_at_line])
def test_the_lock_is_released_wherever_an_interrupt_comes(
    interrupted: Callable[[int, Callable[[], object]], bool], bystander: ThreadPoolExecutor
) -> None:
    at = 1
    while True:
        om = book()
        hit = interrupted(at, partial(held_twice, om))
        assert bystander.submit(om._lock.acquire, blocking=False).result(10)
        bystander.submit(om._lock.release).result(10)
        if not hit:
            break
        at += 1
    assert at > 8


def fail_to_settle(om: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove an order; the change is interrupted, and is not settled, so that its mark stays."""

    def fail(*_: object) -> None:
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        patch.setattr(OrderBook, "_drop_level", fail)
        patch.setattr(Ledger, "_settle_at_once", bool)
        om.remove_order(5)
    assert om._ledger.is_marked


def test_a_verb_inside_locked_is_settled_by_the_next_question_there(monkeypatch: pytest.MonkeyPatch) -> None:
    om = book()
    before = om.state_hash()
    with om.locked():
        fail_to_settle(om, monkeypatch)
        assert om.state_hash() == before
    om._check()


def test_a_verb_of_a_callback_is_settled_by_the_next_question_of_the_callback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = book()
    counts: list[int] = []

    def follow(event: Event) -> None:
        fail_to_settle(om, monkeypatch)
        counts.append(len(om))

    om.subscribe(follow)
    with om.transaction():
        om.add_order(9, "JPM", BUY, 5, 22)
    assert counts == [6]
    om._check()


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


@pytest.mark.parametrize("strike", [interrupted_at_check, interrupted_at_line])
@pytest.mark.parametrize("undone", [undone_what_if, undone_transaction])
def test_what_is_undone_leaves_no_trace_wherever_an_interrupt_strikes(
    undone: Callable[[OrderManagement], None],
    strike: Callable[[int, Callable[[], object]], bool],
    bystander: ThreadPoolExecutor,
) -> None:
    at = 1
    while True:
        om = book()
        before = om.state_hash()
        hit = strike(at, partial(undone, om))
        bystander.submit(om.symbols).result(10)
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        published: list[Event] = []
        om.subscribe(published.append)
        om.remove_order(4)
        assert [event.note for event in published] == [None], (
            "no transaction is left open, and no note of one"
        )
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        at += 1
    assert at > 30


@pytest.mark.parametrize("strike", [interrupted_at_check, interrupted_at_line])
@pytest.mark.parametrize("journal", [None, MemoryJournal])
def test_a_transaction_is_kept_or_undone_as_a_whole_wherever_an_interrupt_strikes(
    journal: Callable[[], Any] | None, strike: Callable[[int, Callable[[], object]], bool]
) -> None:
    def new() -> OrderManagement:
        om = OrderManagement(None if journal is None else journal())
        om.add_orders(book().orders())
        return om

    def keep(om: OrderManagement) -> None:
        with om.transaction("outer"):
            om.place_trade("JPM", BUY, 22)
            with om.transaction():
                om.remove_orders("IBM")

    kept = new()
    keep(kept)
    at = 1
    while True:
        om = new()
        before = om.state_hash()
        hit = strike(at, partial(keep, om))
        om._check()
        assert om.state_hash() in (before, kept.state_hash())
        if om.journal is not None:
            assert om.state_hash() == OrderManagement(om.journal).state_hash()
        assert not om._ledger.is_open
        assert not om._ledger._provisional
        if not hit:
            break
        at += 1
    assert at > 30


def test_a_callback_that_is_interrupted_does_not_silence_the_events_after_it() -> None:
    at = 1
    while True:
        om = book()
        published: list[int] = []
        om.subscribe(lambda event, published=published: published.append(event.sequence))  # type: ignore[misc]
        hit = interrupted_at_line(at, lambda om=om: om.remove_order(4))  # type: ignore[misc]  # bound at once
        published.clear()
        om.remove_order(2)
        assert published == [om.last_sequence]
        if not hit:
            break
        at += 1
    assert at > 15


@pytest.mark.parametrize("inside", ["what_if", "transaction"])
def test_an_undoing_that_is_broken_off_is_done_all_the_same(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    before, undo, tries = om.state_hash(), Ledger._roll_back, iter([True])

    def broken(self: Ledger, savepoint: Savepoint) -> None:
        if next(tries, False):
            raise KeyboardInterrupt
        undo(self, savepoint)

    monkeypatch.setattr(Ledger, "_roll_back", broken)
    with pytest.raises(KeyboardInterrupt), getattr(om, inside)():
        om.remove_order(1)
        om.add_order(2, "IBM", BUY, 20, 20)
        raise KeyboardInterrupt
    assert om.state_hash() == before
    assert not om._ledger.is_open
    om._check()


def interrupted_before_its_end(context: AbstractContextManager[OrderManagement]) -> Interrupt:
    """Change a book inside a context whose end is interrupted before it has begun; return the interrupt."""

    def trace(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename in INSIDE:
            sys.settrace(None)
            raise Interrupt

    before = sys.gettrace()
    try:
        with context as om:
            om.add_order(77, "JPM", BUY, 1, 1)
            sys.settrace(trace)
    except Interrupt as interrupt:
        return interrupt
    finally:
        sys.settrace(before)
    raise AssertionError("the context ended without an interrupt")


@pytest.mark.parametrize("journal", [None, MemoryJournal])
@pytest.mark.parametrize("kind", ["transaction", "what_if"])
def test_a_change_made_while_the_interrupt_of_a_transaction_is_handled_is_kept(
    kind: str, journal: Callable[[], Any] | None, bystander: ThreadPoolExecutor
) -> None:
    om = OrderManagement(None if journal is None else journal())
    published: list[Event] = []
    om.subscribe(published.append)
    context = getattr(om, kind)()
    interrupt = interrupted_before_its_end(context)
    om.add_order(1, "JPM", BUY, 20, 20)
    assert interrupt.__traceback__ is not None, "a notebook, a debugger, or a handler keeps the frames alive"
    assert om.orders() == (Order(1, "JPM", BUY, 20, 20),), "the transaction is rolled back"
    assert [event.sequence for event in published] == [1], "the change is not inside the transaction"
    assert len(bystander.submit(om.orders).result(10)) == 1
    assert om.copy().state_hash() == om.state_hash()
    if om.journal is not None:
        assert OrderManagement(om.journal).state_hash() == om.state_hash()
    with pytest.raises(OpenTransactionError, match="ended already"):
        context.__exit__(None, None, None)


def test_an_inner_transaction_whose_end_is_interrupted_is_rolled_back_alone() -> None:
    om = OrderManagement()
    with om.transaction():
        om.add_order(1, "JPM", BUY, 20, 20)
        interrupt = interrupted_before_its_end(om.transaction())
        om.add_order(2, "JPM", BUY, 20, 20)
        assert interrupt.__traceback__ is not None
    assert [order.order_id for order in om.orders()] == [1, 2]
    assert not om._ledger.is_open
