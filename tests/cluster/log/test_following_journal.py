"""A journal that follows the writer of its log, and replaces it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from oms import JournalError, Order, OrderAdded, OrderManagement, Side
from oms.cluster.log.following_journal import MOST, FollowingJournal
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.replicated_log import Message, UnavailableError
from support.replicated_log import Connection, MemoryLog, impatient


def event(sequence: int) -> OrderAdded:
    return OrderAdded(Order(sequence, "JPM", Side.BUY, 5, 20), sequence=sequence)


def following(log: MemoryLog) -> FollowingJournal:
    return FollowingJournal(Connection(log), patience=impatient())


def writing(log: MemoryLog, name: str = "first") -> LogJournal:
    return LogJournal(Connection(log), writer=name, patience=impatient())


def test_each_message_is_returned_once_and_in_order() -> None:
    log = MemoryLog()
    writer = writing(log)
    writer.append([event(1)])
    follower = following(log)
    assert follower.follow() == []
    writer.append([event(2), event(3)])
    writer.keep_reply("a reply")
    first, second = follower.follow()
    assert ([*first.events()], second.replies()) == ([event(2), event(3)], ["a reply"])
    assert follower.follow() == []
    assert follower.head == writer._state.stored.head


def test_many_messages_are_returned_in_several_calls() -> None:
    log = MemoryLog()
    writer, follower = writing(log), following(log)
    numbers = range(1, 2 * MOST + 11)
    for number in numbers:
        writer.append([event(number)])
    parts = [follower.follow() for _ in range(4)]
    assert [len(part) for part in parts] == [MOST, MOST, 10, 0]
    assert [each for part in parts for content in part for each in content.events()] == [*map(event, numbers)]


def test_it_takes_over_with_the_messages_that_the_former_writer_has_appended_meanwhile() -> None:
    log = MemoryLog()
    writer, follower = writing(log), following(log)
    writer.append([event(1)])
    [content] = follower.take_over("second")
    assert [*content.events()] == [event(1)]
    with pytest.raises(JournalError, match="another writer has taken over: second"):
        writer.append([event(2)])
    follower.append([event(2)])
    assert list(LogJournal(Connection(log), read_only=True).read()) == [event(1), event(2)]


def test_a_message_that_arrives_while_it_takes_over_is_returned_too() -> None:
    log = MemoryLog()
    writer = writing(log)
    connection = Connection(log)
    follower = FollowingJournal(connection, patience=impatient())
    append = connection.append

    def overtaken(subject: str, payload: bytes, expected: int, message_id: str) -> int:
        connection.append = append  # type: ignore[method-assign]  # only the first attempt is overtaken
        writer.append([event(1)])
        return append(subject, payload, expected, message_id)

    connection.append = overtaken  # type: ignore[method-assign]  # see above
    [content] = follower.take_over("second")
    assert [*content.events()] == [event(1)]
    follower.append([event(2)])


def test_before_it_takes_over_it_appends_nothing() -> None:
    follower = following(MemoryLog())
    with pytest.raises(JournalError, match="it was opened to be read"):
        follower.append([event(1)])
    with pytest.raises(JournalError, match="it was opened to be read"):
        follower.check_writable()


def test_after_it_has_taken_over_it_neither_follows_nor_takes_over_again() -> None:
    follower = following(MemoryLog())
    follower.take_over("only")
    for call in (follower.follow, lambda: follower.take_over("again")):
        with pytest.raises(JournalError, match="it has taken over the log"):
            call()


def test_an_unreadable_log_is_an_error_and_the_next_call_continues() -> None:
    log = MemoryLog()
    writer, connection = writing(log), Connection(log)
    follower = FollowingJournal(connection, patience=impatient())
    writer.append([event(1)])
    connection.faults = connection.faults._replace(unreadable=1.0)
    with pytest.raises(JournalError, match="no leader"):
        follower.follow()
    connection.faults = connection.faults._replace(unreadable=0.0)
    [content] = follower.follow()
    assert [*content.events()] == [event(1)]


def test_after_errors_it_returns_no_more_messages_at_once_than_otherwise() -> None:
    log = MemoryLog()
    writer, connection = writing(log), Connection(log)
    follower = FollowingJournal(connection, patience=impatient())
    for number in range(1, 2 * MOST + 11):
        writer.append([event(number)])
    read, remaining = connection.read, 10

    def at_most_remaining(after: int, limit: int) -> Sequence[Message]:
        nonlocal remaining
        if not remaining:
            raise UnavailableError("no leader")
        messages = read(after, min(limit, remaining))
        remaining -= len(messages)
        return messages

    connection.read = at_most_remaining  # type: ignore[method-assign]  # reads break off after some messages
    with pytest.raises(JournalError, match="no leader"):
        follower.follow()
    remaining = 1_000_000
    assert [len(follower.follow()) for _ in range(4)] == [MOST, MOST, 10, 0]


def test_a_closed_journal_follows_nothing() -> None:
    follower = following(MemoryLog())
    follower.close()
    with pytest.raises(JournalError, match="it is closed"):
        follower.follow()


def test_books_on_it_start_with_the_events_before_it_was_opened() -> None:
    log = MemoryLog()
    with OrderManagement(writing(log)) as om:
        om.add_order(1, "JPM", Side.BUY, 5, 20)
        assert OrderManagement(following(log)).state_hash() == om.state_hash()
