"""The index of a matching engine's open orders by arrival number, in total and by owner."""

from __future__ import annotations

from collections.abc import Iterator

from oms.api.order_index import Contents, Indexed, IndexedChange, OrderIndex
from oms.engine_books import EntryChanged
from oms.engine_events import EngineEvent
from oms.engine_state import Entry
from oms.events import Event
from oms.matching import MatchingEngine

__all__ = ["index_of_engine"]


def index_of_engine(engine: MatchingEngine) -> OrderIndex:
    """Return an index of the open orders by arrival number. O(n log n) for n orders."""

    def contents() -> Contents:
        numbers: Contents = {None: {}}
        for arrival, order, *_ in engine._books.register.entries.values():
            for owner in {None, order.owner}:
                by_book = numbers.setdefault(owner, {})
                by_book.setdefault((order.symbol, order.side), []).append(arrival)
        return numbers

    return OrderIndex(engine, contents, _changes)


def _indexed(entry: Entry) -> Indexed:
    """Return an open order in the form used in the index. The side is the submitter's."""
    return Indexed(entry.arrival, entry.order.symbol, entry.order.side, entry.order.owner)


def _changes(event: Event) -> Iterator[IndexedChange]:
    """Yield the orders that an event adds or removes. O(m) for m elementary changes."""
    assert isinstance(event, EngineEvent)
    for kind, subject in event.changes:
        if kind is EntryChanged:
            before, after = subject
            if before is None or after is None or before.arrival != after.arrival:
                if before is not None:
                    yield _indexed(before), False
                if after is not None:
                    yield _indexed(after), True
