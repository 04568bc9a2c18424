"""Snapshots: saved states of the books, so that opening a log does not read it from the start.

A snapshot belongs to one position of the log, and contains the hash of the message there. It contains the
books, and also the instruments and replies up to this position. A snapshot is only a shortcut, because the
log contains everything. So a damaged snapshot is skipped with a warning, and an older one or the log is used
instead.

An intact snapshot that contradicts the log is an error. Then the log has lost messages that were
acknowledged, or it has other messages at their positions. The hash chain alone cannot show that the end of a
log is missing.

A snapshot is text like a message (see message.py):

    oms-snapshot 1
    {"position":7,...,"hash":"9b74...","state_hash":"c0de...","next_arrival":null}
    orders ⇥ [{"order_id":1,...},...]
    entry ⇥ {"arrival":1,...}
    price ⇥ "JPM" ⇥ 101
    instrument ⇥ "JPM" ⇥ {"tick_size":"0.01",...}
    reply ⇥ "..."
    hash ⇥ 77aa...

`entry`, `price`, and `next_arrival` are those of a matching engine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple, Protocol

from oms.cluster.log_reader import LogReader
from oms.cluster.message import Head
from oms.cluster.replicated_log import UnavailableError
from oms.engine_state import EngineState
from oms.errors import JournalError, OmsError
from oms.events import OrdersAdded, Snapshot
from oms.instrument import Instrument
from oms.journal.engine_record import entry_of, entry_text
from oms.journal.record import body_of, check_ints, event_of, instrument_body, instrument_of
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import Order

__all__ = ["SavedState", "SnapshotStore", "decode_saved", "encode_saved", "newest"]

_log = logging.getLogger("oms.cluster")

_FORMAT = "oms-snapshot 1"
_HASH = b"hash\t"
_KINDS = ("orders", "entry", "price", "instrument", "reply")


class SavedState(NamedTuple):
    """The state of the books after the message at `head`, with the instruments and replies up to there."""

    head: Head
    state: Snapshot
    state_hash: str
    instruments: Mapping[str, Instrument]
    replies: Sequence[str]

    @property
    def name(self) -> str:
        """The name in the store. A later snapshot has a greater name."""
        return f"{self.head.position:020d}"


class SnapshotStore(Protocol):
    """A place for snapshots, which have names."""

    def names(self) -> Sequence[str]:
        """Return the names of all snapshots. Raises UnavailableError."""
        ...

    def load(self, name: str) -> bytes:
        """Return the content of a snapshot. Raises UnavailableError."""
        ...

    def save(self, name: str, content: bytes) -> None:
        """Store a snapshot, and delete all but the two latest. Raises UnavailableError."""
        ...


def newest(store: SnapshotStore, reader: LogReader, place: str) -> SavedState | None:
    """Return the latest undamaged snapshot, or None if there is none.

    Raises JournalError if the snapshot contradicts the log. O(orders).
    """
    try:
        names = sorted(store.names(), reverse=True)
    except UnavailableError as error:
        _log.warning("%s: the snapshots cannot be read: %s", place, error)
        return None
    for name in names:
        try:
            saved = decode_saved(store.load(name), f"{place}, snapshot {name}")
        except (JournalError, UnavailableError) as error:
            _log.warning("%s: snapshot %s is not used: %s", place, name, error)
            continue
        if reader.head_at(saved.head.position) != saved.head:
            problem = f"message {saved.head.position} is not the one that snapshot {name} was made after"
            raise JournalError(place, problem)
        return saved
    return None


def encode_saved(saved: SavedState) -> bytes:
    """Return a saved state as text. O(orders)."""
    head, state, engine = saved.head, saved.state, saved.state.engine
    header = {
        **head._asdict(),
        "state_hash": saved.state_hash,
        "next_arrival": None if engine is None else engine.next_arrival,
    }
    lines = [_FORMAT, json.dumps(header, separators=(",", ":"))]
    lines.append(f"orders\t{body_of(OrdersAdded(state.orders, 0))}")
    if engine is not None:
        lines += [f"entry\t{entry_text(entry)}" for entry in engine.entries]
        lines += [f"price\t{quoted(symbol)}\t{price}" for symbol, price in engine.last_prices]
    for symbol, instrument in saved.instruments.items():
        lines.append(f"instrument\t{quoted(symbol)}\t{instrument_body(instrument)}")
    lines += [f"reply\t{quoted(reply)}" for reply in saved.replies]
    text = "\n".join(lines).encode()
    return b"%b\n%b%b\n" % (text, _HASH, sha256(text).hexdigest().encode())


def decode_saved(content: bytes, place: str) -> SavedState:
    """Read a saved state, after verifying its hash and its state hash. O(n log n) for n orders.

    Raises JournalError if it is damaged.
    """
    text, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    if last != _HASH + sha256(text).hexdigest().encode():
        raise JournalError(place, "its hash does not match its content")
    try:
        version, header, *lines = text.decode().split("\n")
        if version != _FORMAT:
            raise JournalError(
                place, f"it has the format {version!r}, and this version of oms reads {_FORMAT!r}"
            )
        saved = _saved(json.loads(header), lines)
        books = OrderManagement if saved.state.engine is None else MatchingEngine
        state_hash = books.from_snapshot(saved.state).state_hash()
    except (AttributeError, LookupError, TypeError, ValueError, OmsError) as error:
        if isinstance(error, JournalError):
            raise
        raise JournalError(place, f"it is not valid: {error}") from error
    if state_hash != saved.state_hash:
        raise JournalError(place, "its state hash does not match its orders")
    return saved


def _saved(header: dict[str, Any], lines: list[str]) -> SavedState:
    head = Head(**{name: header[name] for name in Head._fields})
    check_ints(*head[:4])
    parts: dict[str, list[list[str]]] = {kind: [] for kind in _KINDS}
    for line in lines:
        kind, *values = line.split("\t")
        parts[kind].append(values)
    orders: list[Order] = []
    for [body] in parts["orders"]:
        orders += event_of(0, "OrdersAdded", None, None, body).subject()
    instruments = {json.loads(symbol): instrument_of(body) for symbol, body in parts["instrument"]}
    engine = None if header["next_arrival"] is None else _engine(header["next_arrival"], parts)
    sizes = tuple(sorted(instruments.items()))
    state = Snapshot(head.sequence, head.next_trade_id, tuple(orders), sizes, engine)
    replies = tuple(json.loads(reply) for [reply] in parts["reply"])
    return SavedState(head, state, header["state_hash"], instruments, replies)


def _engine(next_arrival: int, parts: dict[str, list[list[str]]]) -> EngineState:
    entries = tuple(entry_of(json.loads(text)) for [text] in parts["entry"])
    prices = tuple((json.loads(symbol), int(price)) for symbol, price in parts["price"])
    return EngineState(next_arrival, entries, prices)
