"""Store a message exactly once, even if requests or acknowledgements are lost or delayed.

The problem: an acknowledgement can be lost, and a request can arrive long after the writer has stopped
waiting. So after a timeout, the message may have been stored, may be stored later, or may be lost.

What does not work: sending the message again for the next position, because it could then be stored twice.
Reporting a failure does not work either, because the message could still arrive.

The solution: the writer sends exactly the same message again, for the same position. A position holds only
one message, so there are four possible outcomes:

- The log acknowledges the message, or the writer finds the message at its position. It is stored.
- Another message is at this position, so this message can never be stored. Only another writer can have
  stored the other message, so this writer has been replaced.
- The log rejects the first attempt, for example because the message is too long. It is not stored.
- None of the above is known when the time limit ends. The outcome is unknown. The writer must not write
  again, because it no longer knows where the log ends.

The log rejects a message if the log does not end at the expected position. This alone does not prove a
failure, because the position may be taken by an earlier attempt of the same writer. So the writer reads the
message at this position.
"""

from __future__ import annotations

from typing import NamedTuple

from oms.cluster.log.message import Head
from oms.cluster.log.replicated_log import (
    Message,
    RejectedError,
    ReplicatedLog,
    UnavailableError,
    UnknownOutcomeError,
    WrongPositionError,
)
from oms.cluster.patience import Patience

__all__ = ["OvertakenError", "Prepared", "store"]


class OvertakenError(Exception):
    """The position is already taken by another message, so this message can never be stored."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


class Prepared(NamedTuple):
    """A message to store. `head` is the end of the log after this message."""

    subject: str
    payload: bytes
    head: Head

    def message_id(self, shard: str) -> str:
        """Return the id by which the log recognizes a repeated message. Each message has a different id."""
        return f"{shard}.{self.head.epoch}.{self.head.position}.{self.head.hash[:32]}"


def store(log: ReplicatedLog, prepared: Prepared, patience: Patience) -> None:
    """Store a message at its position.

    Raises OvertakenError if another message has this position. Raises RejectedError if the log does not
    accept the message. Raises UnknownOutcomeError if the outcome is not known within the time limit.
    """
    position, message_id = prepared.head.position, prepared.message_id(log.name)
    problem: Exception | None = None
    for attempt in patience.attempts():
        try:
            stored_at = log.append(prepared.subject, prepared.payload, position - 1, message_id)
        except WrongPositionError as error:
            problem = error
            if _is_at(log, prepared):
                return
        except RejectedError as error:
            if attempt == 1:
                raise
            problem = error  # an earlier attempt may still be stored
        except UnknownOutcomeError as error:
            problem = error
        else:
            if stored_at == position:
                return
            raise UnknownOutcomeError(f"the log has stored message {position} at position {stored_at}")
    raise UnknownOutcomeError(f"no acknowledgement in {patience.seconds:g} seconds: {problem}")


def _is_at(log: ReplicatedLog, prepared: Prepared) -> bool:
    """Return True if the message is at its position, or False if no message is found there."""
    try:
        message = log.message_at(prepared.head.position)
    except UnavailableError:
        return False
    if message is not None and message.payload != prepared.payload:
        raise OvertakenError(message)
    return message is not None
