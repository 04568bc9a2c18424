"""An interrupt at any line of a method leaves the books consistent, and recovery needs no new thread."""

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
from oms.batch import change_orders
from oms.books import Books
from oms.ledger import Ledger
from oms.order_book import OrderBook
from oms.savepoint import Savepoint
from support.interrupts import INTERRUPTED_FILES, LEDGER_FILES, Interrupt, interrupted_at_line
from support.memory_journal import MemoryJournal
from support.threads import prevent_new_threads

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture(autouse=True)
def bystander(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Provide a thread that runs already, and prevent new threads from starting."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(bool).result()

        prevent_new_threads(monkeypatch)
        yield pool


CHANGES: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "JPM", BUY, 5, 22),
    "add_order, new book": lambda om: om.add_order(9, "NEW", SELL, 5, 22),
    "add_orders": lambda om: om.add_orders([Order(9, "JPM", BUY, 5, 20), Order(10, "NEW", BUY, 5, 20)]),
    "remove_order": lambda om: om.remove_order(2),
    "remove_order, last of its book": lambda om: om.remove_order(5),
    "remove_orders": lambda om: om.remove_orders("JPM"),
    "amend_order, amount": lambda om: om.amend_order(1, amount=3),
    "amend_order, price": lambda om: om.amend_order(1, price=25),
    "change_orders": lambda om: change_orders(
        om, {1: 3, 2: 0, 5: 0}, [Order(9, "JPM", BUY, 5, 20), Order(10, "NEW", SELL, 5, 22)]
    ),
    "place_trade, partial fill": lambda om: om.place_trade("JPM", BUY, 3),
    "place_trade, two orders": lambda om: om.place_trade("JPM", BUY, 22),
    "place_trade, whole book": lambda om: om.place_trade("IBM", BUY, 10),
}


def hypothetical(om: OrderManagement) -> None:
    with om.what_if():
        om.place_trade("JPM", BUY, 1)


QUERIES: dict[str, Callable[[OrderManagement], object]] = {
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


def after(change: str) -> str:
    om = book()
    CHANGES[change](om)
    return om.state_hash()


@pytest.mark.parametrize("error", [Interrupt, MemoryError])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_interrupted_at_any_line_is_made_as_a_whole_or_not_at_all(
    change: str, error: type[BaseException]
) -> None:
    step, late_interrupts = 1, 0
    while True:
        om = book()
        before = om.state_hash()
        if not interrupted_at_line(step, partial(CHANGES[change], om), error):
            break
        om._check()
        assert om.state_hash() in (before, after(change))
        assert om._ledger.version % 2 == 0
        if om.state_hash() == before:
            CHANGES[change](om)
        else:
            late_interrupts += 1
        om._check()
        step += 1
    assert step > 10
    lines_after_the_change = 1 if change == "change_orders" else 2  # a change of many orders has no event
    assert late_interrupts == lines_after_the_change, "an earlier interrupt rolls the change back"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_interrupted_inside_a_transaction_is_rolled_back_without_the_changes_before_it(
    change: str,
) -> None:
    step = 1
    while True:
        om = book()
        untouched = om.state_hash()
        with om.what_if():
            om.place_trade("JPM", BUY, 1)
            before = om.state_hash()
            hit = interrupted_at_line(step, partial(CHANGES[change], om))
            om._check()
            changed = om.state_hash() != before
            if not hit:
                assert changed
                break
            assert not changed or not om._ledger.is_marked
        assert om.state_hash() == untouched
        step += 1
    assert step > 10


@pytest.mark.parametrize("change", CHANGES)
def test_a_rollback_interrupted_at_any_line_is_still_completed(change: str) -> None:
    step = 1
    while True:
        om = book()
        before = om.state_hash()
        context = om.what_if()
        context.__enter__()
        om.place_trade("JPM", BUY, 1)
        CHANGES[change](om)
        om.amend_order(3, amount=1) if 3 in om else None
        hit = interrupted_at_line(step, partial(context.__exit__, None, None, None))
        del context
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        step += 1
    assert step > 10


@pytest.mark.parametrize("change", CHANGES)
def test_a_recovery_interrupted_at_any_line_is_completed_by_the_next_caller(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupted method leaves the rollback to the next caller, and that caller is interrupted too."""
    monkeypatch.setattr(Ledger, "_settle_at_once", lambda _: None)

    def partly_changed_book() -> OrderManagement:
        om = book()
        context = om.what_if()
        context.__enter__()
        om.place_trade("JPM", BUY, 1)
        with monkeypatch.context() as patch, suppress(Interrupt):
            for name in BOOK_METHODS:
                patch.setattr(OrderBook, name, fail)
            CHANGES[change](om)
        return om

    def fail(*_: object, **__: object) -> None:
        raise Interrupt

    before, step = book().state_hash(), 1
    while True:
        om = partly_changed_book()
        assert om._ledger.is_marked
        hit = interrupted_at_line(step, om.symbols)
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        if not hit:
            break
        step += 1
    assert step > 30


@pytest.mark.parametrize("journal", [None, MemoryJournal])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_while_a_rollback_keeps_failing_every_call_raises_an_error(
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
        patch.setattr(Books, "restore", fail)
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


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_runs_out_of_stack_changes_nothing(change: str) -> None:
    def call_at_depth(om: OrderManagement, levels: int) -> object:
        return call_at_depth(om, levels - 1) if levels else CHANGES[change](om)

    limit, successes = sys.getrecursionlimit(), 0
    for levels in range(limit - 60, limit):
        om = book()
        before = om.state_hash()
        with suppress(RecursionError):
            call_at_depth(om, levels)
            successes += 1
            continue
        om._check()
        assert om.state_hash() == before
    assert sys.getrecursionlimit() == limit
    assert successes < 60


BOOK_METHODS = ("_drop_level", "_resize_level", "add", "clear", "remove", "update")
"""Methods of OrderBook. Every change calls at least one of them."""


def fail_once(
    monkeypatch: pytest.MonkeyPatch, owner: object, names: tuple[str, ...], call: Callable[[], object]
) -> None:
    """Make the call, and let the first use of one of the named methods fail."""
    with monkeypatch.context() as patch, pytest.raises(Interrupt):

        def fail(*_: object, **__: object) -> None:
            patch.undo()
            raise Interrupt

        for name in names:
            patch.setattr(owner, name, fail)
        call()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_whose_update_of_the_books_fails_is_rolled_back(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = book()
    before = om.state_hash()
    fail_once(monkeypatch, OrderBook, BOOK_METHODS, lambda: CHANGES[change](om))
    assert om.state_hash() == before
    context = om.what_if()
    context.__enter__()
    CHANGES[change](om)
    fail_once(monkeypatch, OrderBook, BOOK_METHODS, lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before
    CHANGES[change](om)
    om._check()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_interrupted_at_any_line_leaves_every_price_correct(query: str) -> None:
    step = 1
    while True:
        om = book()
        om.amend_order(1, amount=25)
        if not interrupted_at_line(step, partial(QUERIES[query], om)):
            break
        om._check()
        fresh = om.copy()
        for amount in (1, 5, 25, 26, 30, 36):
            assert om.calculate_price("JPM", BUY, amount) == fresh.calculate_price("JPM", BUY, amount)
        step += 1


def test_a_transaction_that_runs_out_of_stack_blocks_no_other_thread(bystander: ThreadPoolExecutor) -> None:
    def call_at_depth(om: OrderManagement, levels: int) -> object:
        if levels:
            return call_at_depth(om, levels - 1)
        with om.what_if():
            return om.amend_order(1, amount=3)

    limit = sys.getrecursionlimit()
    for levels in range(limit - 60, limit):
        om = book()
        before = om.state_hash()
        with suppress(RecursionError):
            call_at_depth(om, levels)
        bystander.submit(om.symbols).result(10)
        assert om.state_hash() == before
        assert not om._ledger.is_open


def test_a_rollback_that_fails_at_its_first_step_is_still_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    om = book()
    before = om.state_hash()
    context = om.what_if()
    context.__enter__()
    om.place_trade("JPM", BUY, 22)
    fail_once(monkeypatch, TradePlaced, ("subject",), lambda: context.__exit__(None, None, None))
    om._check()
    assert om.state_hash() == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_rollback_that_fails_at_its_last_step_is_still_completed(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailingAfterPop(list[Any]):
        """A list whose first `pop` removes the last event and then fails."""

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
    CHANGES[change](om)
    om._ledger._provisional = FailingAfterPop(om._ledger._provisional)
    with pytest.raises(Interrupt):
        context.__exit__(None, None, None)
    om._check()
    assert om.state_hash() == before
    assert not om._ledger.is_open


def test_a_transaction_that_cannot_begin_releases_the_lock(
    monkeypatch: pytest.MonkeyPatch, bystander: ThreadPoolExecutor
) -> None:
    om = book()
    fail_once(monkeypatch, Ledger, ("open",), lambda: om.transaction().__enter__())
    bystander.submit(om.symbols).result(10)


def interrupted_at_check(step: int, call: Callable[[], object]) -> bool:
    """Interrupt a call at its n-th check for signals inside the ledger, and return True if it got there.

    Python checks for signals at the beginning of each Python function and after each call of a C function.
    """
    inside = {str(Path(oms.__file__).parent / name) for name in LEDGER_FILES}
    checks = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal checks
        begins = event == "call" and frame.f_lineno == frame.f_code.co_firstlineno
        if (begins or event == "c_return") and frame.f_code.co_filename in inside:
            checks += 1
            if checks == step:
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


def nested_locked(om: OrderManagement) -> None:
    with om.locked() as same:
        assert same is om
        with om.locked():
            assert len(om) == 5


@pytest.mark.parametrize("interrupted", [interrupted_at_check, interrupted_at_line])
def test_the_lock_is_released_after_an_interrupt_at_any_line(
    interrupted: Callable[[int, Callable[[], object]], bool], bystander: ThreadPoolExecutor
) -> None:
    step = 1
    while True:
        om = book()
        hit = interrupted(step, partial(nested_locked, om))
        assert bystander.submit(om._lock.acquire, blocking=False).result(10)
        bystander.submit(om._lock.release).result(10)
        if not hit:
            break
        step += 1
    assert step > 8


def fail_to_settle(om: OrderManagement, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove an order, interrupt the change, and prevent its rollback, so that the ledger stays marked."""

    def fail(*_: object) -> None:
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        patch.setattr(OrderBook, "_drop_level", fail)
        patch.setattr(Ledger, "_settle_at_once", bool)
        om.remove_order(5)
    assert om._ledger.is_marked


def test_an_interrupted_change_inside_locked_is_rolled_back_by_the_next_query_in_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = book()
    before = om.state_hash()
    with om.locked():
        fail_to_settle(om, monkeypatch)
        assert om.state_hash() == before
    om._check()


def test_an_interrupted_change_made_by_a_callback_is_rolled_back_by_the_next_query_in_the_callback(
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


def roll_back_a_what_if(om: OrderManagement) -> None:
    with om.what_if():
        om.place_trade("JPM", BUY, 22)
        with om.what_if():
            om.remove_orders("IBM")
        om.add_order(9, "JPM", BUY, 5, 22)


def roll_back_a_transaction(om: OrderManagement) -> None:
    with suppress(KeyError), om.transaction("outer"):
        om.place_trade("JPM", BUY, 22)
        with om.transaction("inner"):
            om.remove_orders("IBM")
        raise KeyError


@pytest.mark.parametrize("interrupted", [interrupted_at_check, interrupted_at_line])
@pytest.mark.parametrize("body", [roll_back_a_what_if, roll_back_a_transaction])
def test_a_rollback_leaves_no_trace_after_an_interrupt_at_any_line(
    body: Callable[[OrderManagement], None],
    interrupted: Callable[[int, Callable[[], object]], bool],
    bystander: ThreadPoolExecutor,
) -> None:
    step = 1
    while True:
        om = book()
        before = om.state_hash()
        hit = interrupted(step, partial(body, om))
        bystander.submit(om.symbols).result(10)
        om._check()
        assert om.state_hash() == before
        assert not om._ledger.is_open
        events: list[Event] = []
        om.subscribe(events.append)
        om.remove_order(4)
        assert [event.note for event in events] == [None], "no transaction stays open, and no note remains"
        assert om._ledger.version % 2 == 0
        if not hit:
            break
        step += 1
    assert step > 30


@pytest.mark.parametrize("interrupted", [interrupted_at_check, interrupted_at_line])
@pytest.mark.parametrize("journal", [None, MemoryJournal])
def test_a_transaction_interrupted_at_any_line_is_committed_or_rolled_back_as_a_whole(
    journal: Callable[[], Any] | None, interrupted: Callable[[int, Callable[[], object]], bool]
) -> None:
    def new() -> OrderManagement:
        om = OrderManagement(None if journal is None else journal())
        om.add_orders(book().orders())
        return om

    def commit(om: OrderManagement) -> None:
        with om.transaction("outer"):
            om.place_trade("JPM", BUY, 22)
            with om.transaction():
                om.remove_orders("IBM")

    committed = new()
    commit(committed)
    step = 1
    while True:
        om = new()
        before = om.state_hash()
        hit = interrupted(step, partial(commit, om))
        om._check()
        assert om.state_hash() in (before, committed.state_hash())
        if om.journal is not None:
            assert om.state_hash() == OrderManagement(om.journal).state_hash()
        assert not om._ledger.is_open
        assert not om._ledger._provisional
        if not hit:
            break
        step += 1
    assert step > 30


def test_after_an_interrupted_callback_later_events_are_still_published() -> None:
    step = 1
    while True:
        om = book()
        events: list[int] = []
        om.subscribe(lambda event, events=events: events.append(event.sequence))  # type: ignore[misc]
        hit = interrupted_at_line(step, lambda om=om: om.remove_order(4))  # type: ignore[misc]  # called at once
        events.clear()
        om.remove_order(2)
        assert events == [om.last_sequence]
        if not hit:
            break
        step += 1
    assert step > 15


@pytest.mark.parametrize("inside", ["what_if", "transaction"])
def test_a_rollback_that_is_interrupted_once_is_still_completed(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    before, roll_back, interrupts = om.state_hash(), Ledger._roll_back, iter([True])

    def interrupt_once(self: Ledger, savepoint: Savepoint) -> None:
        if next(interrupts, False):
            raise KeyboardInterrupt
        roll_back(self, savepoint)

    monkeypatch.setattr(Ledger, "_roll_back", interrupt_once)
    with pytest.raises(KeyboardInterrupt), getattr(om, inside)():
        om.remove_order(1)
        om.add_order(2, "IBM", BUY, 20, 20)
        raise KeyboardInterrupt
    assert om.state_hash() == before
    assert not om._ledger.is_open
    om._check()


def interrupted_before_its_end(context: AbstractContextManager[OrderManagement]) -> Interrupt:
    """Change a book inside a context, interrupt the start of its `__exit__`, and return the interrupt."""

    def trace(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename in INTERRUPTED_FILES:
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
    raise AssertionError("no interrupt was raised")


@pytest.mark.parametrize("journal", [None, MemoryJournal])
@pytest.mark.parametrize("kind", ["transaction", "what_if"])
def test_a_change_made_while_handling_the_interrupt_of_a_transaction_is_saved(
    kind: str, journal: Callable[[], Any] | None, bystander: ThreadPoolExecutor
) -> None:
    om = OrderManagement(None if journal is None else journal())
    events: list[Event] = []
    om.subscribe(events.append)
    context = getattr(om, kind)()
    interrupt = interrupted_before_its_end(context)
    om.add_order(1, "JPM", BUY, 20, 20)
    assert interrupt.__traceback__ is not None, (
        "the frames stay alive, as in a notebook, a debugger, or an exception handler"
    )
    assert om.orders() == (Order(1, "JPM", BUY, 20, 20),), "the transaction is rolled back"
    assert [event.sequence for event in events] == [1], "the change was made outside the transaction"
    assert len(bystander.submit(om.orders).result(10)) == 1
    assert om.copy().state_hash() == om.state_hash()
    if om.journal is not None:
        assert OrderManagement(om.journal).state_hash() == om.state_hash()
    with pytest.raises(OpenTransactionError, match="already ended"):
        context.__exit__(None, None, None)


def test_an_inner_transaction_whose_end_is_interrupted_is_rolled_back_without_the_outer_one() -> None:
    om = OrderManagement()
    with om.transaction():
        om.add_order(1, "JPM", BUY, 20, 20)
        interrupt = interrupted_before_its_end(om.transaction())
        om.add_order(2, "JPM", BUY, 20, 20)
        assert interrupt.__traceback__ is not None
    assert [order.order_id for order in om.orders()] == [1, 2]
    assert not om._ledger.is_open
