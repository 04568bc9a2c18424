"""The log in a stream of a real cluster does what a replicated log promises."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from oms import JournalError
from oms.cluster.jetstream.jetstream_connection import ApiError, Stored
from oms.cluster.jetstream.jetstream_journal import open_log
from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.cluster.log.replicated_log import (
    Message,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
    WrongPositionError,
)
from support.nats_cluster import NatsCluster

pytestmark = pytest.mark.long


def filled(log: JetStreamLog, length: int) -> list[Message]:
    """Append messages, and return them."""
    messages = [Message(n, f"message {n}".encode()) for n in range(1, length + 1)]
    for position, payload in messages:
        assert log.append(f"oms.{log.name}.shard", payload, position - 1, f"id {position}") == position
    return messages


def read(log: JetStreamLog, after: int, limit: int, length: int) -> list[Message]:
    """Read until `length` messages have come, because a machine can lag behind the others."""
    messages = list[Message]()
    while len(messages) < length:
        messages += log.read(after + len(messages), limit - len(messages))
    return messages


def test_messages_are_read_as_they_were_written(log: JetStreamLog) -> None:
    assert (log.last(), list(log.read(0, 10)), log.message_at(1)) == (0, [], None)
    messages = filled(log, 20)
    assert log.last() == 20
    for after in (0, 1, 19):
        for limit in (1, 7, 100):
            expected = messages[after : after + limit]
            assert read(log, after, limit, len(expected)) == expected
    assert [log.message_at(position) for position in (1, 20, 21)] == [messages[0], messages[19], None]
    assert list(log.read(20, 10)) == []


def test_any_bytes_and_no_bytes_are_stored(log: JetStreamLog) -> None:
    payloads = [b"", bytes(range(256)), b"\r\n\r\nMSG x 1 2\r\n"]
    for position, payload in enumerate(payloads):
        log.append(f"oms.{log.name}.symbol.JPM", payload, position, f"id {position}")
    assert [log.message_at(position) for position in (1, 2, 3)] == [
        Message(position, payload) for position, payload in enumerate(payloads, 1)
    ]


@pytest.mark.parametrize("expected", [0, 2, 4, 1_000])
def test_a_message_for_another_position_is_rejected(expected: int, log: JetStreamLog) -> None:
    filled(log, 3)
    with pytest.raises(WrongPositionError, match="wrong last sequence: 3"):
        log.append(f"oms.{log.name}.shard", b"x", expected, "another id")
    assert log.last() == 3


def test_a_repeated_message_has_the_position_of_the_first(log: JetStreamLog) -> None:
    messages = filled(log, 3)
    for position, payload in messages:
        assert log.append(f"oms.{log.name}.shard", payload, position - 1, f"id {position}") == position
    assert log.last() == 3


def test_one_of_several_writers_gets_a_position(nats_cluster: NatsCluster, log: JetStreamLog) -> None:
    """Four writers compete for each of ten positions."""
    connections = [open_log(nats_cluster.urls, log.name, unsafe=True) for _ in range(4)]
    start, winners = threading.Barrier(4), list[tuple[int, int]]()

    def compete(number: int) -> None:
        for position in range(10):
            start.wait(60)
            try:
                connections[number].append(
                    f"oms.{log.name}.shard", b"%d" % number, position, f"{number} {position}"
                )
            except WrongPositionError:
                continue
            winners.append((position + 1, number))

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    assert [position for position, _ in sorted(winners)] == list(range(1, 11))
    stored = [log.message_at(position) for position in range(1, 11)]
    assert stored == [Message(position, b"%d" % number) for position, number in sorted(winners)]


def test_a_message_that_is_too_long_is_rejected_and_the_connection_stays_usable(log: JetStreamLog) -> None:
    subject = f"oms.{log.name}.shard"
    for length in (2**20, 2**20 - 1_023, 2**23):
        with pytest.raises(RejectedError, match="the servers accept at most 1,047,552; raise max_payload"):
            log.append(subject, b"x" * length, 0, "id")
    assert log.append(subject, b"x" * (2**20 - 1_024), 0, "id" + "x" * 200) == 1


def test_an_error_of_the_servers_is_raised_with_its_number(log: JetStreamLog) -> None:
    with pytest.raises(ApiError, match=r"stream not found \(NATS error 10059\)"):
        log.request("$JS.API.STREAM.INFO.other")
    with pytest.raises(UnavailableError):
        log.request("$JS.API.NOTHING")


def test_a_subject_outside_of_the_stream_is_an_unknown_outcome(log: JetStreamLog) -> None:
    with pytest.raises(UnknownOutcomeError):
        log.append("another.subject", b"x", 0, "id")


def test_a_closed_log_rejects_everything_and_has_no_thread(log: JetStreamLog) -> None:
    filled(log, 1)
    log.close()
    log.close()
    for call in (lambda: log.read(0, 1), lambda: log.message_at(1), log.last):
        with pytest.raises(UnavailableError):
            call()
    with pytest.raises(UnknownOutcomeError):
        log.append(f"oms.{log.name}.shard", b"x", 1, "id")
    assert f"oms cluster {log.name}" not in [thread.name for thread in threading.enumerate()]


def test_a_cluster_that_cannot_be_reached_is_an_error_and_leaves_no_thread() -> None:
    with pytest.raises(JournalError, match="a place: it cannot be reached: no server answers within"):
        JetStreamLog(["nats://127.0.0.1:1"], "nowhere", "a place", open_seconds=0.3)
    assert "oms cluster nowhere" not in [thread.name for thread in threading.enumerate()]


def test_a_password_that_is_wrong_is_an_error(nats_cluster: NatsCluster) -> None:
    with pytest.raises(JournalError, match="it cannot be reached"):
        JetStreamLog(
            nats_cluster.urls,
            "main",
            "a place",
            options={"user": "oms", "password": "wrong"},
            open_seconds=1,
        )


def test_a_gap_ends_a_read_and_is_shown_only_at_its_start(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection can lose some of the messages of a read."""
    messages = filled(log, 6)
    batch = log.batch

    def lossy(stream: str, content: Mapping[str, object], limit: int) -> list[Stored]:
        return [message for message in batch(stream, content, limit) if message.position not in lost]

    monkeypatch.setattr(log, "batch", lossy)
    for lost, after, expected in (
        ({4, 5}, 0, messages[:3]),
        ({4, 5}, 3, messages[5:]),
        ({1}, 0, messages[1:2]),
    ):
        result: Any = log.read(after, 10)
        assert result == expected[: len(result)]
        assert lost


def test_many_threads_append_long_messages_through_one_connection(log: JetStreamLog) -> None:
    """Together, the messages are longer than the buffer of the connection. Each position gets one of them."""
    size = 8
    payloads = [bytes([number]) * 1_000_000 for number in range(size)]
    winners = list[tuple[int, int]]()

    def compete(number: int) -> None:
        for position in range(3):
            try:
                log.append(f"oms.{log.name}.shard", payloads[number], position, f"{number} {position}")
            except WrongPositionError:
                continue
            winners.append((position + 1, number))

    with ThreadPoolExecutor(size) as threads:
        list(threads.map(compete, range(size)))
    assert [position for position, _ in sorted(winners)] == [1, 2, 3]
    for position, number in winners:
        assert log.message_at(position) == Message(position, payloads[number])
