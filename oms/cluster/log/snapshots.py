"""Snapshots: saved states of the books, so that a log need not be read from its beginning.

A snapshot belongs to one position of the log, and contains the hash of the message at this position. It also
contains the books, the instruments, and the replies up to this position. A snapshot is only a shortcut,
because all of this is also in the log. So a damaged snapshot is skipped with a warning, and an older snapshot
or the log is used instead.

An intact snapshot that contradicts the log is an error. In this case, the log has lost acknowledged messages,
or has other messages at their positions. The hash chain alone cannot show that the end of a log is missing.

A service needs more than the books, such as the idempotency keys of all requests. It gets the keys from
extracts (see extracts.py), which are in the same store as the snapshots.

A snapshot is text like a message (see message.py). A line contains at most 1,000 orders, because other
threads wait while a line is encoded:

    oms-snapshot 1
    {"position":7,...,"hash":"9b74...","state_hash":"c0de...","next_arrival":null}
    orders ⇥ [{"order_id":1,...},...]
    entry ⇥ {"arrival":1,...}
    price ⇥ "JPM" ⇥ 101
    instrument ⇥ "JPM" ⇥ {"tick_size":"0.01",...}
    reply ⇥ "..."
    hash ⇥ 77aa...

Only the snapshot of a matching engine has entries, prices, and `next_arrival`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple, Protocol, Self

from oms.cluster.log.log_reader import LogReader
from oms.cluster.log.message import Head
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.log.sealed_text import seal, unseal
from oms.cluster.log.stored import Stored
from oms.engine_state import EngineState
from oms.errors import JournalError, OmsError
from oms.events import OrdersAdded, Snapshot
from oms.instrument import Instrument
from oms.journal.engine_record import entry_of, entry_text
from oms.journal.record import body_of, check_ints, event_of, instrument_body, instrument_of
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.models import Order

__all__ = [
    "SavedState",
    "SnapshotStore",
    "decode_saved",
    "encode_saved",
    "latest_position",
    "newest",
    "save_state",
]

_log = logging.getLogger("oms.cluster")

_FORMAT = "oms-snapshot 1"
_KEPT = 2  # snapshots
_ORDERS = 1_000  # in a line
_KINDS = ("orders", "entry", "price", "instrument", "reply")


class SavedState(NamedTuple):
    """The state of the books after the message at `head`, with all instruments and replies up to it."""

    head: Head
    state: Snapshot
    state_hash: str
    instruments: Mapping[str, Instrument]
    replies: Sequence[str]

    @classmethod
    def of(cls, stored: Stored, state: Snapshot, state_hash: str) -> Self:
        """Return the state to save, with the instruments and replies of `stored`. O(n) for n replies."""
        return cls(stored.head, state, state_hash, stored.instruments, stored.all_replies())

    @property
    def name(self) -> str:
        """The name in the store. Names sort in chronological order."""
        return f"{self.head.position:020d}"


class SnapshotStore(Protocol):
    """A store of snapshots and extracts by name. All methods can raise UnavailableError."""

    def names(self) -> Sequence[str]:
        """Return all names."""
        ...

    def load(self, name: str) -> bytes:
        """Return the content with this name."""
        ...

    def save(self, name: str, content: bytes) -> None:
        """Store content. Replace any content with the same name."""
        ...

    def delete(self, name: str) -> None:
        """Delete the content with this name. Do nothing if it does not exist."""
        ...


def newest(store: SnapshotStore, reader: LogReader, place: str) -> SavedState | None:
    """Return the latest undamaged snapshot, or None if there is none.

    Raises JournalError if the snapshot contradicts the log. O(n log n) for n orders.
    """
    try:
        names = _names(store)
    except UnavailableError as error:
        _log.warning("%s: the snapshots cannot be read: %s", place, error)
        return None
    for name in reversed(names):
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


def save_state(store: SnapshotStore, saved: SavedState) -> None:
    """Store a snapshot, and delete all but the two latest. Raises UnavailableError. O(n) for n orders."""
    store.save(saved.name, encode_saved(saved))
    with suppress(UnavailableError):  # if this fails, the next snapshot deletes them
        for old in _names(store)[:-_KEPT]:
            store.delete(old)


def latest_position(store: SnapshotStore) -> int:
    """Return the position of the latest snapshot, or 0 if there is none. Raises UnavailableError."""
    return int(max(_names(store), default="0"))


def _names(store: SnapshotStore) -> list[str]:
    """Return the names of all snapshots, oldest first, without the names of extracts."""
    return sorted(name for name in store.names() if name.isdecimal())


def encode_saved(saved: SavedState) -> bytes:
    """Encode a saved state as text. O(n) for n orders."""
    head, state, engine = saved.head, saved.state, saved.state.engine
    header = {
        **head._asdict(),
        "state_hash": saved.state_hash,
        "next_arrival": None if engine is None else engine.next_arrival,
    }
    lines = [_FORMAT, json.dumps(header, separators=(",", ":"))]
    parts = (state.orders[first : first + _ORDERS] for first in range(0, len(state.orders), _ORDERS))
    lines += [f"orders\t{body_of(OrdersAdded(part, 0))}" for part in parts]
    if engine is not None:
        lines += [f"entry\t{entry_text(entry)}" for entry in engine.entries]
        lines += [f"price\t{quoted(symbol)}\t{price}" for symbol, price in engine.last_prices]
    for symbol, instrument in saved.instruments.items():
        lines.append(f"instrument\t{quoted(symbol)}\t{instrument_body(instrument)}")
    lines += [f"reply\t{quoted(reply)}" for reply in saved.replies]
    return seal(lines)


def decode_saved(content: bytes, place: str) -> SavedState:
    """Read a saved state, after verifying its hash and its state hash. O(n log n) for n orders.

    Raises JournalError if it is damaged.
    """
    try:
        header, *lines = unseal(content, _FORMAT, place)
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
