"""Books that follow a journal to which another program writes."""

from __future__ import annotations

from typing import Any

import pytest

from oms import Event, Instrument, JournalError, MatchingEngine, OpenTransactionError, OrderManagement, Side
from support.interrupts import interrupted_at_line
from support.memory_journal import KeepingJournal

BUY, SELL = Side.BUY, Side.SELL
TICKS = Instrument("0.01", "1")


def write(om: OrderManagement) -> None:
    """Make four changes, which the journal stores together."""
    with om.transaction():
        om.add_order(1, "JPM", BUY, 20, 20)
        om.add_order(4, "JPM", BUY, 10, 21)
        om.place_trade("JPM", BUY, 22)
        om.add_order(5, "IBM", SELL, 1, 1)
        om.set_instrument("IBM", TICKS)


def pair() -> tuple[OrderManagement, OrderManagement]:
    """Return the books of a writer, and books with the same journal that have not followed it yet."""
    journal = KeepingJournal()
    follower = OrderManagement(journal)
    writer = OrderManagement(journal)
    write(writer)
    return writer, follower


def follow(follower: OrderManagement | MatchingEngine, first: int = 1) -> None:
    """Apply all events from number `first` on."""
    ledger: Any = follower._ledger
    with follower.locked():
        ledger.follow(tuple(ledger._journal.read(first)), ledger._journal.instruments())


def test_books_that_follow_have_the_state_of_the_writer_and_publish_its_events() -> None:
    writer, follower = pair()
    events: list[Event] = []
    follower.subscribe(events.append)
    follow(follower)
    assert follower.state_hash() == writer.state_hash()
    assert follower.instruments == writer.instruments == {"IBM": TICKS}
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    follower._check()


def test_following_that_is_interrupted_at_any_line_is_finished_by_the_next_call() -> None:
    step, was_hit = 1, True
    while was_hit:
        writer, follower = pair()

        def run(follower: OrderManagement = follower) -> None:
            follow(follower)

        was_hit = interrupted_at_line(step, run)
        if follower.last_sequence == 0:
            follow(follower)
        assert follower.state_hash() == writer.state_hash()
        assert follower.instruments == writer.instruments
        follower._check()
        step += 1
    assert step > 20


def test_an_exception_in_the_middle_of_a_batch_is_raised_after_the_batch_is_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer, follower = pair()
    ledger: Any = follower._ledger
    notify_all, calls = ledger._waiting.notify_all, list[int]()

    def fail_once() -> None:
        notify_all()
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ledger._waiting, "notify_all", fail_once)
    with pytest.raises(KeyboardInterrupt):
        follow(follower)
    assert len(calls) == 2
    assert follower.state_hash() == writer.state_hash()
    follower._check()


@pytest.mark.parametrize("block", ["transaction", "what_if"])
def test_books_do_not_follow_inside_a_transaction_or_a_what_if(block: str) -> None:
    _, follower = pair()
    with getattr(follower, block)(), pytest.raises(OpenTransactionError, match="following another writer"):
        follow(follower)
    assert follower.last_sequence == 0


def test_an_event_that_does_not_follow_the_last_one_is_rejected() -> None:
    _, follower = pair()
    with pytest.raises(JournalError, match="event 2 cannot follow event 0"):
        follow(follower, first=2)
    assert (follower.last_sequence, len(follower)) == (0, 0)


def test_the_events_of_another_class_are_rejected() -> None:
    journal = KeepingJournal()
    engine = MatchingEngine(journal)
    writer = OrderManagement(journal)
    write(writer)
    with pytest.raises(JournalError, match=r"it contains the changes of an OrderManagement"):
        follow(engine)
    assert engine.last_sequence == 0


def test_the_latest_event_of_an_open_transaction_is_known() -> None:
    om = OrderManagement()
    with om.transaction():
        assert om._ledger.latest_provisional is None
        om.add_order(1, "JPM", BUY, 20, 20)
        event = om._ledger.latest_provisional
        assert event is not None
        assert event.sequence == 1
    assert om._ledger.latest_provisional is None
