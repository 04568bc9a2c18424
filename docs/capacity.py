"""A capacity model of a cluster. The page `explanation/capacity.md` explains the formulas.

All times are in seconds, all sizes are in bytes, and all rates are per second. `EXAMPLE` contains the figures
of one machine. Replace them with the figures of your machines: `benchmarks/test_replicated_log.py` prints
most of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache, partial
from statistics import NormalDist
from typing import NamedTuple

_RARE, _STEADY = 1e-5, 1e-3  # a probability that is ignored, and a change that is ignored
DAY, YEAR = 86_400, 365 * 86_400
PAUSE, LONGEST_WAIT, LONGEST_SILENCE = 0.000_5, 0.75, 0.1
"""The rules for how long a group (the commands of one message) waits for requests. See `oms.api.group`."""
LARGEST_GROUP = 128
"""The number of threads that handle changes, and so the largest group. See `oms.api.threads`."""


class Measured(NamedTuple):
    """The measured figures.

    Changing the books with n commands, and storing them as one message, takes `message_seconds` + n x
    `command_seconds`. The message has `message_bytes` + n x `command_bytes` bytes. Reading the message from
    the log, and applying it to the books, takes `read_message_seconds` + n x `read_command_seconds`.

    After a worker is killed, a warm standby takes over in `takeover_seconds`. The election of a new leader of
    the log takes `election_seconds`. For each resting order, saving a snapshot takes `save_seconds`, and
    loading a snapshot takes `load_seconds`. A gateway needs `gateway_seconds` of processor time per request.
    The directory of order ids needs `claim_bytes` per order id in the memory of each server.
    """

    message_seconds: float
    command_seconds: float
    message_bytes: float
    command_bytes: float
    read_message_seconds: float
    read_command_seconds: float
    takeover_seconds: float
    election_seconds: float
    save_seconds: float
    load_seconds: float
    gateway_seconds: float
    claim_bytes: float


def line(first: float, second: float, size: int = 100) -> tuple[float, float]:
    """Return the fixed part and the part per command of a figure, measured for 1 and for `size` commands.

    >>> line(1.1, 11, 100)
    (1.0, 0.1)

    """
    slope = (second - first) / (size - 1)
    return round(first - slope, 12), round(slope, 12)


EXAMPLE = Measured(
    *line(1 / 830, 100 / 52_500),  # commands per second with 1 and with 100 commands per message
    message_bytes=212,
    command_bytes=115,
    read_message_seconds=0.1e-3,
    read_command_seconds=11e-6,  # 200,000 events in 2,000 messages in 2.4 s
    takeover_seconds=4.5,
    election_seconds=5.5,
    save_seconds=1.5e-6,
    load_seconds=4.2e-6,
    gateway_seconds=1.0e-3,
    claim_bytes=130,
)
"""The figures of a machine with two processors, on which three servers run and sync each message.

After you change these figures, run `PYTHONPATH=tests:docs .venv/bin/python -m support.capacity_tables`, which
writes the tables of the page. Then run `.venv/bin/python docs/pictures.py`.
"""

# ------------------------------------------------------------------ one shard
#
# The problem: the size of a group depends on how many commands have arrived while the previous message was
# stored, and this time depends on the size of the previous group. The mean group size alone does not give the
# 99th percentile of the latency.
#
# The solution: if a message has n commands, the number of commands in the next message has a Poisson
# distribution whose mean is rate x (time of the message + time for which the next group waits). So the sizes
# are a Markov chain with at most 128 states. `operation` repeats the step of this chain until the
# probabilities hardly change. A command that arrives while a message is being stored arrives at a random
# moment of this time. It waits for the rest of this time, and for its own message.
#
# Two simplifications: the numbers of commands that arrive in different steps of the wait are independent of
# each other. A command that finds 128 other commands in the queue waits for only one more check of the queue.


def message_time(measured: Measured, commands: float) -> float:
    """Return the seconds from the first change of a group until its message is acknowledged."""
    return measured.message_seconds + commands * measured.command_seconds


def shard_capacity(measured: Measured, group: int = LARGEST_GROUP) -> float:
    """Return the capacity of a shard in commands per second, if a group has at most this many commands."""
    return group / message_time(measured, group)


class Operation(NamedTuple):
    """The operation of a shard that is not overloaded.

    `sizes` maps each number of commands per message to its probability.
    """

    measured: Measured
    rate: float
    sizes: dict[int, float]

    @property
    def group(self) -> float:
        """The mean number of commands per message."""
        return sum(size * part for size, part in self.sizes.items())

    def latency(self, part: float) -> float:
        """Return the seconds within which a part of the commands is acknowledged, such as 0.99 of them."""
        spans = list(self._latencies())
        total, low, high = sum(weight for weight, _, _ in spans), 0.0, max(end for _, _, end in spans)
        for _ in range(30):
            middle = (low + high) / 2
            acknowledged = sum(
                weight * min((middle - start) / max(end - start, 1e-12), 1)
                for weight, start, end in spans
                if middle > start
            )
            low, high = (middle, high) if acknowledged < part * total else (low, middle)
        return high

    def _latencies(self) -> Iterator[tuple[float, float, float]]:
        """Yield classes of commands: the weight of a class, and its shortest and its longest latency."""
        for size, part in self.sizes.items():
            message = message_time(self.measured, size)
            nobody = math.exp(-self.rate * message)
            for likely, gathering, requests in _gatherings(self.measured, self.rate, size):
                cycle = message + gathering
                arrivals = self.rate * message + (1 - nobody) * requests
                full = PAUSE if size == LARGEST_GROUP else 0
                for others, so_many in _poisson(self.rate * message + requests).items():
                    own = message_time(self.measured, min(1 + others, LARGEST_GROUP))
                    yield part * likely * arrivals * so_many, own, own + cycle + full
                first = (size > 1) * gathering + message_time(self.measured, 1)
                yield part * likely * nobody, first, first


def operation(measured: Measured, rate: float) -> Operation:
    """Return the operation of a shard on which `rate` independent commands per second arrive.

    Raises ValueError unless the rate is positive and less than the capacity.
    """
    most = shard_capacity(measured)
    if not 0 < rate < most:
        allowed = f"between 0 and the capacity of {most:,.0f} per second"
        raise ValueError(f"the rate must be {allowed}, not {rate:,}")
    next_sizes = cache(partial(_next_sizes, measured, rate))
    sizes, change = {1: 1.0}, 1.0
    while change > _STEADY:
        after: defaultdict[int, float] = defaultdict(float)
        for size, part in sizes.items():
            for next_size, likely in next_sizes(size).items():
                after[next_size] += part * likely
        total = sum(part for part in after.values() if part > _RARE)
        likely_sizes = {size: part / total for size, part in after.items() if part > _RARE}
        change = sum(abs(likely_sizes.get(n, 0) - sizes.get(n, 0)) for n in {*likely_sizes, *sizes})
        sizes = likely_sizes
    return Operation(measured, rate, sizes)


def _next_sizes(measured: Measured, rate: float, size: int) -> dict[int, float]:
    """Return the probability of each possible size of the next group after a group of this size."""
    message = message_time(measured, size)
    nobody = math.exp(-rate * message)  # the probability that no command arrives during the message
    sizes: defaultdict[int, float] = defaultdict(float)
    for likely, gathering, requests in _gatherings(measured, rate, size):
        if rate * (message + gathering) > LARGEST_GROUP - 1e-6:
            sizes[LARGEST_GROUP] += likely
            continue
        for number, so_many in _poisson(rate * message + requests).items():
            sizes[number] += likely * so_many
        for number, so_many in _poisson(requests).items():
            sizes[number] -= likely * nobody * so_many
            sizes[1 + number * (size > 1)] += likely * nobody * so_many
    most = sum(likely for number, likely in sizes.items() if number >= LARGEST_GROUP)
    return {n: likely for n, likely in sizes.items() if 0 < n < LARGEST_GROUP} | {LARGEST_GROUP: most}


class _Gathering(NamedTuple):
    """A time for which a group waits, its probability, and the requests that arrive during this time."""

    probability: float
    seconds: float
    requests: float


@lru_cache(100_000)
def _gatherings(measured: Measured, rate: float, size: int) -> list[_Gathering]:
    """Return the times for which the next group after a group of this size can wait for requests."""
    message = message_time(measured, size)
    longest = max(LARGEST_GROUP / rate - message, 0)
    step = max(PAUSE, LONGEST_SILENCE * message)
    steps = int(LONGEST_WAIT * message / step) + 1
    in_step = _poisson(rate * step)
    silent = in_step.get(0, 0.0)
    complete = sum(likely for number, likely in in_step.items() if number >= size)
    some = rate * step / max(1 - silent, _RARE)  # the requests in a step that is not silent
    times, waiting = list[_Gathering](), 1.0
    for number in range(1, steps):
        before = (number - 1) * some
        times.append(_Gathering(waiting * silent, number * step, before))
        times.append(_Gathering(waiting * complete, number * step, before + some))
        waiting *= 1 - silent - complete
    times.append(_Gathering(waiting, steps * step, (steps - 1) * some + rate * step))
    return [each._replace(seconds=min(each.seconds, longest)) for each in times if each.probability > _RARE]


def _poisson(mean: float) -> dict[int, float]:
    """Return the probability of each likely number of commands, if `mean` commands arrive on average."""
    width = int(4 * math.sqrt(mean)) + 6
    numbers = range(max(int(mean) - width, 0), int(mean) + width)
    logarithm = math.log(max(mean, 1e-300))
    return {number: math.exp(number * logarithm - mean - math.lgamma(number + 1)) for number in numbers}


def closed_rate(measured: Measured, clients: int, pause: float = 0.0) -> float:
    """Return the commands per second of `clients` that each pause for `pause` seconds after a response."""
    return clients / (message_time(measured, clients) + pause)


# ------------------------------------------------------------------ many shards


def zipf(symbols: int, exponent: float) -> list[float]:
    """Return each symbol's share of all commands. The n-th share is proportional to n^-exponent.

    >>> zipf(2, 1)
    [0.6666666666666666, 0.3333333333333333]

    """
    weights = [number**-exponent for number in range(1, symbols + 1)]
    return [weight / sum(weights) for weight in weights]


def worst_share(shares: Sequence[float], shards: int) -> float:
    """Return the expected share of the busiest shard.

    The shares of the shards are nearly normally distributed, unless a single symbol has a large share.
    """
    even = 1 / shards
    deviation = math.sqrt(even * (1 - even) * sum(share**2 for share in shares))
    highest = NormalDist().inv_cdf((shards - 0.375) / (shards + 0.25))  # of the largest share (Blom 1958)
    largest = max(shares)
    return min(1.0, max(even + highest * deviation, largest + (1 - largest) * even))


def cluster_capacity(measured: Measured, shares: Sequence[float], shards: int) -> float:
    """Return the commands per second at which the busiest shard reaches its capacity."""
    return shard_capacity(measured) / worst_share(shares, shards)


# ------------------------------------------------------------------ logs, takeovers, and memory


def log_bytes(measured: Measured, rate: float, group: float, seconds: float = DAY) -> float:
    """Return the number of bytes by which a log grows on each of its replicas, by default per day."""
    return rate * seconds * (measured.message_bytes / group + measured.command_bytes)


def read_time(measured: Measured, commands: float, group: float) -> float:
    """Return the seconds to read and apply the commands, which are in messages of `group` commands."""
    return commands * (measured.read_message_seconds / group + measured.read_command_seconds)


def recovery_time(measured: Measured, orders: float, unread: float, group: float) -> float:
    """Return the seconds from the death of a worker until another worker makes the next change.

    The other worker has no copy of the shard. It reads a snapshot of `orders` orders, and the `unread`
    commands after the snapshot, which are in messages of `group` commands.
    """
    loading = orders * measured.load_seconds
    return measured.takeover_seconds + loading + read_time(measured, unread, group)


def best_interval(
    measured: Measured, rate: float, group: float, orders: float, kills: float, value: float = 1
) -> float:
    """Return the number of commands between snapshots with the lowest total cost.

    `kills` is the number of takeovers per year. A second of interruption costs as much as `value` seconds of
    processor time. The result is the optimum of Young (1974) for checkpoints.
    """
    saving = rate * YEAR * orders * measured.save_seconds
    return math.sqrt(2 * saving / (kills * value * read_time(measured, 1, group)))


def unavailability(seconds: float, kills: float) -> float:
    """Return the part of a year for which a shard accepts no changes."""
    return seconds * kills / YEAR


def following(measured: Measured, rate: float, group: float, orders: float, interval: float) -> float:
    """Return the processor time per second that a follower needs for the commands and the snapshots."""
    return read_time(measured, rate, group) + orders * measured.save_seconds * rate / interval
