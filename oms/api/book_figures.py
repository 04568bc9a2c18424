"""Metrics about the books and the journal, which are read without waiting for a lock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oms.engine_events import ENGINE_KINDS, EngineEvent
from oms.errors import JournalError
from oms.events import (
    Event,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    TradePlaced,
)
from oms.facade import Facade
from oms.matching import MatchingEngine

__all__ = ["BookFigures"]

_BOOK_KINDS = (OrderAdded, OrdersAdded, OrderAmended, OrderRemoved, OrdersRemoved, TradePlaced)


@runtime_checkable
class _FileJournal(Protocol):
    """A journal in a file."""

    path: Path


class BookFigures(Collector):
    """A collector of metrics that subscribes to the books.

    Events are published under the books' lock, after the change. So the figures are consistent, and a scrape
    reads them without the lock, even while a change waits for the disk.
    """

    def __init__(self, books: Facade) -> None:
        self._books = books
        kinds: Iterable[type[Event]] = ENGINE_KINDS if isinstance(books, MatchingEngine) else _BOOK_KINDS
        self._changes = dict.fromkeys(sorted(kind.__name__ for kind in kinds), 0)
        with books.locked():
            self.sequence = books.last_sequence
            self.orders = len(books)
            self._trades = 0
            books.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Count an event. O(1), and O(m) for an event of a matching engine with m elementary changes."""
        self._changes[type(event).__name__] += 1
        self._trades += _trades_of(event)
        self.sequence, self.orders = event.sequence, len(self._books)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. O(1)."""
        changes = CounterMetricFamily("oms_changes", "Changes since the start, by kind.", labels=["kind"])
        for kind, count in self._changes.items():
            changes.add_metric([kind], count)
        yield changes
        yield CounterMetricFamily("oms_trades", "Trades since the start.", self._trades)
        yield GaugeMetricFamily("oms_resting_orders", "Resting orders.", self.orders)
        yield GaugeMetricFamily("oms_last_sequence", "The sequence number of the last event.", self.sequence)
        if self._books.journal is not None:
            yield from _journal_metrics(self._books.journal)

    def describe(self) -> Iterable[Metric]:
        """Return no metrics, because no other collector of the registry has the same names."""
        return ()


def _trades_of(event: Event) -> int:
    if isinstance(event, EngineEvent):
        return sum(kind is TradePlaced for kind, _ in event.changes)
    return int(isinstance(event, TradePlaced))


def _journal_metrics(journal: Journal) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "oms_journal_writable",
        "1 if the journal accepts changes, or 0 if it is closed or read-only.",
        _is_writable(journal),
    )
    if isinstance(journal, _FileJournal):
        sizes = GaugeMetricFamily("oms_journal_bytes", "The size of the journal's files.", labels=["file"])
        sizes.add_metric(["database"], _size(journal.path))
        sizes.add_metric(["log"], _size(journal.path.with_name(f"{journal.path.name}-wal")))
        yield sizes


def _is_writable(journal: Journal) -> bool:
    try:
        journal.check_writable()
    except JournalError:
        return False
    return True


def _size(file: Path) -> int:
    """Return the size in bytes, or 0 if the file does not exist."""
    try:
        return os.stat(file).st_size
    except OSError:
        return 0
