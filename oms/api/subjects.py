"""The subject of the response to a change, and its JSON in the journal if no event contains it.

A request that changes nothing creates no event. So the journal stores its subject in a reply, or in the note
of another event of the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from oms.api.engine.results import Canceled, Executed, Reduced
from oms.models import Order, Side, Trade
from oms.submission import CancelReason, Execution

__all__ = ["Added", "Done", "Part", "Single", "Subject", "from_reply", "without_event"]


class Added(NamedTuple):
    """A list of orders that was added. A digest in the note identifies the list."""

    number: int


Single: TypeAlias = Order | Trade | Executed | Reduced | Canceled | Added
"""The subject of a response to one change. `Executed`, `Reduced`, and `Canceled` come only from an engine."""


class Part(NamedTuple):
    """The result of one verb of a transaction.

    `sequence` and `time` are the sequence number and the timestamp of the verb's event. A verb that changes
    nothing has no event, so its `sequence` is the latest event's sequence number, and its `time` is None.
    """

    sequence: int
    time: int | None
    subject: Single


class Done(NamedTuple):
    """A transaction: the results of its verbs, in their order."""

    parts: tuple[Part, ...]


Subject: TypeAlias = Single | Done
"""What a response is about."""


def without_event(subject: Subject) -> dict[str, object]:
    """Return the fields of a reply or a note that contain a subject. All other subjects have events."""
    match subject:
        case Order():
            return {"order": {**subject._asdict(), "side": subject.side.value}}
        case Added(number):
            return {"added": number}
        case Executed(Execution(order_id, symbol, side, requested, 0, 0, (), 0, canceled, reason)):
            return {"execution": [order_id, symbol, side, requested, canceled, reason]}
        case Canceled(()):
            return {"canceled": []}
        case Done(parts):
            return {"parts": [without_event(part.subject) for part in parts]}
        case _:
            raise AssertionError(f"{subject} has an event")


def from_reply(fields: Mapping[str, Any]) -> Subject | None:
    """Return the subject in the fields of a reply or a note, or None if they contain none."""
    match fields:
        case {"parts": parts, "sequence": sequence}:
            subjects = [_single(part) for part in parts]
            return Done(tuple(Part(sequence, None, each) for each in subjects if each is not None))
        case _:
            return _single(fields)


def _single(fields: Mapping[str, Any]) -> Single | None:
    match fields:
        case {"order": order}:
            return Order(**(order | {"side": Side(order["side"])}))
        case {"added": number}:
            return Added(number)
        case {"execution": [order_id, symbol, side, requested, canceled, reason]}:
            why = None if reason is None else CancelReason(reason)
            return Executed(
                Execution(order_id, symbol, Side(side), requested, 0, 0, (), 0, canceled, why), {}
            )
        case {"canceled": []}:
            return Canceled(())
        case _:
            return None
