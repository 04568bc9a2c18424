"""A journal over a log in memory: takeovers, unknown outcomes, and journals that only read."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from functools import partial

import pytest

from oms import Instrument, JournalError, MatchingEngine, OrderManagement, Side
from oms.api.engine.past import JournalArchive
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.replicated_log import Message, UnavailableError
from support.log_journals import added, events_in, opened
from support.replicated_log import ALL_FAULTS, Connection, Faults, MemoryLog, Reads, Request, impatient

BUY = Side.BUY


# ---------------------------------------------------------------------- fencing


def test_a_writer_is_deposed_by_a_later_one_and_every_later_change_is_rejected() -> None:
    log = MemoryLog()
    first, _ = opened(log, "Ann")
    first.append(added(1))
    second, _ = opened(log, "Bob")
    for _ in range(3):
        with pytest.raises(JournalError, match="another writer has taken over: Bob"):
            first.append(added(2))
        with pytest.raises(JournalError, match="another writer has taken over: Bob"):
            first.check_writable()
    assert first.last_sequence == 1
    assert list(first.read()) == added(1)
    second.append(added(2, 3))
    stores: list[Callable[[], object]] = [
        partial(first.keep_reply, "late"),
        partial(first.keep_instruments, {}, added(2)),
    ]
    for store in stores:
        with pytest.raises(JournalError, match="read-only until it is opened again"):
            store()
    assert events_in(log) == added(1, 2, 3)


def test_a_deposed_writer_that_has_not_noticed_it_can_still_read_what_it_has_acknowledged() -> None:
    log = MemoryLog()
    first, _ = opened(log)
    first.append(added(1))
    second, _ = opened(log)
    second.append(added(2))
    assert list(first.read()) == added(1)
    assert (first.last_sequence, second.last_sequence) == (1, 2)


def test_a_writer_is_deposed_even_if_nothing_was_written_since() -> None:
    log = MemoryLog()
    first, _ = opened(log, "Ann")
    opened(log, "Bob")[0].close()
    with pytest.raises(JournalError, match="the change is not stored: another writer has taken over: Bob"):
        first.append(added(1))


def test_a_deposed_writer_whose_position_holds_an_event_names_the_message() -> None:
    log = MemoryLog()
    first, connection = opened(log, "Ann")
    other = opened(log)[0]
    other.append(added(1))
    del log.messages[1]  # a log without the opening, as if the position were taken by a change
    log.messages[1:] = [each._replace(position=2) for each in log.messages[1:]]
    with pytest.raises(JournalError, match="another writer has taken over"):
        first.append(added(1))
    assert connection.last() == 2


def test_books_whose_writer_was_deposed_keep_their_state_and_reject_changes() -> None:
    log = MemoryLog()
    om = OrderManagement(opened(log)[0])
    om.add_order(1, "JPM", BUY, 20, 20)
    state_hash = om.state_hash()
    with OrderManagement(opened(log)[0]) as other:
        other.add_order(2, "JPM", BUY, 20, 20)
        changes: list[Callable[[], object]] = [
            lambda: om.add_order(3, "JPM", BUY, 20, 20),
            lambda: om.remove_order(1),
            lambda: om.set_instrument("JPM", Instrument("0.01")),
        ]
        for change in changes:
            with pytest.raises(JournalError, match="another writer"):
                change()
        assert om.state_hash() == state_hash
        assert [order.order_id for order in other] == [1, 2]


def test_a_late_message_of_a_deposed_writer_is_never_stored() -> None:
    log = MemoryLog()
    first, connection = opened(log, late=1.0)
    with pytest.raises(JournalError, match="unknown until the journal is opened again"):
        first.append(added(1))
    second, _ = opened(log)
    second.append(added(1, 2))
    while log.late:
        log.deliver()
    assert events_in(log) == added(1, 2)
    assert connection.faults.late == 1.0


def test_each_opening_has_a_new_epoch_even_if_both_openings_happen_at_once() -> None:
    """The second writer reads the log, and stores its opening only after the first one has stored its own."""
    log, journals = MemoryLog(), list[LogJournal]()

    class Slow(Connection):
        def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
            if not journals:
                journals.append(LogJournal(Connection(log), patience=impatient()))
            return super().append(subject, payload, expected, message_id)

    second = LogJournal(Slow(log), patience=impatient())
    second.append(added(1))
    with pytest.raises(JournalError, match="another writer has taken over"):
        journals[0].append(added(1))
    assert [b'"epoch":1' in log.messages[0].payload, b'"epoch":2' in log.messages[1].payload] == [True, True]


def test_writers_that_depose_each_other_all_the_time_raise_an_error() -> None:
    log = MemoryLog()

    class Contested(Connection):
        def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
            LogJournal(Connection(log), patience=impatient())
            return super().append(subject, payload, expected, message_id)

    contested = Contested(log)
    with pytest.raises(JournalError, match="other writers append to it all the time; stop them first"):
        LogJournal(contested, patience=impatient())
    assert contested.is_closed


# ---------------------------------------------------------------------- unknown outcomes


@pytest.mark.parametrize("fault", ["lost_request", "late"])
def test_after_an_unknown_outcome_every_change_is_rejected_until_the_journal_is_opened_again(
    fault: str,
) -> None:
    log = MemoryLog()
    journal, connection = opened(log)
    connection.faults = Faults(**{fault: 1.0})
    with pytest.raises(
        JournalError, match="whether the change is stored is unknown until the journal is opened"
    ):
        journal.append(added(1))
    connection.faults = Faults()
    while log.late:
        log.deliver()
    assert journal.last_sequence == 0
    for _ in range(2):
        with pytest.raises(JournalError, match="read-only until it is opened again: no acknowledgement"):
            journal.append(added(1))
    assert len(events_in(log)) == (fault == "late")
    again, _ = opened(log)
    again.append(added(again.last_sequence + 1))
    assert events_in(log) == added(*range(1, 2 + (fault == "late")))


def test_a_message_that_the_log_never_accepts_leaves_the_journal_usable() -> None:
    log = MemoryLog()
    journal, _ = opened(log)
    log.longest = 1_000
    with pytest.raises(JournalError, match=r"the change is not stored: it has .* and 1000 are allowed"):
        journal.append(added(*range(1, 100)))
    journal.append(added(1))
    assert events_in(log) == added(1)


def test_an_unavailable_log_cannot_be_opened_and_its_connection_is_closed() -> None:
    for faults, problem in (
        (Faults(unreadable=1), "it cannot be read: no leader"),
        (Faults(lost_request=1), "it cannot be opened for writing: no acknowledgement"),
    ):
        connection = Connection(MemoryLog(), faults)
        with pytest.raises(JournalError, match=problem):
            LogJournal(connection, patience=impatient())
        assert connection.is_closed


def test_a_log_that_accepts_no_opening_cannot_be_opened() -> None:
    log = MemoryLog()
    log.longest = 10
    connection = Connection(log)
    with pytest.raises(JournalError, match="it cannot be opened for writing: it has"):
        LogJournal(connection, patience=impatient())
    assert connection.is_closed


def test_a_damaged_log_cannot_be_opened() -> None:
    log = MemoryLog()
    opened(log)[0].append(added(1))
    log.messages[1] = Message(2, log.messages[1].payload.replace(b'"amount":20', b'"amount":21'))
    connection = Connection(log)
    with pytest.raises(JournalError, match="message 2: its hash does not match its content"):
        LogJournal(connection, patience=impatient())
    assert connection.is_closed


def test_an_opening_that_reads_a_stale_copy_reads_the_rest_before_it_succeeds() -> None:
    log = MemoryLog()
    first, _ = opened(log)
    for number in range(1, 40):
        first.append(added(number))
    for seed in range(30):
        stale = Connection(log, Faults(stale=0.9), seed)
        journal = LogJournal(stale, patience=impatient(60))
        assert journal.last_sequence == 39
        assert list(journal.read()) == added(*range(1, 40))


# ---------------------------------------------------------------------- reading only


def test_a_journal_that_only_reads_writes_nothing_and_sees_new_events_after_a_refresh() -> None:
    log = MemoryLog()
    writer, _ = opened(log)
    writer.append(added(1))
    length = len(log.messages)
    reader = LogJournal(Connection(log), read_only=True)
    assert (reader.last_sequence, list(reader.read())) == (1, added(1))
    writer.append(added(2, 3))
    writer.keep_reply("a reply")
    writer.keep_instruments({"JPM": Instrument("0.01")})
    assert (reader.last_sequence, list(reader.replies())) == (1, [])
    assert reader.refresh() == 3
    assert list(reader.read(2)) == added(2, 3)
    assert (list(reader.replies()), dict(reader.instruments())) == (["a reply"], {"JPM": Instrument("0.01")})
    with pytest.raises(JournalError, match="it was opened to be read"):
        reader.append(added(4))
    assert len(log.messages) == length + 3
    reader.close()
    with pytest.raises(JournalError, match="closed"):
        reader.refresh()


def test_a_writer_cannot_be_refreshed_because_its_books_would_not_change() -> None:
    log = MemoryLog()
    first, _ = opened(log)
    with pytest.raises(JournalError, match="it was not opened with read_only=True"):
        first.refresh()
    opened(log)[0].append(added(1))
    with pytest.raises(JournalError, match="another writer"):
        first.append(added(1))
    with pytest.raises(JournalError, match="it was not opened with read_only=True"):
        first.refresh()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_log_with_fewer_messages_than_one_of_the_machines_has_is_rejected(read_only: bool) -> None:
    log = MemoryLog()
    opened(log)[0].append(added(1))
    with pytest.raises(JournalError, match="it ends with message 2, but one of the servers has 3"):
        LogJournal(Connection(log), read_only=read_only, patience=impatient(), least=3)
    assert len(log.messages) == 2
    for seed in range(10):
        stale = Connection(log, Faults(stale=0.8), seed)
        journal = LogJournal(stale, read_only=read_only, patience=impatient(60), least=len(log.messages))
        assert journal.last_sequence == 1


# ---------------------------------------------------------------------- processes, pages, and subjects


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_can_neither_write_nor_close_the_journal() -> None:
    log = MemoryLog()
    journal, connection = opened(log)
    journal.append(added(1))
    readable, writable = os.pipe()
    if os.fork() == 0:  # pragma: no cover  # another process
        problems = list[str]()
        for use in (lambda: journal.append(added(2)), lambda: journal.last_sequence, journal.check_writable):
            try:
                use()
            except JournalError as error:
                problems.append(error.problem)
        journal.close()
        os.write(writable, f"{problems}{connection.is_closed}".encode())
        os._exit(0)
    os.wait()
    text = os.read(readable, 10_000).decode()
    os.close(readable)
    os.close(writable)
    assert re.findall("a forked process cannot use it", text) == ["a forked process cannot use it"] * 3
    assert text.endswith("False")
    journal.append(added(2))


def test_pages_can_be_read_while_a_message_is_being_stored() -> None:
    log, pages = MemoryLog(), list[object]()

    class Paging(Connection):
        def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
            if log.messages:
                pages.append(journal.page_of_events(None, 10).events)
            return super().append(subject, payload, expected, message_id)

    journal = LogJournal(Paging(log), patience=impatient())
    journal.append(added(1))
    journal.append(added(2))
    assert pages == [(), tuple(added(1))]


def test_each_batch_is_one_message_with_the_subject_of_its_symbol() -> None:
    log = MemoryLog()
    om = OrderManagement(opened(log)[0])
    om.add_order(1, "BRK.B", BUY, 20, 20)
    with om.transaction():
        om.add_order(2, "JPM", BUY, 20, 20)
        om.place_trade("JPM", BUY, 5)
    with om.transaction():
        om.add_order(3, "JPM", BUY, 20, 20)
        om.add_order(4, "IBM", BUY, 20, 20)
    assert log.subjects == [
        "oms.main.shard",
        "oms.main.symbol.BRK%2EB",
        "oms.main.symbol.JPM",
        "oms.main.shard",
    ]


def test_an_error_names_the_shard_and_a_log_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "oms.cluster"):
        first, _ = opened(MemoryLog("stocks"), "Ann")
    assert caplog.messages == ["shard stocks in memory is open, and its last event is 0"]
    first.close()
    with pytest.raises(JournalError, match=r"^shard stocks in memory: it is closed"):
        first.append(added(1))


def test_the_log_can_be_read_again_after_it_was_unavailable() -> None:
    log = MemoryLog()
    journal, connection = opened(log)
    journal.append(added(1))
    connection.faults = Faults(unreadable=1)
    with pytest.raises(JournalError, match="it cannot be read"):
        list(journal.read())
    with pytest.raises(UnavailableError):
        connection.last()
    connection.faults = ALL_FAULTS
    assert list(journal.read()) == added(1)
    assert log.store(Request("x", b"x", len(log.messages), "x")) == 3


def test_a_page_of_an_engines_trades_reads_the_log_a_few_times_and_not_once_for_each_trade() -> None:
    connection = Reads(MemoryLog())
    engine = MatchingEngine(LogJournal(connection, patience=impatient()))
    for number in range(0, 1_000, 2):
        engine.submit(number, "JPM", Side.SELL, 1, 100)
        engine.submit(number + 1, "JPM", BUY, 1, 100)
    archive, connection.count = JournalArchive(LogJournal(connection, read_only=True)), 0
    _, trades, more = archive.trades(None, 400)
    assert [trade.trade.trade_id for trade in trades] == list(range(1, 401))
    assert more
    assert connection.count < 5_000


def test_a_page_of_trades_skips_the_messages_between_trades_that_are_far_apart() -> None:
    connection = Reads(MemoryLog())
    journal = LogJournal(connection, patience=impatient())
    om = OrderManagement(journal)
    for number in range(1, 8_001):
        om.add_order(number, "JPM", BUY, 5, 9)
        if number in (1_000, 1_001, 6_000):
            om.place_trade("JPM", BUY, 1)
    connection.count = 0
    pages = [journal.page_of_trades(after, limit) for after, limit in ((None, 100), (None, 2), (2, 5))]
    ids = [[placed.trade.trade_id for placed in page.events] for page in pages]
    assert (ids, [page.more for page in pages]) == ([[1, 2, 3], [1, 2], [3]], [False, True, False])
    assert connection.count < 8_000  # of 24,000
