"""Extracts: the events that a service needs when it starts, so that it need not read the whole log.

The problem: the HTTP service must recognize all past idempotency keys and order ids. A snapshot of the books
contains neither of them. So the service would have to search the whole log for them.

What does not work: storing the keys in each snapshot. Keys are never deleted, so each snapshot would take
longer than the one before it. A program without the service could not save a snapshot at all, because it does
not know the keys.

The solution: stored messages never change. So an extract covers a range of consecutive messages, and contains
those of their events that the service needs. It is made from the log, and not from the memory of the service.
So it cannot differ from the log, and the books need not be locked. The next extract begins where the last one
ends. When a service starts, it reads all extracts and the rest of the log.

Invariants:

- An extract is only a shortcut. The events of messages that no extract covers are read from the log. So a
  damaged extract costs time, but no event is lost.
- An extract contains the hash of the last message that it covers. If the log has another message at this
  position, this is an error.
- An extract is never changed, but a longer extract replaces a short one. So the cost of saving an event does
  not grow with the log, and the number of extracts does not grow with the number of saves.
- The same messages always give the same extract, so it does not matter if two programs store it.

An extract is text like a message (see message.py):

    oms-extract 1
    {"after":0,"position":7,...,"hash":"9b74..."}
    [11,"OrderAdded",1764547200000000000,"a note"] ⇥ {"order_id":1,...}
    hash ⇥ 77aa...

The extract covers the messages after position `after`, up to `position`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from oms.cluster.log.log_reader import LogReader
from oms.cluster.log.message import Head
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.log.sealed_text import seal, unseal
from oms.cluster.log.snapshots import SnapshotStore
from oms.errors import JournalError
from oms.events import Event
from oms.journal.extracts import Selection
from oms.journal.record import body_of, check_ints, event_of

__all__ = ["Extract", "Extracts", "decode_extract", "encode_extract"]

_log = logging.getLogger("oms.cluster")

_FORMAT = "oms-extract 1"
LONG = 100_000
"""The number of events after which a new extract begins."""
SHORT = 256
"""The largest number of messages in a short extract, which also has fewer than LONG events."""


class Extract(NamedTuple):
    """The selected events of the messages after position `after`, up to the message at `head`."""

    after: int
    head: Head
    events: Sequence[Event]


class _Span(NamedTuple):
    """The range of positions that an extract covers: after `after`, up to and including `position`."""

    after: int = 0
    position: int = 0

    def name(self, selection: str) -> str:
        return f"extract-{selection}-{self.after:020d}-{self.position:020d}"


class Extracts:
    """The extracts of a log in `store`, which can be None. `place` names the log in error messages."""

    def __init__(self, store: SnapshotStore | None, reader: LogReader, place: str) -> None:
        self._store = store
        self._reader = reader
        self._place = place

    def events(self, selection: Selection, end: Head) -> Iterator[Event]:
        """Yield the events in extracts, and all events of messages that no extract covers, up to `end`.

        Raises JournalError if an extract contradicts the log, or if the log is damaged or cannot be read. O(n
        + m) for n events in the extracts and m events of messages that no extract covers.
        """
        head = Head()
        for extract in self._used(selection.name, end):
            if extract.after > head.position:
                yield from self._all(head, self._reader.head_at(extract.after))
            yield from (event for event in extract.events if event.sequence > head.sequence)
            head = extract.head
        yield from self._all(head, end)

    def _all(self, start: Head, end: Head) -> Iterator[Event]:
        for content in self._reader.contents(start, end):
            yield from content.events()

    def _used(self, selection: str, end: Head) -> Iterator[Extract]:
        """Yield undamaged extracts in order. Each covers messages that the previous ones do not cover."""
        try:
            spans = self._spans(selection)
        except UnavailableError as error:
            _log.warning("%s: the extracts cannot be read: %s", self._place, error)
            return
        reached = 0
        while spans := [span for span in spans if span.position > reached]:
            span = min(spans, key=lambda each: (max(each.after, reached), -each.position))
            spans.remove(span)
            extract = self._loaded(span, selection)
            if extract is not None and span.position <= end.position:
                yield extract
                reached = span.position

    def _spans(self, selection: str) -> list[_Span]:
        pattern = re.compile(rf"extract-{re.escape(selection)}-(\d{{20}})-(\d{{20}})")
        matches = map(pattern.fullmatch, () if self._store is None else self._store.names())
        return [_Span(*map(int, match.groups())) for match in matches if match]

    def _loaded(self, span: _Span, selection: str) -> Extract | None:
        """Return an extract, or None if it is damaged."""
        assert self._store is not None, "it has extracts"
        name = span.name(selection)
        try:
            extract = decode_extract(self._store.load(name), f"{self._place}, {name}")
        except (JournalError, UnavailableError) as error:
            _log.warning("%s: %s is not used: %s", self._place, name, error)
            return None
        if (extract.after, extract.head.position) != span:
            _log.warning("%s: %s is not used: it covers other messages than its name says", self._place, name)
            return None
        if self._reader.head_at(span.position) != extract.head:
            raise JournalError(self._place, f"message {span.position} is not the last one of {name}")
        return extract

    # ------------------------------------------------------------------ saving

    def position(self, selection: Selection) -> int:
        """Return the end position of the last extract, or 0. Raises UnavailableError. O(n) for n extracts."""
        return max((span.position for span in self._spans(selection.name)), default=0)

    def save(self, selection: Selection, end: Head) -> None:
        """Store extracts of the messages after the last extract, up to `end`.

        Raises UnavailableError if an extract cannot be stored, and JournalError if the log cannot be read.
        O(n) for n events since the last extract.
        """
        last = max(self._spans(selection.name), key=lambda span: span.position, default=_Span())
        if end.position <= last.position:
            return
        start, head = self._reader.head_at(last.after), self._reader.head_at(last.position)
        is_short = 0 < last.position - last.after <= SHORT and head.sequence - start.sequence < LONG
        head = start if is_short else head
        events: list[Event] = []
        for content in self._reader.contents(head, end):
            events += content.events()
            if len(events) >= LONG or (events and content.head == end):
                self._store_one(selection, Extract(head.position, content.head, selection.select(events)))
                head, events = content.head, []
        if is_short and head.position > last.position:
            self._delete(last.name(selection.name))

    def _store_one(self, selection: Selection, extract: Extract) -> None:
        assert self._store is not None, "a journal without a store saves nothing"
        name = _Span(extract.after, extract.head.position).name(selection.name)
        self._store.save(name, encode_extract(extract))

    def _delete(self, name: str) -> None:
        assert self._store is not None, "see _store_one"
        with suppress(UnavailableError):  # an old extract does no harm
            self._store.delete(name)


def encode_extract(extract: Extract) -> bytes:
    """Encode an extract as text. O(n) for n orders in the events."""
    header = {"after": extract.after, **extract.head._asdict()}
    lines = [_FORMAT, json.dumps(header, separators=(",", ":"))]
    for event in extract.events:
        fields = json.dumps(
            [event.sequence, type(event).__name__, event.time, event.note], separators=(",", ":")
        )
        lines.append(f"{fields}\t{body_of(event)}")
    return seal(lines)


def decode_extract(content: bytes, place: str) -> Extract:
    """Decode an extract after verifying its hash. Raises JournalError if it is damaged. O(n) for n bytes."""
    try:
        header, *lines = unseal(content, _FORMAT, place)
        fields = json.loads(header)
        after, head = fields["after"], Head(**{name: fields[name] for name in Head._fields})
        check_ints(after, *head[:4])
        return Extract(after, head, tuple(map(_event, lines)))
    except (LookupError, TypeError, ValueError) as error:
        raise JournalError(place, f"it is not valid: {error}") from error


def _event(line: str) -> Event:
    fields, _, body = line.partition("\t")
    sequence, kind, time, note = json.loads(fields)
    return event_of(sequence, kind, note, time, body)
