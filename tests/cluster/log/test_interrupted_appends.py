"""Appends of a LogJournal that are interrupted, or into which a finalizer calls."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from oms import JournalError, OrderManagement, Side
from oms.cluster.log.log_journal import LogJournal
from support.log_journals import added, events_in, opened
from support.replicated_log import Connection, Faults, MemoryLog, impatient

BUY = Side.BUY


class Interrupt(BaseException):
    """An exception like KeyboardInterrupt."""


class Interrupted(Connection):
    """A connection that is interrupted before or after the next message is stored."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.interrupts_before = self.interrupts_after = False

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        if self.interrupts_before:
            self.interrupts_before = False
            raise Interrupt
        position = super().append(subject, payload, expected, message_id)
        if self.interrupts_after:
            self.interrupts_after = False
            raise Interrupt
        return position


def interrupted(log: MemoryLog) -> tuple[LogJournal, Interrupted]:
    connection = Interrupted(log)
    return LogJournal(connection, patience=impatient()), connection


@pytest.mark.parametrize("moment", ["interrupts_before", "interrupts_after"])
def test_an_interrupted_append_is_finished_by_the_next_call(moment: str, caplog: Any) -> None:
    log = MemoryLog()
    journal, connection = interrupted(log)
    setattr(connection, moment, True)
    with pytest.raises(Interrupt):
        journal.append(added(1))
    with caplog.at_level(logging.INFO, "oms.cluster"):
        assert journal.last_sequence == 1
    assert "recovered from an interrupted write" in caplog.text
    journal.append(added(2))
    assert events_in(log) == added(1, 2)


def test_an_interrupted_append_that_another_writer_has_prevented_did_not_happen() -> None:
    log = MemoryLog()
    journal, connection = interrupted(log)
    connection.interrupts_before = True
    with pytest.raises(Interrupt):
        journal.append(added(1))
    opened(log, "Bob")
    assert journal.last_sequence == 0
    with pytest.raises(JournalError, match="another writer has taken over: Bob"):
        journal.append(added(1))


def test_while_the_outcome_of_an_interrupted_append_is_unknown_every_call_raises_an_error() -> None:
    log = MemoryLog()
    journal, connection = interrupted(log)
    om = OrderManagement(journal)
    connection.interrupts_before, connection.faults = True, Faults(lost_request=1)
    with pytest.raises(Interrupt):
        om.add_order(1, "JPM", BUY, 20, 20)
    for use in (lambda: journal.last_sequence, lambda: om.add_order(2, "JPM", BUY, 20, 20)):
        with pytest.raises(JournalError, match="whether an interrupted change is stored is not known yet"):
            use()
    connection.faults = Faults()
    om.add_order(3, "JPM", BUY, 20, 20)
    assert journal.last_sequence == len(om)
    assert [order.order_id for order in om] in ([1, 3], [3])
    assert len(events_in(log)) == len(om)


def test_a_finalizer_cannot_use_the_journal_in_the_middle_of_a_write() -> None:
    log, errors = MemoryLog(), list[str]()
    journals = list[LogJournal]()

    class Collecting(Connection):
        """A connection during whose requests a finalizer runs."""

        def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
            for use in uses if journals else ():
                try:
                    use()
                except JournalError as error:
                    errors.append(str(error))
            return super().append(subject, payload, expected, message_id)

    uses: list[Callable[[], object]] = [
        lambda: journals[0].last_sequence,
        lambda: journals[0].append(added(7)),
        lambda: journals[0].keep_reply("a reply"),
        lambda: list(journals[0].read()),
    ]
    journals.append(LogJournal(Collecting(log), patience=impatient()))
    journals[0].append(added(1))
    assert len(errors) == len(uses)
    assert all("this thread is in the middle of a write" in error for error in errors)
    uses.clear()
    journals[0].append(added(2))
    assert events_in(log) == added(1, 2)
    gc.collect()
