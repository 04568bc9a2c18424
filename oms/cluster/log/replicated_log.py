"""The interface of a replicated log: an ordered sequence of messages, stored on several machines.

A log belongs to one shard. Its first message has position 1, and positions have no gaps. Appends are
conditional: the writer states the position that the log must end at, and the append fails if the log ends at
another position. So if several writers compete for a position, only one of them succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = [
    "Message",
    "RejectedError",
    "ReplicatedLog",
    "UnavailableError",
    "UnknownOutcomeError",
    "WrongPositionError",
]


class Message(NamedTuple):
    """A message in the log. `position` is 1 for the first message."""

    position: int
    payload: bytes


class WrongPositionError(Exception):
    """The log does not end at the expected position, so this attempt did not store the message.

    An earlier attempt may have stored the message, or may still do so.
    """


class UnknownOutcomeError(Exception):
    """The message may be stored, may be stored later, or may never be stored."""


class RejectedError(Exception):
    """The log does not accept the message. Nothing is stored, and a retry cannot succeed."""


class UnavailableError(Exception):
    """The log cannot be read at the moment."""


class ReplicatedLog(Protocol):
    """A log that stores each message on a quorum of machines before it acknowledges the message.

    All methods are thread-safe, and return or raise within a limited time.
    """

    @property
    def name(self) -> str:
        """The name of the shard."""
        ...

    @property
    def place(self) -> str:
        """The name and the servers of the log, for error messages."""
        ...

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        """Store a message directly after position `expected`, and return its position.

        If a message with the same `message_id` was stored recently, return the position of that message.
        Raises WrongPositionError if the log does not end at position `expected`. Raises RejectedError if the
        log can never accept the message, for example because it is too long. Raises UnknownOutcomeError in
        all other cases.
        """
        ...

    def read(self, after: int, limit: int) -> Sequence[Message]:
        """Return at most `limit` messages after position `after`, in order and without gaps.

        The latest messages may be missing. Raises UnavailableError.
        """
        ...

    def message_at(self, position: int) -> Message | None:
        """Return the message at a position, or None if there is none yet. Raises UnavailableError.

        Unlike `read`, this method asks the machine that accepts appends (the leader).
        """
        ...

    def last(self) -> int:
        """Return the position of the last message, or 0 if the log is empty. Raises UnavailableError."""
        ...

    def close(self) -> None:
        """Release the connection. A second call does nothing."""
        ...
