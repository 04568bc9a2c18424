"""A simulation of shards at simulated times: the real queue, books, and journal, over a log in memory.

Commands come at random times. Each waits in the queue of the service (`oms.api.group`), and the group is
stored with `LogJournal`. Only the times are simulated: a clock advances by the measured figures, and nobody
waits.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import accumulate
from unittest.mock import patch

from capacity import LARGEST_GROUP, Measured, read_time

from oms import OrderManagement, Side
from oms.api.group import Groups, Request
from oms.cluster import save_snapshot
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.replicated_log import Message
from oms.cluster.ownership.shards import Shards
from support.replicated_log import Connection, MemoryLog, MemorySnapshots, impatient

__all__ = ["Shard", "cluster", "poisson", "shard_shares"]

NOTE = "a note of the service"


class Shard:
    """A shard to which commands come at these times. Each command adds an order of 20 lots.

    If the books contain `orders` orders, the next command removes the oldest one instead. A snapshot is saved
    every `interval` events, or never if `interval` is None. If `pause` is not None, each client sends another
    command this many seconds after a response.
    """

    def __init__(
        self,
        measured: Measured,
        arrivals: Iterable[float],
        *,
        orders: int | None = None,
        interval: int | None = None,
        pause: float | None = None,
    ) -> None:
        self.measured = measured
        self.now = 0.0
        self.log, self.snapshots = MemoryLog(), TimedSnapshots(self)
        self.sizes: list[int] = []
        self.latencies: list[float] = []
        self._arrivals = deque(arrivals)
        self._most_orders, self._interval, self._pause = orders, interval, pause
        self._saved = self._first = self._next = 0
        self._open()

    def _open(self) -> None:
        self.connection = TimedConnection(self)
        journal = LogJournal(
            self.connection, writer="a worker", patience=impatient(), snapshots=self.snapshots
        )
        self.books = OrderManagement(journal)
        self.connection.is_writing = True
        self.groups: Groups[float] = Groups(self.books, lambda: self.books.last_sequence, self._finished)
        self.groups.observers.append(lambda size, _: self.sizes.append(size))

    def clock(self) -> float:
        """Return the time, after the commands that have come by now have joined the queue."""
        waiting = self.groups._waiting
        while self._arrivals and self._arrivals[0] <= self.now and len(waiting) < LARGEST_GROUP:
            arrival = self._arrivals.popleft()
            waiting.append(Request(partial(self._command, arrival), NOTE, frozenset()))
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let some time pass, in which commands join the queue."""
        self.now += seconds
        self.clock()

    def _command(self, arrival: float) -> float:
        self.now += self.measured.command_seconds
        if self._most_orders is not None and self._next - self._first >= self._most_orders:
            self.books.remove_order(self._first)
            self._first += 1
        else:
            self.books.add_order(self._next, "AAPL", Side.BUY, 20, 2_000)
            self._next += 1
        return arrival

    def _finished(self, arrival: float) -> float:
        self.latencies.append(self.now - arrival)
        if self._pause is not None:
            self._arrivals.append(self.now + self._pause)
        return arrival

    def run(self, until: float = float("inf"), events: float = float("inf")) -> None:
        """Serve commands until all are served, until this time, or until the log has this many events."""
        with (
            patch("oms.api.group.perf_counter", self.clock),
            patch("oms.api.group.sleep", self.sleep),
        ):
            while self.now < until and self.books.last_sequence < events:
                self.clock()
                if not self.groups._waiting:
                    if not self._arrivals:
                        return
                    self.now = self._arrivals[0]
                    self.clock()
                self.groups._lead(self.groups._waiting[0])
                self._save_snapshot()

    def _save_snapshot(self) -> None:
        """Save a snapshot as a follower does, without delaying the owner."""
        if self._interval is not None and self.books.last_sequence - self._saved >= self._interval:
            self._saved = self.books.last_sequence
            save_snapshot(self.books)

    def kill(self, *, with_clients: bool = False) -> float:
        """Let another worker take over, which was not warm. Return the seconds until it can make a change.

        The commands in the queue are sent again. If `with_clients` is True, no further commands come in this
        time. Otherwise, those that come wait.
        """
        before, killed = self.books.state_hash(), self.now
        waiting = [request.make for request in self.groups._waiting]
        self.now += self.measured.takeover_seconds
        self._open()
        assert self.books.state_hash() == before
        seconds = self.now - killed
        if with_clients:
            self._arrivals = deque(arrival + seconds for arrival in self._arrivals)
        self._arrivals.extendleft(make.args[0] for make in reversed(waiting) if isinstance(make, partial))
        return seconds

    @property
    def log_bytes(self) -> int:
        """The bytes of all messages."""
        return sum(len(message.payload) for message in self.log.messages)


class TimedConnection(Connection):
    """A connection that advances the clock of a shard. Each message takes the measured time."""

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard.log)
        self.shard = shard
        self.is_writing = False
        self.messages_read = 0

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        if self.is_writing:
            self.shard.now += self.shard.measured.message_seconds
        return super().append(subject, payload, expected, message_id)

    def read(self, after: int, limit: int) -> Sequence[Message]:
        messages = super().read(after, limit)
        self.messages_read += len(messages)
        commands = sum(message.payload.count(b"\nevent\t") for message in messages)
        if commands:
            self.shard.now += read_time(self.shard.measured, commands, commands / len(messages)) / passes()
        return messages


class TimedSnapshots(MemorySnapshots):
    """Snapshots that advance the clock of a shard when they are read."""

    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self.shard = shard

    def load(self, name: str) -> bytes:
        self.shard.now += len(self.shard.books) * self.shard.measured.load_seconds
        return super().load(name)


@cache
def passes() -> int:
    """Return how many times opening the books reads each message. The measured times include all of them."""
    log = MemoryLog()
    with OrderManagement(LogJournal(Connection(log), patience=impatient())) as books:
        for number in range(100):
            books.add_order(number, "AAPL", Side.BUY, 20, 2_000)

    class Counting(Connection):
        messages_read = 0

        def read(self, after: int, limit: int) -> Sequence[Message]:
            messages = super().read(after, limit)
            self.messages_read += len(messages)
            return messages

    connection = Counting(log)
    OrderManagement(LogJournal(connection, patience=impatient())).close()
    return round(connection.messages_read / len(log.messages))


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the times of commands that come independently of each other, `rate` of them a second."""
    rng = random.Random(seed)
    times = accumulate(rng.expovariate(rate) for _ in range(int(2 * rate * seconds) + 100))
    return [time for time in times if time < seconds]


def symbol_names(number: int, seed: int) -> list[str]:
    """Return random symbols of four letters."""
    rng = random.Random(seed)
    return ["".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4)) for _ in range(number)]


def shard_shares(shares: Sequence[float], shards: int, seed: int) -> list[float]:
    """Return the share of each shard. The hash of the gateway spreads random symbols with these shares."""
    hashed = Shards(f"s{number}" for number in range(shards))
    totals = dict.fromkeys(hashed.names, 0.0)
    for symbol, share in zip(symbol_names(len(shares), seed), shares, strict=True):
        totals[hashed.of(symbol)] += share
    return list(totals.values())


def cluster(
    measured: Measured, shares: Sequence[float], rate: float, seconds: float, seed: int
) -> list[float]:
    """Run shards with these shares of the commands, and return the commands per second that each has made.

    The first half of the time does not count, because the first groups are small.
    """
    made: list[float] = []
    for number, share in enumerate(shares):
        shard = Shard(measured, poisson(rate * share, seconds, seed + number))
        shard.run(until=seconds / 2)
        before, start = len(shard.latencies), shard.now
        shard.run(until=seconds)
        made.append((len(shard.latencies) - before) / (shard.now - start))
    return made
