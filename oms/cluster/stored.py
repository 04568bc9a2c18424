"""The end of a log, and the instruments and replies up to there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oms.cluster.message import Head
from oms.instrument import Instrument

__all__ = ["Replies", "Stored"]


class Replies(NamedTuple):
    """A stored reply and the replies before it. Adding one replaces no list, so it cannot be interrupted."""

    reply: str
    before: Replies | None


class Stored(NamedTuple):
    """The end of the log, and the instruments and the replies in it."""

    head: Head = Head()
    instruments: Mapping[str, Instrument] = {}
    replies: Replies | None = None

    def after(self, head: Head, instruments: Mapping[str, Instrument], replies: Sequence[str]) -> Stored:
        """Return the state after another message. O(1), or O(instruments) for a message with instruments."""
        last = self.replies
        for reply in replies:
            last = Replies(reply, last)
        both = {**self.instruments, **instruments} if instruments else self.instruments
        return Stored(head, both, last)

    def all_replies(self) -> list[str]:
        """Return all replies, oldest first. O(replies)."""
        replies, last = list[str](), self.replies
        while last is not None:
            replies.append(last.reply)
            last = last.before
        return replies[::-1]
