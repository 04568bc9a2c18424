"""Metrics about the books and the journal, which are read without waiting for a lock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oms.engine_events import ENGINE_KINDS
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

_UNKNOWN = "unknown"
_BOOK_KINDS = (OrderAdded, OrdersAdded, OrderAmended, OrderRemoved, OrdersRemoved, TradePlaced)


@runtime_checkable
class _FileJournal(Protocol):
    """A journal in a file."""

    path: Path


class _Figures(NamedTuple):
    """The figures after an event. They are replaced together, so all of them belong to this event."""

    sequence: int
    orders: int
    trades: int
    changes: Mapping[str, int]


class BookFigures(Collector):
    """A collector of metrics that subscribes to the books.

    Events are published under the books' lock, after the change. So the figures are consistent, and a scrape
    reads them without the lock, even while a change waits for the disk.

    An interrupt can prevent the publication of an event. Sequence numbers have no gaps, so the next event
    shows how many are missing. A scrape notices missing events too, unless the books are in use. A change
    without an event is counted with the kind "unknown". The numbers of orders and trades come from the books.
    """

    def __init__(self, books: Facade) -> None:
        self._books = books
        kinds: Iterable[type[Event]] = ENGINE_KINDS if isinstance(books, MatchingEngine) else _BOOK_KINDS
        changes = dict.fromkeys([*sorted(kind.__name__ for kind in kinds), _UNKNOWN], 0)
        with books.locked():
            self._first_trade_id = books._books.next_trade_id
            self._figures = self._counted(books.last_sequence, changes)
            books.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Count an event, and the missing events before it. O(1)."""
        missing = event.sequence - self._figures.sequence - 1
        if missing >= 0:
            changes = dict(self._figures.changes)
            changes[_UNKNOWN] += missing
            changes[type(event).__name__] += 1
            self._figures = self._counted(event.sequence, changes)

    def _counted(self, sequence: int, changes: Mapping[str, int]) -> _Figures:
        """Return the current figures of the books. The caller holds the lock."""
        trades = self._books._books.next_trade_id - self._first_trade_id
        return _Figures(sequence, len(self._books), trades, changes)

    def _up_to_date(self) -> _Figures:
        """Return the figures, and count missing events if the lock is free and no transaction is open."""
        ledger = self._books._ledger
        if ledger.sequence != self._figures.sequence and ledger.lock.acquire(blocking=False):
            try:
                missing = ledger.sequence - self._figures.sequence
                if missing and not ledger.busy:
                    changes = dict(self._figures.changes)
                    changes[_UNKNOWN] += missing
                    self._figures = self._counted(ledger.sequence, changes)
            finally:
                ledger.lock.release()
        return self._figures

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. O(1)."""
        figures = self._up_to_date()
        changes = CounterMetricFamily("oms_changes", "Changes since the start, by kind.", labels=["kind"])
        for kind, count in figures.changes.items():
            changes.add_metric([kind], count)
        yield changes
        yield CounterMetricFamily("oms_trades", "Trades since the start.", figures.trades)
        yield GaugeMetricFamily("oms_resting_orders", "Resting orders.", figures.orders)
        yield GaugeMetricFamily(
            "oms_last_sequence", "The sequence number of the last event.", figures.sequence
        )
        if self._books.journal is not None:
            yield from _journal_metrics(self._books.journal)

    def describe(self) -> Iterable[Metric]:
        """Return no metrics, so that the registry does not check their names, which are unique anyway."""
        return ()


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
