"""The end of a log, with all instruments and replies in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oms.cluster.log.message import Head
from oms.cluster.log.storing import Prepared
from oms.instrument import Instrument

__all__ = ["Replies", "State", "Stored"]


class Replies(NamedTuple):
    """A stored reply, and a link to the replies before it. Immutable, so an interrupt is harmless."""

    reply: str
    before: Replies | None


class Stored(NamedTuple):
    """The end of a log, with all instruments and replies in the log."""

    head: Head = Head()
    instruments: Mapping[str, Instrument] = {}
    replies: Replies | None = None

    def after(self, head: Head, instruments: Mapping[str, Instrument], replies: Sequence[str]) -> Stored:
        """Return the state after another message.

        O(n) for n replies in the message, plus O(m) for all m instruments if the message has any.
        """
        last = self.replies
        for reply in replies:
            last = Replies(reply, last)
        both = {**self.instruments, **instruments} if instruments else self.instruments
        return Stored(head, both, last)

    def all_replies(self) -> list[str]:
        """Return all replies, oldest first. O(n) for n replies."""
        replies, last = list[str](), self.replies
        while last is not None:
            replies.append(last.reply)
            last = last.before
        return replies[::-1]


class State(NamedTuple):
    """The state of a journal. `pending` is a message whose outcome is unknown, with the state after it."""

    stored: Stored
    pending: tuple[Prepared, Stored] | None = None
