"""The text format of a message, and the hash chain that connects all messages of a log.

The problem: a server can lose or damage a message that it has acknowledged. The reader must notice this.

The solution: a message contains its position and the hash of the previous message. Its last line is the hash
of all lines above. So the hash of the last message covers the whole log, with all events, instruments,
replies, and openings in order. A reply is a stored HTTP response. An opening records that a writer has opened
the log.

A message is UTF-8 text. The fields of a line are separated by tabs (written as ⇥ here, without the spaces).
All strings are JSON, so they contain neither tabs nor line breaks.

    oms-log 1
    {"position":7,"epoch":2,"sequence":11,"trade":4,"before":"5d41..."}
    event ⇥ OrderAdded ⇥ 1764547200000000000 ⇥ "a note" ⇥ {"order_id":1,...}
    instrument ⇥ "JPM" ⇥ {"tick_size":"0.01",...}
    reply ⇥ "..."
    opened ⇥ "name of the writer" ⇥ "random text"
    hash ⇥ 9b74...

`sequence` is the sequence number of the last event up to and including this message, and `trade` is the id of
the next trade. To open the log, a writer appends a message with an `opened` line (an opening). This starts a
new epoch. All later messages of this writer carry this epoch number.

One hash covers a whole message, whereas an SQLite journal has one hash for each event. A message can have
hundreds of events, and is read and written only as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from oms.cluster.log.replicated_log import Message
from oms.errors import JournalError
from oms.events import Event, OrderAdded
from oms.instrument import Instrument
from oms.journal.engine_replay import trades_of
from oms.journal.record import body_of, check_ints, event_of, instrument_body, instrument_of

__all__ = ["Content", "Draft", "Head", "decode", "encode", "follow"]

_FORMAT = "oms-log 1"
_HASH = b"hash\t"
_FIELDS = {"position", "epoch", "sequence", "trade", "before"}
_LENGTHS = {"event": 4, "instrument": 2, "reply": 1, "opened": 2}
"""The number of fields of each kind of line."""


class Head(NamedTuple):
    """The end of a log: the position and the hash of its last message, and the counters after this message.

    `epoch` is the number of openings so far, `sequence` is the sequence number of the last event, and
    `next_trade_id` is the id of the next trade.
    """

    position: int = 0
    epoch: int = 0
    sequence: int = 0
    next_trade_id: int = 1
    hash: str = "-"


class Draft(NamedTuple):
    """The content of a message to write.

    `opened` contains the name of a writer that opens the log, and a random text. Without the random text, two
    writers that have the same name and open the log at the same time would write identical messages. Each of
    them would then believe that it has opened the log.
    """

    events: Sequence[Event] = ()
    instruments: Mapping[str, Instrument] = {}
    replies: Sequence[str] = ()
    opened: tuple[str, str] | None = None


class Content(NamedTuple):
    """The content of a message that was read.

    `head` is the end of the log after this message, and `before` is the hash of the previous message. `parts`
    maps each kind of line to the fields of the lines of this kind.
    """

    head: Head
    before: str
    parts: dict[str, list[list[str]]]
    place: str

    def events(self) -> Iterator[Event]:
        """Yield the events. Raises JournalError for a line that is not an event."""
        lines = self.parts.get("event", ())
        for sequence, (kind, time, note, body) in enumerate(lines, self.head.sequence - len(lines) + 1):
            try:
                yield event_of(sequence, kind, json.loads(note), json.loads(time), body)
            except (LookupError, TypeError, ValueError) as error:
                problem = f"the content of event {sequence} is not valid: {error}"
                raise JournalError(self.place, problem) from error

    def instruments(self) -> dict[str, Instrument]:
        """Return the instruments by symbol. Raises JournalError for a line that is not an instrument."""
        try:
            return {
                json.loads(symbol): instrument_of(body) for symbol, body in self.parts.get("instrument", ())
            }
        except (TypeError, ValueError) as error:
            raise JournalError(self.place, f"it contains an invalid instrument: {error}") from error

    def replies(self) -> list[str]:
        """Return the replies."""
        return [json.loads(reply) for [reply] in self.parts.get("reply", ())]

    def opened_by(self) -> str | None:
        """Return the name of the writer that opened the log with this message, or None."""
        for name, _ in self.parts.get("opened", ()):
            return str(json.loads(name))
        return None


def encode(head: Head, draft: Draft) -> tuple[bytes, Head]:
    """Return the message that follows `head`, and the new head. O(n) for n orders in the events."""
    epoch, sequence = head.epoch + (draft.opened is not None), head.sequence + len(draft.events)
    position, trade = head.position + 1, _next_trade_id(head, draft.events)
    lines = [
        _FORMAT,
        f'{{"position":{position},"epoch":{epoch},"sequence":{sequence},"trade":{trade},"before":"{head.hash}"}}',
    ]
    if draft.opened is not None:
        lines.append("\t".join(["opened", *map(quoted, draft.opened)]))
    lines += _event_lines(draft.events)
    for symbol, instrument in draft.instruments.items():
        lines.append(f"instrument\t{quoted(symbol)}\t{instrument_body(instrument)}")
    lines += [f"reply\t{quoted(reply)}" for reply in draft.replies]
    text = "\n".join(lines).encode()
    digest = sha256(text).hexdigest()
    return b"%b\n%b%b\n" % (text, _HASH, digest.encode()), Head(position, epoch, sequence, trade, digest)


def _event_lines(events: Iterable[Event]) -> Iterator[str]:
    """Yield a line for each event. All events of a request have the same note, which is encoded only once."""
    note, text = None, "null"
    for event in events:
        if event.note is not note:
            note = event.note
            text = "null" if note is None else quoted(note)
        time = "null" if event.time is None else event.time
        yield f"event\t{type(event).__name__}\t{time}\t{text}\t{body_of(event)}"


def _next_trade_id(head: Head, events: Sequence[Event]) -> int:
    for event in reversed(events):
        if isinstance(event, OrderAdded):  # the usual event, which has no trade
            continue
        for trade in reversed(list(trades_of(event))):
            return trade.trade.trade_id + 1
    return head.next_trade_id


def decode(message: Message, place: str) -> Content:
    """Decode a message after verifying its hash. Raises JournalError if it is damaged. O(n) for n bytes.

    Call `follow` to verify that it follows the previous message.
    """
    place = f"{place}, message {message.position}"
    text, _, last = message.payload.removesuffix(b"\n").rpartition(b"\n")
    if not message.payload.endswith(b"\n") or last != _HASH + sha256(text).hexdigest().encode():
        raise JournalError(place, "its hash does not match its content")
    try:
        version, header, *lines = text.decode().split("\n")
        if version != _FORMAT:
            raise JournalError(
                place, f"it has the format {version!r}, and this version of oms reads {_FORMAT!r}"
            )
        content = _content(header, lines, last[len(_HASH) :].decode(), place)
    except (TypeError, ValueError) as error:
        raise JournalError(place, f"it is not valid: {error}") from error
    if content.head.position != message.position:
        raise JournalError(place, f"it is message {content.head.position}")
    return content


def _content(header: str, lines: list[str], digest: str, place: str) -> Content:
    fields = json.loads(header)
    if set(fields) != _FIELDS:
        raise ValueError(f"its header has the fields {', '.join(fields)}")
    numbers = fields["position"], fields["epoch"], fields["sequence"], fields["trade"]
    check_ints(*numbers)
    parts: dict[str, list[list[str]]] = {}
    for line in lines:
        kind, *values = line.split("\t")
        if len(values) != _LENGTHS.get(kind):
            raise ValueError(f"a line of the kind {kind!r} has {len(values)} fields")
        parts.setdefault(kind, []).append(values)
    return Content(Head(*numbers, digest), fields["before"], parts, place)


def follow(head: Head, content: Content) -> Head:
    """Return the head of the log after this message, which must follow `head`.

    Raises JournalError if the message does not follow `head`.
    """
    after, is_opening = content.head, "opened" in content.parts
    if content.before != head.hash or after.position != head.position + 1:
        raise JournalError(content.place, "it does not follow the message before it")
    counters = head.sequence + len(content.parts.get("event", ())), head.epoch + is_opening
    if (after.sequence, after.epoch) != counters or after.next_trade_id < head.next_trade_id:
        raise JournalError(content.place, "its numbers do not follow those of the message before it")
    return after
