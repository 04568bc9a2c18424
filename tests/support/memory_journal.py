"""Journals for tests: one that stores events in memory, and one that raises an error on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from oms import Event, Instrument, JournalError, Snapshot


class MemoryJournal:
    """A journal that stores events in memory."""

    def __init__(self) -> None:
        self.batches: list[tuple[Event, ...]] = []
        self.stored_replies: list[str] = []
        self.closed = False

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    @property
    def last_sequence(self) -> int:
        return len(self.events)

    def snapshot(self) -> Snapshot:
        return Snapshot()

    def read(self, first: int = 1) -> Iterator[Event]:
        return iter(self.events[first - 1 :])

    def history(self) -> Iterator[Event]:
        return iter(self.events)

    def check_writable(self) -> None:
        if self.closed:
            raise JournalError("memory", "it is closed")

    def append(self, batch: Sequence[Event]) -> None:
        self.check_writable()
        assert [event.sequence for event in batch] == [
            self.last_sequence + n for n in range(1, len(batch) + 1)
        ]
        self.batches.append(tuple(batch))

    def keep_reply(self, reply: str) -> None:
        self.check_writable()
        self.stored_replies.append(reply)

    def replies(self) -> Iterator[str]:
        return iter(self.stored_replies)

    def close(self) -> None:
        self.closed = True


class FailingJournal(MemoryJournal):
    """A journal that raises `error` once.

    If `stores_batch` is True, it stores the batch first. Then it calls `before_raising` and raises the error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.stores_batch = False
        self.before_raising: Callable[[], object] = bool

    def append(self, batch: Sequence[Event]) -> None:
        error, self.error = self.error, None
        if error is None or self.stores_batch:
            super().append(batch)
        if error is not None:
            self.before_raising()
            raise error


class KeepingJournal(FailingJournal):
    """A journal that also stores instruments."""

    def __init__(self) -> None:
        super().__init__()
        self.stored_instruments: dict[str, Instrument] = {}
        self.unreadable = False

    def instruments(self) -> dict[str, Instrument]:
        self.check_readable()
        return dict(self.stored_instruments)

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        self.check_writable()
        error, self.error = self.error, None
        if error is None or self.stores_batch:
            if batch:
                super().append(batch)
            self.stored_instruments.update(instruments)
        if error is not None:
            self.before_raising()
            raise error

    def check_readable(self) -> None:
        """Raise JournalError if a test has made the journal unreadable."""
        if self.unreadable:
            raise JournalError("memory", "unreadable")
