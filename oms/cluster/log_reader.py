"""Reading a log in order, with a check of the hash chain, and finding a place in it without reading it all.

Any machine of the cluster may answer a read. Its copy may lack the latest messages, or may be damaged. So the
reader verifies each message against the one before it. If a message is damaged or missing, the reader asks
the machine that accepts the messages. If that machine has no better copy, the reader raises an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from oms.cluster.message import Content, Head, decode, follow
from oms.cluster.patience import Patience
from oms.cluster.replicated_log import Message, ReplicatedLog, UnavailableError
from oms.errors import JournalError

__all__ = ["LogReader"]

_log = logging.getLogger("oms.cluster")

_CHUNK = 256  # messages


class LogReader:
    """A reader of a log. `patience` is the time for which it waits until a message can be read."""

    def __init__(self, log: ReplicatedLog, patience: Patience) -> None:
        self._log = log
        self._patience = patience

    def contents(self, head: Head, end: Head | None = None) -> Iterator[Content]:
        """Yield the messages after `head`, up to `end`, or up to the present end of the log.

        Raises JournalError if a message is damaged or missing, or if the log cannot be read. O(1) for each.
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
        """Return the end of the log as it was after the message at `position`.

        Raises JournalError if the message is damaged or missing, or if the log cannot be read.
        """
        if position == 0:
            return Head()
        [message] = self._chunk(position - 1, Head(position))
        return self._verified(message, None).head

    def search(self, end: Head, is_before: Callable[[Head], bool]) -> Head:
        """Return the last head up to `end` for which `is_before` is True.

        `is_before` must be True for the empty log, and must never become True again after it was False.
        Raises JournalError. O(log n) for n messages.
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
        """Return the content of a message after `head`. If the message is damaged, read another copy."""
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
        """Return the message as the machine that accepts the messages has it, or None if it has none."""
        for _ in self._patience.attempts():
            with suppress(UnavailableError):
                return self._log.message_at(position)
        return None

    def _chunk(self, after: int, end: Head | None) -> Sequence[Message]:
        """Return some messages after position `after`. If `end` is None, there may be none."""
        problem = f"message {after + 1} is missing"
        limit = _CHUNK if end is None else min(_CHUNK, end.position - after)
        for _ in self._patience.attempts():
            try:
                messages = self._log.read(after, limit)
                if messages or end is None:
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
