"""The notes of a transaction's events, from which the response can be rebuilt.

The problem. A response to `POST /transactions` contains the results of many verbs. After a restart, it must
be rebuilt from the events, but the events do not say which of them belong to one request. A verb that changes
nothing does not create an event at all. The event of a reduction lacks the visible amount of an iceberg
order.

What does not work. A separate row with the whole response would be stored before or after the events, so a
crash could lose one of them. A note with the whole response on each event would take O(v^2) space for v
verbs.

The solution. Each verb is executed in an inner transaction with its own note, which contains the verb's
index. With a key, the note of the first event also contains the idempotency key, the digest, the number of
verbs, and the results of the verbs without events. If a verb may change nothing, the service first tries out
all verbs in a what-if, so their results are known. All events are in the same batch of the journal, so a
crash keeps all of them or none. A compaction drops whole batches, and keeps all events that have a note.

Invariants:
- The events of a transaction are consecutive. The first one begins a Batch, and the last one completes it.
- The results in a response come from the events, even when it is sent for the first time. So a replayed
  response is equal to the original one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, cast

from oms.api.engine.results import Reduced, amounts_of
from oms.api.subjects import Done, Part, Single, from_reply, without_event
from oms.events import Event

__all__ = ["Batch", "Tried", "VerbNotes", "note_fields", "note_of"]

MARK = "oms.api"
_FORMAT = 1


def note_of(fields: Mapping[str, object]) -> str:
    """Return a note or a reply of the API with these fields."""
    return json.dumps({MARK: _FORMAT, **fields}, separators=(",", ":"))


def note_fields(note: str | None) -> dict[str, Any]:
    """Return the fields of a note or reply written by the API, or an empty dict for any other string."""
    if note is None or MARK not in note:
        return {}
    try:
        parsed: object = json.loads(note)
    except (ValueError, RecursionError):
        return {}
    fields = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    return fields if fields.get(MARK) == _FORMAT else {}


class Tried(NamedTuple):
    """The result of a verb in a what-if. `has_event` is False if the verb changed nothing."""

    subject: Single
    has_event: bool


class VerbNotes:
    """The notes of the events of one transaction. `tried` contains a what-if's results, or is empty.

    `fields` contains the key, the digest, and the owner of the request, or is empty without a key.
    """

    def __init__(self, fields: Mapping[str, object], count: int, tried: Sequence[Tried]) -> None:
        unchanged = {
            str(index): without_event(subject)
            for index, (subject, has_event) in enumerate(tried)
            if not has_event
        }
        self._head = {**fields, "verbs": count, "unchanged": unchanged} if fields else {}
        self._tried = tried

    def of(self, index: int, *, is_first: bool) -> str:
        """Return the note of the verb with this index. `is_first` is True if no earlier verb has an event."""
        open_amounts = {}
        if self._tried and isinstance(subject := self._tried[index].subject, Reduced):
            open_amounts = {"open": amounts_of(subject.order)}
        return note_of({**(self._head if is_first else {}), "verb": index, **open_amounts})


class Batch:
    """The events of one transaction that have been recorded so far."""

    def __init__(self, key: str, digest: str, owner: str | None, count: int) -> None:
        self.key = key
        self.digest = digest
        self.owner = owner
        self._count = count
        self._unchanged: dict[int, Single] = {}
        self._parts: dict[int, Part] = {}

    @classmethod
    def begun_by(cls, note: Mapping[str, Any]) -> Self:
        """Return a batch with the results that the first event's note contains."""
        batch = cls(note["key"], note["request"], note.get("owner"), note["verbs"])
        for index, fields in note["unchanged"].items():
            batch._unchanged[int(index)] = cast("Single", from_reply(fields))
        return batch

    def add(self, note: Mapping[str, Any], event: Event, subject: Single) -> Done | None:
        """Record the next event. Return all results if it is the last event, or None otherwise."""
        self._parts[note["verb"]] = Part(event.sequence, event.time, subject)
        return self._done() if len(self._parts) + len(self._unchanged) == self._count else None

    def _done(self) -> Done:
        sequence = min(part.sequence for part in self._parts.values()) - 1
        results: list[Part] = []
        for index in range(self._count):
            part = self._parts.get(index) or Part(sequence, None, self._unchanged[index])
            sequence = part.sequence
            results.append(part)
        return Done(tuple(results))
