"""Test journals: a list of events, and one that fails or is interrupted on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from oms import Event, JournalError, Snapshot


class MemoryJournal:
    """Holds events in memory."""

    def __init__(self) -> None:
        self.batches: list[tuple[Event, ...]] = []
        self.kept: list[str] = []
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
        self.kept.append(reply)

    def replies(self) -> Iterator[str]:
        return iter(self.kept)

    def close(self) -> None:
        self.closed = True


class StruckJournal(MemoryJournal):
    """Raises `error` once, before or after it has taken the batch; `also` is called then."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.holds = False
        self.also: Callable[[], object] = bool

    def append(self, batch: Sequence[Event]) -> None:
        error, self.error = self.error, None
        if error is None or self.holds:
            super().append(batch)
        if error is not None:
            self.also()
            raise error
