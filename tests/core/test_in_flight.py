"""While the journal stores a concurrent transaction, reads see the state before it, and changes wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    Event,
    Instrument,
    JournalError,
    MatchingEngine,
    OmsError,
    OpenTransactionError,
    Order,
    OrderManagement,
    Side,
)
from oms.batch import change_orders
from oms.direct_books import DirectBooks
from oms.facade import Facade
from oms.transaction import Transaction
from support.batches_in_flight import (
    BOOK_READS,
    ENGINE_READS,
    TICKS,
    BlockingJournal,
    Storing,
    books,
    engine,
    submit,
    trade,
)
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import FailingJournal, MemoryJournal

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.mark.parametrize(
    ("new", "change", "read", "order_id"),
    [
        *(pytest.param(books, trade, read, 9, id=f"books-{name}") for name, read in BOOK_READS.items()),
        *(pytest.param(engine, submit, read, 8, id=f"engine-{name}") for name, read in ENGINE_READS.items()),
    ],
)
def test_a_read_sees_the_state_before_a_transaction_that_is_being_stored(
    new: Callable[[], Any],
    change: Callable[[Any], None],
    read: Callable[[Any], object],
    order_id: int,
    pool: ThreadPoolExecutor,
) -> None:
    om, expected = new(), new()
    change(expected)
    before = read(om)
    storing = Storing(pool, om, change)
    assert read(om) == before
    storing.finish()
    assert order_id in om
    assert (om.last_sequence, om.state_hash()) == (expected.last_sequence, expected.state_hash())


def in_transaction(om: OrderManagement) -> None:
    with om.transaction():
        om.add_order(10, "JPM", BUY, 5, 22)


def in_lock(om: OrderManagement) -> None:
    with om.locked():
        om.add_order(10, "JPM", BUY, 5, 22)


BOOK_CHANGES: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(10, "JPM", BUY, 5, 22),
    "add_orders": lambda om: om.add_orders([Order(10, "JPM", BUY, 5, 20)]),
    "remove_order": lambda om: om.remove_order(3),
    "remove_orders": lambda om: om.remove_orders("JPM", SELL),
    "amend_order": lambda om: om.amend_order(3, price=25),
    "place_trade": lambda om: om.place_trade("JPM", SELL, 2),
    "change_orders": lambda om: change_orders(om, {3: 1}, [Order(10, "JPM", BUY, 5, 20)]),
    "direct add": lambda om: DirectBooks(om, "JPM").add((10, "JPM", BUY, 5, 22)),
    "direct set_amount": lambda om: DirectBooks(om, "JPM").set_amount(om.get_order(3), 1),
    "direct fill": lambda om: DirectBooks(om, "JPM").fill_best_order(SELL, om.quote("JPM", SELL, 1).fills[0]),
    "transaction": in_transaction,
    "locked": in_lock,
    "set_instrument": lambda om: om.set_instrument("AAA", TICKS),
    "convert_orders": lambda om: om.convert_orders("JPM", Instrument("0.1", "1")),
}
ENGINE_CHANGES: dict[str, Callable[[MatchingEngine], object]] = {
    "submit": lambda engine: engine.submit(11, "JPM", SELL, 20, 30),
    "replace": lambda engine: engine.replace(8, price=30),
    "reduce": lambda engine: engine.reduce(8, 1),
    "cancel": lambda engine: engine.cancel(8),
    "cancel_all": lambda engine: engine.cancel_all("IBM"),
    "kill": lambda engine: engine.kill(cancel_orders=True),
}


@pytest.mark.parametrize("change", BOOK_CHANGES)
def test_a_change_by_another_thread_waits_until_the_transaction_is_stored(
    change: str, pool: ThreadPoolExecutor
) -> None:
    check_that_a_change_waits(pool, books(), trade, BOOK_CHANGES[change])


@pytest.mark.parametrize("change", [*ENGINE_CHANGES, "expire", "end_day"])
def test_a_change_of_an_engine_by_another_thread_waits_until_the_transaction_is_stored(
    change: str, pool: ThreadPoolExecutor
) -> None:
    venue = engine()
    if change in ENGINE_CHANGES:
        check_that_a_change_waits(pool, venue, submit, ENGINE_CHANGES[change])
        return
    storing = Storing(pool, venue, submit)
    waiting = pool.submit(venue.expire, 1) if change == "expire" else pool.submit(venue.end_day)
    wait_for_waiter(venue, waiting)
    storing.finish()
    assert waiting.result(20) == ()


def check_that_a_change_waits(
    pool: ThreadPoolExecutor, venue: Any, first: Callable[[Any], object], change: Callable[[Any], object]
) -> None:
    journal = BlockingJournal()
    for event in venue.journal.events:
        journal.append((event,))
    expected = type(venue)(journal, instruments={"JPM": TICKS})
    first(expected)
    storing = Storing(pool, venue, first)
    waiting = pool.submit(change, venue)
    wait_for_waiter(venue, waiting)
    assert venue.state_hash() == storing.before
    storing.finish()
    waiting.result(20)
    change(expected)
    assert venue.state_hash() == expected.state_hash()
    assert [event.subject() for event in venue.journal.events] == [
        event.subject() for event in expected.journal.events
    ]


def wait_for_waiter(venue: Facade, waiting: Future[Any]) -> None:
    while not venue._ledger._waiters:
        assert not waiting.done(), waiting.result()


def test_a_transaction_that_is_stored_waits_for_the_end_of_a_what_if(pool: ThreadPoolExecutor) -> None:
    om = books()
    storing = Storing(pool, om, trade)
    with om.what_if():
        om.remove_orders()
        storing.journal.allowed.set()
        while not om._ledger._waiters:
            assert not storing.done.done()
        assert len(om) == 0
    storing.finish()
    assert [order.order_id for order in om] == [9, 4, 3]


def test_a_what_if_that_was_abandoned_is_rolled_back_by_the_thread_that_stores(
    pool: ThreadPoolExecutor,
) -> None:
    om = books()
    storing = Storing(pool, om, trade)

    def abandon() -> None:
        context = om.what_if()
        context.__enter__()
        om.remove_orders()

    pool.submit(abandon).result(20)
    storing.finish()
    assert [order.order_id for order in om] == [9, 4, 3]


def test_a_batch_that_the_journal_rejects_is_discarded(pool: ThreadPoolExecutor) -> None:
    om = books()
    om.journal.error = JournalError("memory", "full")  # type: ignore[union-attr]  # it is a BlockingJournal
    storing = Storing(pool, om, trade)
    waiting = pool.submit(om.add_order, 9, "JPM", BUY, 1, 1)
    wait_for_waiter(om, waiting)
    with pytest.raises(JournalError, match="full"):
        storing.finish()
    waiting.result(20)
    assert om.get_order(9).symbol == "JPM"
    assert om.last_sequence == 3


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("call", ["calculate_price", "add_order"])
def test_the_next_call_settles_a_batch_whose_thread_was_interrupted(
    call: str, is_stored: bool, pool: ThreadPoolExecutor
) -> None:
    om = books()
    assert isinstance(om.journal, FailingJournal)
    om.journal.error, om.journal.stores_batch = Interrupt(), is_stored
    storing = Storing(pool, om, trade)
    with pytest.raises(Interrupt):
        storing.finish()
    if call == "add_order":
        om.add_order(10, "JPM", BUY, 1, 1)
    else:
        om.calculate_price("JPM", BUY, 1)
        assert om.best_price("JPM", BUY) == (21 if is_stored else 20)
    om._check()
    assert (9 in om) is is_stored
    assert om.instruments.keys() == ({"IBM", "JPM"} if is_stored else {"JPM"})


def test_subscribers_get_the_events_of_a_batch_that_another_call_has_applied(
    pool: ThreadPoolExecutor,
) -> None:
    om, seen = books(), list[int]()
    om.subscribe(lambda event: seen.append(event.sequence))
    om.subscribe(lambda _event: 1 // 0)  # its error belongs to nobody
    assert isinstance(om.journal, FailingJournal)
    om.journal.error, om.journal.stores_batch = Interrupt(), True
    storing = Storing(pool, om, trade)
    with pytest.raises(Interrupt):
        storing.finish()
    assert om.last_sequence == 4
    assert seen == [3, 4]


@pytest.mark.parametrize("outcome", ["committed", "rolled back", "rejected", "followed by an error"])
def test_a_transaction_knows_whether_its_changes_are_final(outcome: str) -> None:
    om = books()
    assert isinstance(om.journal, FailingJournal)
    if outcome == "rejected":
        om.journal.error = JournalError("memory", "full")
    if outcome == "followed by an error":
        om.subscribe(lambda _event: 1 // 0)
    for concurrent in (True, False):
        transaction = om.transaction(concurrent_commit=concurrent)
        assert isinstance(transaction, Transaction)
        with suppress(ZeroDivisionError, JournalError), transaction:
            om.add_order(10 + concurrent, "JPM", BUY, 1, 1)
            assert not transaction.is_committed
            if outcome == "rolled back":
                raise ZeroDivisionError
        assert transaction.is_committed is (10 + concurrent in om)
    assert (10 in om) is (outcome != "rolled back")


def test_a_handler_that_interrupts_the_storing_thread_can_read_but_not_change_the_books() -> None:
    class HandlingJournal(MemoryJournal):
        def append(self, batch: Sequence[Event]) -> None:
            super().append(batch)
            if len(self.batches) > 1:
                seen.append(om.calculate_price("JPM", BUY, 1))
                with pytest.raises(OpenTransactionError, match="in the middle of another change"):
                    om.add_order(3, "JPM", BUY, 1, 1)

    seen: list[int] = []
    om = OrderManagement(HandlingJournal())
    om.add_order(1, "JPM", BUY, 20, 20)
    with om.transaction(concurrent_commit=True):
        om.add_order(2, "JPM", BUY, 1, 1)
    assert seen == [20]
    assert len(om) == 2


def test_a_batch_that_another_call_has_applied_is_not_applied_again() -> None:
    class SettlingJournal(MemoryJournal):
        def append(self, batch: Sequence[Event]) -> None:
            super().append(batch)
            assert om._ledger.in_flight is not None
            om._ledger.in_flight.savepoint.failed = True  # as if this thread had been interrupted
            om.symbols()

    seen: list[int] = []
    om = OrderManagement(SettlingJournal())
    om.subscribe(lambda event: seen.append(event.sequence))
    with om.transaction(concurrent_commit=True):
        om.add_order(1, "JPM", BUY, 20, 20)
    om._check()
    assert (om.last_sequence, seen) == (1, [1])


def test_subscribers_are_notified_once_the_changes_are_stored(pool: ThreadPoolExecutor) -> None:
    om, seen = books(), []
    om.subscribe(lambda event: seen.append((event.sequence, om.last_sequence, len(om.journal.events))))  # type: ignore[union-attr]  # it is a BlockingJournal
    storing = Storing(pool, om, trade)
    assert seen == []
    storing.finish()
    assert seen == [(3, 4, 4), (4, 4, 4)]


def test_a_change_made_by_a_subscriber_follows_the_batch(pool: ThreadPoolExecutor) -> None:
    om = books()

    def follow(event: Event) -> None:
        if event.sequence == 3:
            om.add_order(20, "JPM", BUY, 1, 1)

    om.subscribe(follow)
    storing = Storing(pool, om, trade)
    storing.finish()
    assert om.last_sequence == 5 == om.journal.last_sequence  # type: ignore[union-attr]  # it is a BlockingJournal


def test_a_transaction_without_changes_or_inside_another_one_stores_nothing_early() -> None:
    om = books()
    stored = len(om.journal.batches)  # type: ignore[union-attr]  # it is a BlockingJournal
    with om.transaction(concurrent_commit=True):
        pass
    with om.transaction():
        with om.transaction(concurrent_commit=True):
            om.add_order(9, "JPM", BUY, 1, 1)
        assert len(om.journal.batches) == stored  # type: ignore[union-attr]  # it is a BlockingJournal
    with suppress(ZeroDivisionError), om.transaction(concurrent_commit=True):
        om.add_order(10, "JPM", BUY, 1, 1 // 0)
    plain = OrderManagement()
    with plain.transaction(concurrent_commit=True):
        plain.add_order(1, "JPM", BUY, 1, 1)
    assert len(om.journal.batches) == stored + 1  # type: ignore[union-attr]  # it is a BlockingJournal
    assert len(plain) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_discards_the_batch_of_a_thread_that_it_does_not_have(
    pool: ThreadPoolExecutor,
) -> None:
    om = books()
    storing = Storing(pool, om, trade)
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            before = om.state_hash() == storing.before
            om.add_order(10, "JPM", BUY, 1, 1)
            code = 0 if before and len(om) == 4 else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    storing.finish()


def test_after_a_fork_the_batch_of_another_thread_is_abandoned(pool: ThreadPoolExecutor) -> None:
    om = books()
    storing = Storing(pool, om, trade)
    batch = om._ledger.in_flight
    assert batch is not None
    assert not batch.is_abandoned
    om._ledger.reset_after_fork()  # as in the child, whose other tests cannot be measured
    assert batch.is_abandoned
    storing.finish()


@pytest.mark.parametrize("stage", ["stored", "settled"])
def test_storing_and_settling_interrupted_at_any_line_end_with_the_change_in_both_or_in_neither(
    stage: str,
) -> None:
    step, outcomes = 1, set()
    while True:
        om = books()
        assert isinstance(om.journal, FailingJournal)
        expected = om.copy()
        trade(expected)
        before = om.state_hash()

        def run(om: OrderManagement = om) -> None:
            with om.transaction(concurrent_commit=True):
                trade(om)

        if stage == "settled":
            om.journal.error, om.journal.stores_batch = Interrupt(), True
            with suppress(Interrupt):
                run()
            hit = interrupted_at_line(step, om.symbols)
        else:
            hit = interrupted_at_line(step, run)
        om._check()
        assert om.state_hash() == (expected.state_hash() if om.journal.last_sequence == 4 else before)
        assert om.instruments == (expected if om.journal.last_sequence == 4 else books()).instruments
        outcomes.add(om.journal.last_sequence)
        if not hit:
            break
        om.add_order(30, "JPM", BUY, 1, 1)
        step += 1
    assert outcomes == ({2, 4} if stage == "stored" else {4})


VERBS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 6), st.sampled_from(Side), st.integers(1, 9), st.integers(1, 4)),
    st.tuples(st.just("remove"), st.integers(1, 6)),
    st.tuples(st.just("amend"), st.integers(1, 6), st.integers(1, 9), st.integers(1, 4)),
    st.tuples(st.just("trade"), st.sampled_from(Side), st.integers(1, 12)),
)


def apply_to(om: Any, verb: tuple[Any, ...]) -> None:
    is_engine = isinstance(om, MatchingEngine)
    match verb:
        case ("add", order_id, side, amount, price):
            add = om.submit if is_engine else om.add_order
            add(order_id, "JPM", side, amount, price)
        case ("remove", order_id):
            om.cancel(order_id) if is_engine else om.remove_order(order_id)
        case ("amend", order_id, amount, price):
            (om.replace if is_engine else om.amend_order)(order_id, amount=amount, price=price)
        case ("trade", side, amount) if not is_engine:
            om.place_trade("JPM", side, amount, allow_partial=True)
        case _:
            om.submit(7, "JPM", verb[1], verb[2])


@given(st.lists(st.lists(VERBS, max_size=6), max_size=5), st.sampled_from([OrderManagement, MatchingEngine]))
def test_concurrent_transactions_make_the_same_changes_as_the_verbs(
    groups: list[list[tuple[Any, ...]]], kind: type[Facade]
) -> None:
    grouped, plain = kind(MemoryJournal()), kind()
    for group in groups:
        with grouped.transaction(concurrent_commit=True):
            for verb in group:
                for each in (grouped, plain):
                    with suppress(OmsError), each.transaction():
                        apply_to(each, verb)
        grouped._check()
        assert grouped.state_hash() == plain.state_hash()
    assert kind(grouped.journal).state_hash() == plain.state_hash()
