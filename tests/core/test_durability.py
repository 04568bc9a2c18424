"""A change is in the journal before it is in memory; together, or not at all. Any journal will do."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import oms
from oms import Event, JournalError, OpenTransactionError, Order, OrderManagement, Side, Snapshot
from oms.durability import DurableLedger
from oms.ledger import Ledger
from oms.order_book import OrderBook
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import MemoryJournal, StruckJournal
from support.threads import let_no_thread_start

BUY, SELL = Side.BUY, Side.SELL
ORDER = Order(1, "JPM", BUY, 20, 20)

VERBS: dict[str, Callable[[OrderManagement], object]] = {
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


def go_on(om: OrderManagement) -> None:
    """Whatever rests."""
    om.add_order(70, "JPM", BUY, 1, 1)
    with om.transaction():
        om.add_order(71, "JPM", BUY, 1, 1)
        om.place_trade("JPM", BUY, 2)


CHANGES = VERBS | {"transaction": basket}


def filled(journal: MemoryJournal) -> OrderManagement:
    om = OrderManagement(journal)
    om.add_orders([ORDER, Order(2, "JPM", BUY, 10, 21), Order(3, "JPM", SELL, 15, 19)])
    om.place_trade("JPM", BUY, 1)
    return om


@pytest.fixture(autouse=True)
def no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread can be started, and none is needed."""
    let_no_thread_start(monkeypatch)


def assert_memory_is_the_journal(om: OrderManagement) -> None:
    om._check()
    assert om.journal is not None
    again = OrderManagement()
    for event in om.journal.read(1):
        again._ledger.commit(type(event), event.subject())
    assert again.state_hash() == om.state_hash()
    assert not om._ledger.is_open


# ---------------------------------------------------------------------- what goes in


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_journal_holds_makes_the_same_books(change: str) -> None:
    om = filled(MemoryJournal())
    heard: list[Event] = []
    om.subscribe(heard.append)
    CHANGES[change](om)
    journal = om.journal
    assert isinstance(journal, MemoryJournal)
    assert journal.events[2:] == heard != []
    assert OrderManagement(journal).state_hash() == om.state_hash()
    assert_memory_is_the_journal(om)


def test_the_journal_has_a_change_before_the_books_do() -> None:
    seen: list[bool] = []

    class Watching(MemoryJournal):
        def append(self, batch: Any) -> None:
            seen.append(1 in om._orders)
            super().append(batch)

    om = OrderManagement(Watching())
    om.add_order(*ORDER)
    om.remove_order(1)
    assert seen == [False, True]


def test_a_transaction_is_one_batch_with_its_note_and_a_what_if_is_none() -> None:
    journal = MemoryJournal()
    om = filled(journal)
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


def test_what_is_refused_or_changes_nothing_reaches_no_journal() -> None:
    journal = MemoryJournal()
    om = filled(journal)
    held = len(journal.events)
    om.amend_order(2, amount=10)
    om.add_orders([])
    with pytest.raises(oms.OrderNotFoundError):
        om.remove_order(77)
    with pytest.raises(oms.InsufficientLiquidityError):
        om.place_trade("JPM", BUY, 100)
    assert len(journal.events) == held


def test_a_verb_called_back_is_journalled_in_its_turn() -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal)
    heard: list[int] = []

    def follow(event: Event) -> None:
        heard.append(event.sequence)
        if event.sequence == 1:
            om.add_order(2, "JPM", BUY, 1, 1)
            with om.transaction("follow"):
                om.remove_order(1)
                om.remove_order(2)

    om.subscribe(follow)
    om.add_order(*ORDER)
    assert heard == [1, 2, 3, 4]
    assert [len(batch) for batch in journal.batches] == [1, 1, 2]
    assert_memory_is_the_journal(om)


def test_it_starts_from_a_snapshot_and_goes_on_from_there() -> None:
    class Later(MemoryJournal):
        def snapshot(self) -> Snapshot:
            return Snapshot(1, 5, (ORDER,))

    journal = Later()
    journal.batches = filled(MemoryJournal()).journal.batches  # type: ignore[union-attr]  # it has one
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
    om = filled(journal)
    twin = duplicate(om)
    assert twin.state_hash() == om.state_hash()
    assert twin.journal is None
    held = len(journal.events)
    twin.remove_orders()
    twin.close()
    assert (len(journal.events), journal.closed) == (held, False)


def test_what_is_closed_still_answers_and_takes_nothing() -> None:
    journal = MemoryJournal()
    with filled(journal) as om:
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


# ---------------------------------------------------------------------- what fails, and what strikes


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_the_journal_refuses_has_changed_nothing(change: str) -> None:
    journal = StruckJournal()
    om = filled(journal)
    heard: list[Event] = []
    om.subscribe(heard.append)
    before, held = om.state_hash(), len(journal.events)
    journal.error = JournalError("memory", "it is full")
    with pytest.raises(JournalError, match="it is full"):
        CHANGES[change](om)
    assert om.state_hash() == before
    assert (heard, len(journal.events)) == ([], held)
    CHANGES[change](om)
    assert_memory_is_the_journal(om)


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_what_strikes_in_the_journal_leaves_memory_as_the_journal_is(change: str, holds: bool) -> None:
    journal = StruckJournal()
    om = filled(journal)
    before, held = om.state_hash(), len(journal.events)
    journal.error, journal.holds = Interrupt(), holds
    with pytest.raises(Interrupt):
        CHANGES[change](om)
    assert (len(journal.events) > held) is holds
    assert (om.state_hash() != before) is holds
    assert_memory_is_the_journal(om)
    go_on(om)
    assert_memory_is_the_journal(om)


@pytest.mark.parametrize("change", VERBS)
def test_a_durable_change_that_is_interrupted_in_the_books_is_made_all_the_same(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = filled(MemoryJournal())

    def fail(*_: object) -> None:
        patch.undo()
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        for name in ("_drop_level", "_resize_level", "add", "clear", "remove", "update"):
            patch.setattr(OrderBook, name, fail)
        VERBS[change](om)
    assert_memory_is_the_journal(om)
    assert om._ledger.sequence == 3


@pytest.mark.parametrize("change", CHANGES)
def test_while_the_journal_cannot_say_what_it_holds_every_verb_is_refused(change: str) -> None:
    class Gone(StruckJournal):
        gone = False

        @property
        def last_sequence(self) -> int:
            if self.gone:
                raise JournalError("memory", "gone")
            return super().last_sequence

        def read(self, first: int = 1) -> Any:
            if self.gone:
                raise JournalError("memory", "gone")
            return super().read(first)

    journal = Gone()
    om = filled(journal)
    before = om.state_hash()
    journal.error, journal.holds = Interrupt(), True
    journal.also = lambda: setattr(journal, "gone", True)
    with pytest.raises(Interrupt):
        CHANGES[change](om)
    held = len(journal.events)
    questions: list[Callable[[OrderManagement], object]] = [
        OrderManagement.state_hash,
        OrderManagement.orders,
    ]
    for each in [*CHANGES.values(), *questions]:
        with pytest.raises(JournalError, match="gone"):
            each(om)
    assert len(journal.events) == held
    journal.gone = False
    assert OrderManagement(journal).state_hash() == om.state_hash() != before
    go_on(om)
    assert_memory_is_the_journal(om)


def test_a_callback_that_fails_undoes_nothing() -> None:
    om = filled(MemoryJournal())

    def fail(_: Event) -> None:
        raise JournalError("elsewhere", "another journal")

    om.subscribe(fail)
    with pytest.raises(JournalError, match="another journal"):
        om.remove_order(2)
    with pytest.raises(ExceptionGroup), om.transaction():
        om.remove_order(1)
        om.remove_order(3)
    assert len(om) == 0
    assert_memory_is_the_journal(om)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_interrupted_anywhere_is_in_both_or_in_neither(change: str) -> None:
    at = 1
    while True:
        om = filled(MemoryJournal())
        if not interrupted_at_line(at, lambda om=om: CHANGES[change](om), Interrupt, OpenTransactionError):  # type: ignore[misc]  # bound at once
            break
        assert_memory_is_the_journal(om)
        go_on(om)
        assert_memory_is_the_journal(om)
        at += 1
    assert at > 10


def test_a_transaction_that_is_interrupted_before_its_closing_begins_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = MemoryJournal()
    om = filled(journal)
    before = om.state_hash()

    def fail(*_: object, **__: object) -> None:
        patch.undo()
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt), om.transaction():
        om.remove_order(2)
        patch.setattr(DurableLedger, "close", fail)
    assert om.state_hash() == before
    go_on(om)
    assert_memory_is_the_journal(om)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_without_stack_to_run_on_is_in_both_or_in_neither(change: str) -> None:
    def deep(om: OrderManagement, levels: int) -> object:
        return deep(om, levels - 1) if levels else CHANGES[change](om)

    limit, refused = sys.getrecursionlimit(), 0
    for levels in range(limit - 70, limit):
        om = filled(MemoryJournal())
        try:
            deep(om, levels)
        except RecursionError:
            refused += 1
        assert_memory_is_the_journal(om)
    assert refused


@pytest.mark.parametrize("owner", [Ledger, DurableLedger])
@pytest.mark.parametrize("name", ["close", "settle", "_end", "_roll_back", "_leave", "_settle_at_once"])
@pytest.mark.parametrize("inner", [True, False])
def test_a_transaction_whose_closing_fails_anywhere_is_in_both_or_in_neither(
    owner: type[Ledger], name: str, inner: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = filled(MemoryJournal())

    def fail(*_: object, **__: object) -> None:
        patch.undo()
        raise Interrupt

    def give_up() -> None:
        with om.transaction():
            om.remove_order(2)
            patch.setattr(owner, name, fail)
            raise Interrupt

    with monkeypatch.context() as patch, suppress(Interrupt):
        if inner:
            with om.transaction():
                om.remove_order(1)
                give_up()
        with om.transaction():
            om.remove_order(1)
            patch.setattr(owner, name, fail)
    patch.undo()
    assert_memory_is_the_journal(om)
    go_on(om)
    assert_memory_is_the_journal(om)


def test_without_a_journal_nothing_stands_between_a_verb_and_the_books() -> None:
    assert type(OrderManagement()._ledger) is Ledger
    assert type(OrderManagement(MemoryJournal())._ledger) is DurableLedger
