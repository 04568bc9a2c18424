"""A reader finds its place, notices damaged and missing messages, and looks for an undamaged copy."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from oms import JournalError
from oms.cluster.log.log_reader import LogReader
from oms.cluster.log.message import Draft, Head, encode
from oms.cluster.log.replicated_log import Message, UnavailableError
from support.replicated_log import Connection, Faults, MemoryLog, impatient

LENGTH = 300


def log_with(length: int = LENGTH) -> tuple[MemoryLog, list[Head]]:
    """Return a log with replies, and the head after each message."""
    log, heads = MemoryLog(), [Head()]
    for number in range(length):
        payload, head = encode(heads[-1], Draft(replies=(f"reply {number}",)))
        log.messages.append(Message(head.position, payload))
        heads.append(head)
    return log, heads


def reader(connection: Connection) -> LogReader:
    return LogReader(connection, impatient())


def test_all_messages_after_any_message_are_read_in_order() -> None:
    log, heads = log_with()
    for start in (0, 1, 255, 256, 257, LENGTH):
        for end in (heads[-1], None):
            read = [each.head for each in reader(Connection(log)).contents(heads[start], end)]
            assert read == heads[start + 1 :]
    for length in (0, 1, 5):
        read = [content.head for content in reader(Connection(log)).contents(Head(), heads[length])]
        assert read == heads[1 : length + 1]


@pytest.mark.parametrize("seed", range(20))
def test_stale_damaged_and_failing_reads_are_repeated_until_the_known_end(seed: int) -> None:
    log, heads = log_with(60)
    faults = Faults(unreadable=0.2, stale=0.2, damaged_copy=0.3)
    read = [each.head for each in reader(Connection(log, faults, seed)).contents(Head(), heads[-1])]
    assert read == heads[1:]


def test_an_undamaged_copy_on_another_machine_is_used_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, heads = log_with(3)
    connection = Connection(log, Faults(damaged_copy=1))
    with caplog.at_level(logging.WARNING, "oms.cluster"):
        assert [each.head for each in reader(connection).contents(Head())] == heads[1:]
    assert "another machine has an undamaged copy" in caplog.text


@pytest.mark.parametrize("position", [1, 2, LENGTH])
def test_damage_on_every_machine_raises_an_error_with_its_place(position: int) -> None:
    log, heads = log_with()
    damaged = log.messages[position - 1].payload.replace(b"reply", b"rEply")
    log.messages[position - 1] = Message(position, damaged)
    with pytest.raises(JournalError, match=f"in memory, message {position}: its hash does not match"):
        list(reader(Connection(log)).contents(Head(), heads[-1]))


def test_a_missing_message_raises_an_error_with_its_place() -> None:
    log, heads = log_with(5)
    del log.messages[3:]
    with pytest.raises(JournalError, match="message 4 is missing"):
        list(reader(Connection(log)).contents(Head(), heads[-1]))
    with pytest.raises(JournalError, match="message 5 is missing"):
        reader(Connection(log)).head_at(5)


class Forgetful(Connection):
    """A connection to a machine that has lost message 3, while another machine has it."""

    def read(self, after: int, limit: int) -> Sequence[Message]:
        if after == 2:
            return super().read(after + 1, limit)
        return super().read(after, limit)[: 2 - after] if after < 2 else super().read(after, limit)


def test_a_message_that_one_machine_has_lost_is_read_from_another_machine() -> None:
    log, heads = log_with(5)
    for end in (heads[-1], None):
        assert [each.head for each in reader(Forgetful(log)).contents(Head(), end)] == heads[1:]
    assert [reader(Forgetful(log)).head_at(position) for position in range(6)] == heads


def test_a_message_that_all_machines_have_lost_raises_an_error_with_its_place() -> None:
    log, heads = log_with(5)
    connection = Forgetful(log)
    log.messages[2] = None  # type: ignore[call-overload]  # no machine has it
    for end in (heads[-1], None):
        with pytest.raises(JournalError, match="message 3 is missing"):
            list(reader(connection).contents(Head(), end))
    with pytest.raises(JournalError, match="message 3 is missing"):
        reader(connection).head_at(3)


def test_another_last_message_than_the_known_one_raises_an_error() -> None:
    log, heads = log_with(5)
    payload, _ = encode(heads[4], Draft(replies=("another",)))
    log.messages[4] = Message(5, payload)
    with pytest.raises(
        JournalError, match="message 5: it is not the message that was read or written before"
    ):
        list(reader(Connection(log)).contents(Head(), heads[-1]))


def test_a_log_that_cannot_be_read_raises_an_error_after_the_time_limit() -> None:
    log, heads = log_with(5)
    connection = Connection(log, Faults(unreadable=1))
    for call in (
        lambda: list(reader(connection).contents(Head())),
        lambda: list(reader(connection).contents(Head(), heads[-1])),
        lambda: reader(connection).head_at(2),
    ):
        with pytest.raises(JournalError, match="it cannot be read: no leader"):
            call()


class DamagedThenSilent(Connection):
    """A connection to a machine with a damaged copy, while no other machine answers."""

    def read(self, after: int, limit: int) -> Sequence[Message]:
        return [self._damaged(each) for each in super().read(after, limit)]

    def message_at(self, position: int) -> Message | None:
        raise UnavailableError("no leader")


def test_a_damaged_copy_is_an_error_if_no_other_machine_answers() -> None:
    log, _ = log_with(5)
    with pytest.raises(JournalError, match="its hash does not match its content"):
        list(reader(DamagedThenSilent(log)).contents(Head()))


def test_a_search_reads_few_messages() -> None:
    log, heads = log_with()
    for position in (0, 1, 2, 150, LENGTH - 1, LENGTH):
        positions = list[int]()

        def is_before(head: Head, last: int = position, positions: list[int] = positions) -> bool:
            positions.append(head.position)
            return head.position <= last

        assert reader(Connection(log)).search(heads[-1], is_before) == heads[position]
        assert len(positions) <= 9
