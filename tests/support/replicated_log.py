"""A replicated log in memory, with random faults. Several journals can share it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from oms.cluster.log.replicated_log import (
    Message,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
    WrongPositionError,
)
from oms.cluster.patience import Patience

__all__ = ["ALL_FAULTS", "Connection", "Faults", "MemoryLog", "MemorySnapshots", "Reads", "impatient"]


class Request(NamedTuple):
    """A request to store a message, which can arrive late."""

    subject: str
    payload: bytes
    expected: int
    message_id: str


class Faults(NamedTuple):
    """The probability of each fault, for each call."""

    lost_request: float = 0.0
    lost_acknowledgement: float = 0.0
    late: float = 0.0
    repeated: float = 0.0
    spurious_rejection: float = 0.0
    unreadable: float = 0.0
    stale: float = 0.0
    damaged_copy: float = 0.0
    late_arrival: float = 0.0


ALL_FAULTS = Faults(*[0.1] * len(Faults._fields))._replace(late_arrival=0.5)


class MemoryLog:
    """The shared part of the log: its messages, and the requests that have not arrived yet."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.messages: list[Message] = []
        self.subjects: list[str] = []
        self.positions: dict[str, int] = {}  # by message id, within the window of the server
        self.late: list[Request] = []
        self.longest = 10**9

    def store(self, request: Request) -> int:
        """Store a message as a server does. Raises WrongPositionError."""
        if request.message_id in self.positions:
            return self.positions[request.message_id]
        if request.expected != len(self.messages):
            raise WrongPositionError(f"the log ends at {len(self.messages)}")
        self.messages.append(Message(len(self.messages) + 1, request.payload))
        self.subjects.append(request.subject)
        self.positions[request.message_id] = len(self.messages)
        return len(self.messages)

    def deliver(self, index: int = 0) -> None:
        """Let a late request arrive. Its sender gets no answer."""
        request = self.late.pop(index)
        with suppress(WrongPositionError):
            self.store(request)

    def forget_message_ids(self) -> None:
        """Let the time pass for which the servers recognize repeated messages."""
        self.positions.clear()


class Connection:
    """A connection to a MemoryLog, with faults. It implements ReplicatedLog."""

    def __init__(self, log: MemoryLog, faults: Faults | None = None, seed: int = 0) -> None:
        self.log = log
        self.faults = faults or Faults()
        self.rng = random.Random(seed)
        self.is_closed = False
        self.place = f"shard {log.name} in memory"

    @property
    def name(self) -> str:
        return self.log.name

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        if self.is_closed:
            raise UnknownOutcomeError("the connection is closed")
        if len(payload) > self.log.longest:
            raise RejectedError(f"it has {len(payload)} bytes, and {self.log.longest} are allowed")
        request = Request(subject, payload, expected, message_id)
        if self.log.late and self._happens(self.faults.late_arrival):
            self.log.deliver(self.rng.randrange(len(self.log.late)))
        if self._happens(self.faults.lost_request):
            raise UnknownOutcomeError("no answer")
        if self._happens(self.faults.late):
            self.log.late.append(request)
            raise UnknownOutcomeError("no answer")
        if self._happens(self.faults.spurious_rejection):
            raise WrongPositionError("an earlier request is in progress")
        position = self.log.store(request)
        if self._happens(self.faults.repeated):
            self.log.late.append(request)
        if self._happens(self.faults.lost_acknowledgement):
            raise UnknownOutcomeError("no answer")
        return position

    def read(self, after: int, limit: int) -> Sequence[Message]:
        self._check_readable()
        messages = self.log.messages[after : after + limit]
        if self._happens(self.faults.stale):
            messages = messages[: self.rng.randrange(len(messages) + 1)]
        if messages and self._happens(self.faults.damaged_copy):
            index = self.rng.randrange(len(messages))
            messages[index] = self._damaged(messages[index])
        return messages

    def _damaged(self, message: Message) -> Message:
        data = bytearray(message.payload)
        data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        return Message(message.position, bytes(data))

    def message_at(self, position: int) -> Message | None:
        self._check_readable()
        return self.log.messages[position - 1] if position <= len(self.log.messages) else None

    def last(self) -> int:
        self._check_readable()
        return len(self.log.messages)

    def close(self) -> None:
        self.is_closed = True

    def _check_readable(self) -> None:
        if self.is_closed:
            raise UnavailableError("the connection is closed")
        if self._happens(self.faults.unreadable):
            raise UnavailableError("no leader")


class Reads(Connection):
    """A connection that counts the messages that were read."""

    count = 0

    def read(self, after: int, limit: int) -> Sequence[Message]:
        messages = super().read(after, limit)
        self.count += len(messages)
        return messages

    def message_at(self, position: int) -> Message | None:
        self.count += 1
        return super().message_at(position)


class Clock:
    """A clock that passes only while somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def impatient(seconds: float = 3.0) -> Patience:
    """Return a time limit that needs no time. Three seconds are about 16 attempts."""
    clock = Clock()
    return Patience(seconds, clock, clock.pause)


class MemorySnapshots:
    """A place for snapshots in memory."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.is_available = True

    def names(self) -> Sequence[str]:
        self._check()
        return list(self.contents)

    def load(self, name: str) -> bytes:
        self._check()
        return self.contents[name]

    def save(self, name: str, content: bytes) -> None:
        self._check()
        self.contents[name] = content

    def delete(self, name: str) -> None:
        self._check()
        self.contents.pop(name, None)

    def _check(self) -> None:
        if not self.is_available:
            raise UnavailableError("no leader")
