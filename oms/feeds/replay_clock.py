"""The clock of a replay, which shows the time of the recording instead of the current time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from oms.clock import Clock
from oms.ledger import Ledger
from oms.management import OrderManagement

__all__ = ["ReplayClock"]


class ReplayClock:
    """A clock that shows `time`, which a replay sets before each message, in nanoseconds since 1970.

    Each replay sets a ReplayClock during each of its steps, and then restores the clock of the books. If you
    iterate over a replay, your own changes between two steps get their timestamps from your clock. To use or
    read the recording's time between steps, set a ReplayClock as the clock of the books before the replay.
    Replays use this clock and leave it in place. The functions that `replay` and `replay_levels` call always
    see the recording's time.

    >>> from oms import OrderManagement, Side
    >>> from oms.feeds import Kind, Message, replay
    >>> om = OrderManagement(clock=ReplayClock())
    >>> unsubscribe = om.subscribe(lambda event: print(type(event).__name__, event.time))
    >>> session = [
    ...     Message(1, 1_792_998_000_000_000_000, Kind.SUBMITTED, 7, Side.BUY, 10, 101),
    ...     Message(2, 1_792_998_000_000_000_005, Kind.DELETED, 7, Side.BUY, 10, 101),
    ... ]
    >>> report = replay(session, om, symbol="XYZ")
    OrderAdded 1792998000000000000
    OrderRemoved 1792998000000000005
    >>> om.clock.time
    1792998000000000005

    """

    def __init__(self, time: int = 0) -> None:
        self.time = time
        self._before: Clock | None = None  # the clock to restore

    def __call__(self) -> int:
        """Return the time of the latest message."""
        return self.time

    def begin(self, ledger: Ledger) -> ReplayClock:
        """Set this as the clock of the books, unless they have a ReplayClock. Return their clock. O(1)."""
        with ledger.lock:
            before = ledger.clock
            if isinstance(before, ReplayClock):
                return before
            self._before = before
            ledger.clock = self
            return self

    def end(self, ledger: Ledger) -> None:
        """Restore the clock that `begin` replaced, unless another clock has been set since then. O(1)."""
        with ledger.lock:
            if ledger.clock is self:
                ledger.clock = self._before

    @contextmanager
    def ended_in(self, ledger: Ledger) -> Generator[None]:
        """Call `end` after the `with` block, in which `begin` and `end` are called for each step."""
        try:
            yield
        finally:
            self.end(ledger)

    @contextmanager
    def during(self, om: OrderManagement) -> Generator[ReplayClock]:
        """Call `begin` before the `with` block, and `end` after it, even after an error.

        Do not yield from the block: if the generator is never exhausted, `end` is not called, and the books
        keep this clock.
        """
        try:
            yield self.begin(om._ledger)
        finally:
            self.end(om._ledger)
