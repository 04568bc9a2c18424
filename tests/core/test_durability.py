"""Durability with any journal: a change is written to the journal first, and then made in memory."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import pytest

import oms
from oms import Event, Instrument, JournalError, OpenTransactionError, Order, OrderManagement, Side, Snapshot
from oms.durability import DurableLedger
from oms.ledger import Ledger
from oms.order_book import OrderBook
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import FailingJournal, MemoryJournal
from support.threads import prevent_new_threads

BUY, SELL = Side.BUY, Side.SELL
ORDER = Order(1, "JPM", BUY, 20, 20)

SINGLE_CHANGES: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "JPM", BUY, 5, 22),
    "add_orders": lambda om: om.add_orders([Order(9, "JPM", BUY, 5, 20), Order(10, "NEW", BUY, 5, 20)]),
    "remove_order": lambda om: om.remove_order(2),
    "remove_orders": lambda om: om.remove_orders("JPM"),
    "amend_order": lambda om: om.amend_order(1, price=25),
    "place_trade": lambda om: om.place_trade("JPM", BUY, 22),
}


def basket(om: OrderManagement) -> None:
    with om.transaction("basket"):
        om.place_trade("JPM", BUY, 3)
        with om.transaction():
            om.amend_order(1, amount=1)
        om.add_order(8, "IBM", SELL, 1, 1)


def concurrent_basket(om: OrderManagement) -> None:
    with om.transaction("basket", concurrent_commit=True):
        om.place_trade("JPM", BUY, 3)
        with om.transaction():
            om.amend_order(1, amount=1)
        om.add_order(8, "IBM", SELL, 1, 1)


def make_more_changes(om: OrderManagement) -> None:
    """Make a few more changes, which are valid in every state."""
    om.add_order(70, "JPM", BUY, 1, 1)
    with om.transaction():
        om.add_order(71, "JPM", BUY, 1, 1)
        om.place_trade("JPM", BUY, 2)


CHANGES = SINGLE_CHANGES | {"transaction": basket, "concurrent transaction": concurrent_basket}


def books_with(journal: MemoryJournal) -> OrderManagement:
    om = OrderManagement(journal)
    om.add_orders([ORDER, Order(2, "JPM", BUY, 10, 21), Order(3, "JPM", SELL, 15, 19)])
    om.place_trade("JPM", BUY, 1)
    return om


@pytest.fixture(autouse=True)
def no_new_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent new threads from starting, because durability must not need one."""
    prevent_new_threads(monkeypatch)


def assert_memory_equals_journal(om: OrderManagement) -> None:
    om._check()
    assert om.journal is not None
    replayed = OrderManagement()
    for event in om.journal.read(1):
        replayed._ledger.commit(type(event), event.subject())
    assert replayed.state_hash() == om.state_hash()
    assert not om._ledger.is_open


# ---------------------------------------------------------------------- what the journal contains


@pytest.mark.parametrize("change", CHANGES)
def test_the_events_of_a_journal_rebuild_the_same_books(change: str) -> None:
    om = books_with(MemoryJournal())
    events: list[Event] = []
    om.subscribe(events.append)
    CHANGES[change](om)
    journal = om.journal
    assert isinstance(journal, MemoryJournal)
    assert journal.events[2:] == events != []
    assert OrderManagement(journal).state_hash() == om.state_hash()
    assert_memory_equals_journal(om)


def test_a_change_is_in_the_journal_before_it_is_in_the_books() -> None:
    is_resting: list[bool] = []

    class Watching(MemoryJournal):
        def append(self, batch: Any) -> None:
            is_resting.append(1 in om._orders)
            super().append(batch)

    om = OrderManagement(Watching())
    om.add_order(*ORDER)
    om.remove_order(1)
    assert is_resting == [False, True]


def test_a_transaction_is_written_as_one_batch_with_its_note_and_a_what_if_is_not_written() -> None:
    journal = MemoryJournal()
    om = books_with(journal)
    with om.what_if():
        basket(om)
    with pytest.raises(ZeroDivisionError), om.transaction("fails"):
        basket(om)
        raise ZeroDivisionError
    with om.transaction("empty"):
        pass
    basket(om)
    assert [len(batch) for batch in journal.batches] == [1, 1, 3]
    assert [event.note for event in journal.batches[-1]] == ["basket"] * 3


def test_a_call_that_raises_or_changes_nothing_writes_nothing_to_the_journal() -> None:
    journal = MemoryJournal()
    om = books_with(journal)
    event_count = len(journal.events)
    om.amend_order(2, amount=10)
    om.add_orders([])
    with pytest.raises(oms.OrderNotFoundError):
        om.remove_order(77)
    with pytest.raises(oms.InsufficientLiquidityError):
        om.place_trade("JPM", BUY, 100)
    assert len(journal.events) == event_count


def test_changes_made_by_a_callback_are_written_to_the_journal_in_order() -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal)
    sequences: list[int] = []

    def follow(event: Event) -> None:
        sequences.append(event.sequence)
        if event.sequence == 1:
            om.add_order(2, "JPM", BUY, 1, 1)
            with om.transaction("follow"):
                om.remove_order(1)
                om.remove_order(2)

    om.subscribe(follow)
    om.add_order(*ORDER)
    assert sequences == [1, 2, 3, 4]
    assert [len(batch) for batch in journal.batches] == [1, 1, 2]
    assert_memory_equals_journal(om)


def test_the_books_start_from_the_snapshot_of_the_journal_and_replay_only_later_events() -> None:
    class WithSnapshot(MemoryJournal):
        def snapshot(self) -> Snapshot:
            return Snapshot(1, 5, (ORDER,))

    journal = WithSnapshot()
    journal.batches = books_with(MemoryJournal()).journal.batches  # type: ignore[union-attr]  # this one has a journal
    trade = journal.events[1]
    om = OrderManagement(journal)
    assert trade.subject()[0].trade_id == 1
    assert om.orders() == (ORDER._replace(amount=19),)
    assert om._ledger.sequence == 2


@pytest.mark.parametrize(
    "duplicate",
    [lambda om: om.copy(), copy.deepcopy, lambda om: pickle.loads(pickle.dumps(om))],  # noqa: S301  # our own bytes
)
def test_a_copy_has_no_journal(duplicate: Callable[[OrderManagement], OrderManagement]) -> None:
    journal = MemoryJournal()
    om = books_with(journal)
    twin = duplicate(om)
    assert twin.state_hash() == om.state_hash()
    assert twin.journal is None
    event_count = len(journal.events)
    twin.remove_orders()
    twin.close()
    assert (len(journal.events), journal.closed) == (event_count, False)


def test_after_close_queries_still_work_and_changes_raise_an_error() -> None:
    journal = MemoryJournal()
    with books_with(journal) as om:
        with om.what_if(), pytest.raises(OpenTransactionError, match="closing"):
            om.close()
        assert not journal.closed
    before = om.state_hash()
    assert journal.closed
    for change in CHANGES.values():
        with pytest.raises(JournalError, match="it is closed"):
            change(om)
    assert om.state_hash() == before
    assert om.calculate_price("JPM", BUY, 1) == 20
    om.close()


# ---------------------------------------------------------------------- failures and interrupts


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_the_journal_cannot_write_changes_nothing(change: str) -> None:
    journal = FailingJournal()
    om = books_with(journal)
    events: list[Event] = []
    om.subscribe(events.append)
    before, event_count = om.state_hash(), len(journal.events)
    journal.error = JournalError("memory", "it is full")
    with pytest.raises(JournalError, match="it is full"):
        CHANGES[change](om)
    assert om.state_hash() == before
    assert (events, len(journal.events)) == ([], event_count)
    CHANGES[change](om)
    assert_memory_equals_journal(om)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_after_an_interrupt_inside_the_journal_memory_equals_the_journal(change: str, stored: bool) -> None:
    journal = FailingJournal()
    om = books_with(journal)
    before, event_count = om.state_hash(), len(journal.events)
    journal.error, journal.stores_batch = Interrupt(), stored
    with pytest.raises(Interrupt):
        CHANGES[change](om)
    assert (len(journal.events) > event_count) is stored
    assert (om.state_hash() != before) is stored
    assert_memory_equals_journal(om)
    make_more_changes(om)
    assert_memory_equals_journal(om)


@pytest.mark.parametrize("change", SINGLE_CHANGES)
def test_a_change_that_is_in_the_journal_is_completed_even_if_the_books_are_interrupted(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = books_with(MemoryJournal())

    def fail(*_: object) -> None:
        patch.undo()
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        for name in ("_drop_level", "_resize_level", "add", "clear", "remove", "update"):
            patch.setattr(OrderBook, name, fail)
        SINGLE_CHANGES[change](om)
    assert_memory_equals_journal(om)
    assert om._ledger.sequence == 3


@pytest.mark.parametrize("change", CHANGES)
def test_while_the_journal_is_unreadable_every_call_raises_an_error(change: str) -> None:
    class UnreadableJournal(FailingJournal):
        unreadable = False

        @property
        def last_sequence(self) -> int:
            if self.unreadable:
                raise JournalError("memory", "unreadable")
            return super().last_sequence

        def read(self, first: int = 1) -> Any:
            if self.unreadable:
                raise JournalError("memory", "unreadable")
            return super().read(first)

    journal = UnreadableJournal()
    om = books_with(journal)
    before = om.state_hash()
    journal.error, journal.stores_batch = Interrupt(), True
    journal.before_raising = lambda: setattr(journal, "unreadable", True)
    with pytest.raises(Interrupt):
        CHANGES[change](om)
    event_count = len(journal.events)
    queries: list[Callable[[OrderManagement], object]] = [
        OrderManagement.state_hash,
        OrderManagement.orders,
    ]
    for each in [*CHANGES.values(), *queries]:
        with pytest.raises(JournalError, match="unreadable"):
            each(om)
    assert len(journal.events) == event_count
    journal.unreadable = False
    assert OrderManagement(journal).state_hash() == om.state_hash() != before
    make_more_changes(om)
    assert_memory_equals_journal(om)


def test_a_callback_that_fails_does_not_roll_back_the_change() -> None:
    om = books_with(MemoryJournal())

    def fail(_: Event) -> None:
        raise JournalError("elsewhere", "another journal")

    om.subscribe(fail)
    with pytest.raises(JournalError, match="another journal"):
        om.remove_order(2)
    with pytest.raises(ExceptionGroup), om.transaction():
        om.remove_order(1)
        om.remove_order(3)
    assert len(om) == 0
    assert_memory_equals_journal(om)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_interrupted_at_any_line_is_in_both_journal_and_memory_or_in_neither(change: str) -> None:
    step = 1
    while True:
        om = books_with(MemoryJournal())
        if not interrupted_at_line(step, lambda om=om: CHANGES[change](om), Interrupt, OpenTransactionError):  # type: ignore[misc]  # bound at once
            break
        assert_memory_equals_journal(om)
        make_more_changes(om)
        assert_memory_equals_journal(om)
        step += 1
    assert step > 10


def test_a_transaction_interrupted_before_its_commit_begins_is_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = MemoryJournal()
    om = books_with(journal)
    before = om.state_hash()

    def fail(*_: object, **__: object) -> None:
        patch.undo()
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt), om.transaction():
        om.remove_order(2)
        patch.setattr(DurableLedger, "close", fail)
    assert om.state_hash() == before
    make_more_changes(om)
    assert_memory_equals_journal(om)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_runs_out_of_stack_is_in_both_journal_and_memory_or_in_neither(change: str) -> None:
    def call_at_depth(om: OrderManagement, levels: int) -> object:
        return call_at_depth(om, levels - 1) if levels else CHANGES[change](om)

    limit, failures = sys.getrecursionlimit(), 0
    for levels in range(limit - 70, limit):
        om = books_with(MemoryJournal())
        try:
            call_at_depth(om, levels)
        except RecursionError:
            failures += 1
        assert_memory_equals_journal(om)
    assert failures


@pytest.mark.parametrize("owner", [Ledger, DurableLedger])
@pytest.mark.parametrize("name", ["close", "settle", "_end", "_roll_back", "_leave", "_settle_at_once"])
@pytest.mark.parametrize("inner", [True, False])
def test_a_transaction_whose_end_fails_at_any_step_is_in_both_journal_and_memory_or_in_neither(
    owner: type[Ledger], name: str, inner: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = books_with(MemoryJournal())

    def fail(*_: object, **__: object) -> None:
        patch.undo()
        raise Interrupt

    def interrupt_inner_transaction() -> None:
        with om.transaction():
            om.remove_order(2)
            patch.setattr(owner, name, fail)
            raise Interrupt

    with monkeypatch.context() as patch, suppress(Interrupt):
        if inner:
            with om.transaction():
                om.remove_order(1)
                interrupt_inner_transaction()
        with om.transaction():
            om.remove_order(1)
            patch.setattr(owner, name, fail)
    patch.undo()
    assert_memory_equals_journal(om)
    make_more_changes(om)
    assert_memory_equals_journal(om)


def test_books_without_a_journal_use_the_plain_ledger() -> None:
    assert type(OrderManagement()._ledger) is Ledger
    assert type(OrderManagement(MemoryJournal())._ledger) is DurableLedger


# ---------------------------------------------------------------------- following another writer


def replica_of(om: OrderManagement) -> tuple[OrderManagement, DurableLedger]:
    """Return other books on the same journal, with the ledger that follows it."""
    replica = OrderManagement(om.journal)
    assert isinstance(replica._ledger, DurableLedger)
    return replica, replica._ledger


def follow(replica: OrderManagement, ledger: DurableLedger) -> None:
    """Apply the events in the journal that the books do not contain yet."""
    assert replica.journal is not None
    with replica.locked():
        ledger.follow(tuple(replica.journal.read(replica.last_sequence + 1)), {})


@pytest.mark.parametrize("change", CHANGES)
def test_books_that_follow_a_journal_equal_those_of_its_writer_and_publish_the_same_events(
    change: str,
) -> None:
    om = books_with(MemoryJournal())
    replica, ledger = replica_of(om)
    published: list[list[Event]] = [[], []]
    om.subscribe(published[0].append)
    replica.subscribe(published[1].append)
    CHANGES[change](om)
    follow(replica, ledger)
    assert replica.state_hash() == om.state_hash()
    assert published[0] == published[1] != []
    assert_memory_equals_journal(replica)


def test_subscribers_of_books_that_follow_see_only_whole_transactions() -> None:
    om = books_with(MemoryJournal())
    replica, ledger = replica_of(om)
    hashes: list[str] = []
    replica.subscribe(lambda _: hashes.append(replica.state_hash()))
    basket(om)
    follow(replica, ledger)
    assert hashes == [om.state_hash()] * 3


def test_an_interrupt_while_books_follow_leaves_them_before_or_after_the_whole_batch() -> None:
    line, ends = 1, set[str]()
    while True:
        om = books_with(MemoryJournal())
        replica, ledger = replica_of(om)
        before = om.state_hash()
        basket(om)
        if not interrupted_at_line(line, lambda pair=(replica, ledger): follow(*pair), Interrupt):  # type: ignore[misc]  # bound at once
            break
        ends.add(replica.state_hash())
        assert replica.state_hash() in (before, om.state_hash())
        replica._check()
        follow(replica, ledger)
        assert replica.state_hash() == om.state_hash()
        line += 1
    assert ends == {before, om.state_hash()}
    assert line > 10


def test_following_sets_instruments_without_an_event() -> None:
    replica, ledger = replica_of(books_with(MemoryJournal()))
    instrument = oms.Instrument("0.01", "1")
    with replica.locked():
        ledger.follow((), {"JPM": instrument})
    assert replica.instruments == {"JPM": instrument}
    assert_memory_equals_journal(replica)


class Unread(dict[str, Instrument]):
    """Instruments that nobody reads one by one."""

    def items(self) -> NoReturn:
        raise AssertionError("there can be thousands of instruments")


@pytest.mark.parametrize("is_concurrent", [False, True])
def test_a_transaction_without_instruments_does_not_read_all_instruments(is_concurrent: bool) -> None:
    om = OrderManagement(MemoryJournal())
    om._books.instruments = Unread(JPM=Instrument("0.01", "1"))
    with om.transaction(concurrent_commit=is_concurrent):
        om.add_order(*ORDER)
    assert om.get_order(1) == ORDER


def test_following_is_rejected_inside_a_transaction_and_a_what_if() -> None:
    om = books_with(MemoryJournal())
    replica, ledger = replica_of(om)
    om.add_order(9, "JPM", BUY, 5, 22)
    for block in (replica.transaction(), replica.what_if()):
        with block, pytest.raises(OpenTransactionError, match="following another writer is not possible"):
            ledger.follow(tuple(om.journal.read(5)), {})  # type: ignore[union-attr]  # it has a journal
    follow(replica, ledger)
    assert replica.state_hash() == om.state_hash()


def test_following_rejects_events_after_a_gap_and_events_of_an_engine() -> None:
    om = books_with(MemoryJournal())
    replica, ledger = replica_of(om)
    om.add_order(9, "JPM", BUY, 5, 22)
    om.add_order(10, "JPM", BUY, 5, 22)
    before = replica.state_hash()
    with replica.locked(), pytest.raises(JournalError, match="event 4 cannot follow event 2"):
        ledger.follow(tuple(om.journal.read(4)), {})  # type: ignore[union-attr]  # it has a journal
    engine_journal = MemoryJournal()
    oms.MatchingEngine(engine_journal).submit(1, "JPM", BUY, 1, 1)
    with replica.locked(), pytest.raises(JournalError, match=r"open it with journal\.open_engine"):
        ledger.follow(engine_journal.events, {})
    assert replica.state_hash() == before
