"""A message is stored exactly once, or another message is at its position, or the outcome is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms.cluster.log.message import Draft, Head, encode
from oms.cluster.log.replicated_log import Message, RejectedError, UnknownOutcomeError
from oms.cluster.log.storing import OvertakenError, Prepared, store
from support.replicated_log import ALL_FAULTS, Connection, Faults, MemoryLog, Request, impatient


def prepared(text: str = "mine", after: Head | None = None) -> Prepared:
    payload, head = encode(after or Head(), Draft(replies=(text,)))
    return Prepared("oms.main.shard", payload, head)


def request(message: Prepared) -> Request:
    return Request(*message[:2], message.head.position - 1, message.message_id("main"))


@given(seed=st.integers(0, 2**32), forgets=st.booleans())
@settings(max_examples=200)
def test_despite_all_faults_a_message_is_stored_once(seed: int, forgets: bool) -> None:
    """If `forgets` is True, the servers do not recognize any repeated message."""
    log, head = MemoryLog(), Head()
    connection = Connection(log, ALL_FAULTS, seed)
    expected = list[Message]()
    for number in range(8):
        message = prepared(f"message {number}", head)
        store(connection, message, impatient(60))
        head = message.head
        expected.append(Message(head.position, message.payload))
        if forgets:
            log.forget_message_ids()
    while log.late:
        log.deliver()
    assert log.messages == expected


@pytest.mark.parametrize("fault", ["lost_acknowledgement", "late"])
def test_a_lost_acknowledgement_is_found_by_another_attempt(fault: str) -> None:
    log, message = MemoryLog(), prepared()
    connection = Connection(log, Faults(**{fault: 1.0}))
    with pytest.raises(UnknownOutcomeError, match="no acknowledgement in 3 seconds"):
        store(connection, message, impatient())
    connection.faults = Faults()
    store(connection, message, impatient())
    while log.late:
        log.deliver()
    assert [each.payload for each in log.messages] == [message.payload]


@pytest.mark.parametrize("forgets", [True, False])
def test_another_message_at_the_position_is_a_final_failure(forgets: bool) -> None:
    log, message, other = MemoryLog(), prepared(), prepared("theirs")
    log.store(request(other))
    if forgets:
        log.forget_message_ids()
    with pytest.raises(OvertakenError) as caught:
        store(Connection(log), message, impatient())
    assert caught.value.message == Message(1, other.payload)


def test_a_rejection_without_a_message_at_the_position_is_not_final() -> None:
    """The log rejects the message while an earlier attempt is still being written to the disks."""
    log, message = MemoryLog(), prepared()
    with pytest.raises(UnknownOutcomeError, match="an earlier request is in progress"):
        store(Connection(log, Faults(spurious_rejection=1)), message, impatient())
    assert log.messages == []


def test_a_message_that_the_log_never_accepts_is_rejected_at_once() -> None:
    log = MemoryLog()
    log.longest = 10
    with pytest.raises(RejectedError, match="10 are allowed"):
        store(Connection(log), prepared(), impatient())


class LimitedLater(Connection):
    """A connection that loses the first request, and then accepts no message of this length."""

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        if not self.log.late:
            self.log.late.append(Request(subject, payload, expected, message_id))
            raise UnknownOutcomeError("no answer")
        raise RejectedError("too long")


def test_a_late_rejection_does_not_hide_that_an_earlier_attempt_may_be_stored() -> None:
    log = MemoryLog()
    with pytest.raises(UnknownOutcomeError, match="too long"):
        store(LimitedLater(log), prepared(), impatient())
    log.deliver()
    assert len(log.messages) == 1


def test_an_acknowledgement_for_another_position_is_not_trusted() -> None:
    log, message = MemoryLog(), prepared(after=prepared("before").head)
    log.positions[message.message_id("main")] = 7
    with pytest.raises(UnknownOutcomeError, match="stored message 2 at position 7"):
        store(Connection(log), message, impatient())


def test_different_messages_have_different_ids() -> None:
    messages = [prepared("a"), prepared("b"), prepared("a", prepared("a").head)]
    ids = {each.message_id(shard) for each in messages for shard in ("main", "other")}
    assert len(ids) == 6
    assert prepared("a").message_id("main") in ids
