"""The clock of a replay, which shows the time of the recording instead of the present time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from oms.clock import Clock
from oms.management import OrderManagement

__all__ = ["ReplayClock"]


class ReplayClock:
    """A clock that shows `time`, which a replay sets before each message, in nanoseconds since 1970.

    Each replay sets a ReplayClock automatically. To read the recording's time, set your own ReplayClock as
    the clock of the books before the replay. Several replays into the same books share the clock.

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
        self._replays = 0  # the number of running replays that use this clock
        self._before: Clock | None = self  # the clock to restore after the last of them

    def __call__(self) -> int:
        """Return the time of the latest message."""
        return self.time

    @classmethod
    @contextmanager
    def of(cls, om: OrderManagement) -> Generator[ReplayClock]:
        """Give the events of `om` the time of a recording. Afterward, restore the clock.

        If another replay is running, use its clock. The last replay to end restores the clock from before the
        first one. If the clock was replaced in the meantime, nothing is restored.
        """
        clock = om.clock
        if not isinstance(clock, ReplayClock):
            before, clock = clock, cls()
            clock._before = before
            om.clock = clock
        clock._replays += 1
        try:
            yield clock
        finally:
            clock._replays -= 1
            if not clock._replays and om.clock is clock:
                om.clock = clock._before
