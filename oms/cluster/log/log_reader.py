"""Read a log in order, verify its hash chain, and find a message by binary search.

Any machine of the cluster may respond to a read. Its copy of the log may lack the latest messages, or may be
damaged. So the reader verifies each message against the message before it. If a message is damaged or
missing, the reader asks the machine that accepts appends (the leader). If the leader has no better copy, the
reader raises an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from oms.cluster.log.message import Content, Head, decode, follow
from oms.cluster.log.replicated_log import Message, ReplicatedLog, UnavailableError
from oms.cluster.patience import Patience
from oms.errors import JournalError

__all__ = ["LogReader"]

_log = logging.getLogger("oms.cluster")

_CHUNK = 256  # messages


class LogReader:
    """A reader of a log. `patience` limits how long it retries a read while the log is unavailable."""

    def __init__(self, log: ReplicatedLog, patience: Patience) -> None:
        self._log = log
        self._patience = patience

    def contents(self, head: Head, end: Head | None = None) -> Iterator[Content]:
        """Yield the messages after `head`, up to `end`, or by default up to the current end of the log.

        Raises JournalError if a message is damaged or missing, or if the log cannot be read. O(1) per
        message.
        """
        while end is None or head.position < end.position:
            messages = self._chunk(head.position, end)
            if not messages:
                return
            for message in messages:
                content = self._verified(message, head)
                head = content.head
                if end is not None and head.position == end.position and head != end:
                    raise JournalError(content.place, "it is not the message that was read or written before")
                yield content

    def head_at(self, position: int) -> Head:
        """Return the head of the log as it was after the message at `position`.

        Raises JournalError if the message is damaged or missing, or if the log cannot be read.
        """
        if position == 0:
            return Head()
        [message] = self._chunk(position - 1, Head(position))
        return self._verified(message, None).head

    def search(self, end: Head, is_before: Callable[[Head], bool]) -> Head:
        """Find the last message up to `end` for which `is_before` is True, and return the head after it.

        `is_before` is called with the head after a message. It must return True for the head of the empty
        log. If it returns False for a message, it must return False for all later messages too. Raises
        JournalError. O(log n) for n messages.
        """
        low, found, high = 0, Head(), end.position + 1
        while high - low > 1:
            middle = (low + high) // 2
            head = self.head_at(middle)
            if is_before(head):
                low, found = middle, head
            else:
                high = middle
        return found

    def _verified(self, message: Message, head: Head | None) -> Content:
        """Return the content of the message that follows `head`. If it is damaged, read the leader's copy."""
        try:
            return _check(self._log.place, message, head)
        except JournalError as error:
            copy = self._copy(message.position)
            if copy is None or copy == message:
                raise
            content = _check(self._log.place, copy, head)
            _log.warning("%s; another machine has an undamaged copy", error)
            return content

    def _copy(self, position: int) -> Message | None:
        """Return the leader's version of a message, or None if the leader has none or cannot be reached."""
        for _ in self._patience.attempts():
            with suppress(UnavailableError):
                return self._log.message_at(position)
        return None

    def _chunk(self, after: int, end: Head | None) -> Sequence[Message]:
        """Return some messages after position `after`. If `end` is None, the result can be empty."""
        problem = f"message {after + 1} is missing"
        limit = _CHUNK if end is None else min(_CHUNK, end.position - after)
        for _ in self._patience.attempts():
            try:
                messages = self._log.read(after, limit)
                has_gap = bool(messages) and messages[0].position != after + 1
                if not has_gap and (messages or end is None):
                    return messages
                message = self._log.message_at(after + 1)
                if message is not None:
                    return [message]
            except UnavailableError as error:
                problem = f"it cannot be read: {error}"
        raise JournalError(self._log.place, problem)


def _check(place: str, message: Message, head: Head | None) -> Content:
    content = decode(message, place)
    if head is not None:
        follow(head, content)
    return content
