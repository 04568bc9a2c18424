"""The tables of the page about capacity: the figures of the model beside those of the simulation.

Run this file after you change a measured figure, to write the tables into the page:

    PYTHONPATH=tests:docs .venv/bin/python -m support.capacity_tables
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import mean

from capacity import (
    DAY,
    EXAMPLE,
    cluster_capacity,
    log_bytes,
    operation,
    recovery_time,
    worst_share,
    zipf,
)
from capacity_chart import PAGE, RECOVERY_ORDERS, RECOVERY_RATE

from support.capacity_simulation import Shard, poisson, shard_shares

__all__ = ["tables", "updated"]

RATES = (100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000)
COMMANDS = 6_000
SHARDS = (1, 2, 4, 8, 32)
SYMBOLS = 1_000
INTERVALS = (1_000, 10_000, 50_000)
KILLS = 5


def tables() -> list[list[str]]:
    """Return the lines of each table."""
    return [
        [
            "| commands per second | commands per message | median, ms | 99th percentile, ms "
            "| log per day, GB |",
            "|--:|--:|--:|--:|--:|",
            *map(_load, RATES),
        ],
        [
            "| shards | busiest, equal symbols | busiest, Zipf | capacity, equal | capacity, Zipf |",
            "|--:|--:|--:|--:|--:|",
            *map(_shards, SHARDS),
        ],
        [
            "| commands between snapshots | mean recovery, s | longest recovery, s |",
            "|--:|--:|--:|",
            *map(_recovery, INTERVALS),
        ],
    ]


def _row(first: int, *cells: str) -> str:
    return f"| {' | '.join([f'{first:,}', *cells])} |"


def _load(rate: int) -> str:
    shard, model = Shard(EXAMPLE, poisson(rate, COMMANDS / rate, seed=1)), operation(EXAMPLE, rate)
    shard.run()
    ordered = sorted(shard.latencies)
    cells = [f"{model.group:.1f} / {mean(shard.sizes):.1f}"]
    cells += [
        f"{1_000 * model.latency(part):.2f} / {1_000 * ordered[int(len(ordered) * part)]:.2f}"
        for part in (0.5, 0.99)
    ]
    modeled, simulated = log_bytes(EXAMPLE, rate, model.group), shard.log_bytes / shard.now * DAY
    cells.append(f"{modeled / 1e9:.1f} / {simulated / 1e9:.1f}")
    return _row(rate, *cells)


def _shards(shards: int) -> str:
    shares = [zipf(SYMBOLS, exponent) for exponent in (0, 1)]
    hashed = [mean(max(shard_shares(each, shards, seed)) for seed in range(10)) for each in shares]
    busiest = [
        f"{worst_share(each, shards):.1%} / {worst:.1%}" for each, worst in zip(shares, hashed, strict=True)
    ]
    return _row(shards, *busiest, *(f"{cluster_capacity(EXAMPLE, each, shards):,.0f}" for each in shares))


def _recovery(interval: int) -> str:
    """Kill a worker at several places between two snapshots."""
    arrivals = poisson(RECOVERY_RATE, 3 * interval / RECOVERY_RATE, seed=1)
    shard, seconds = Shard(EXAMPLE, arrivals, orders=RECOVERY_ORDERS, interval=interval), list[float]()
    for number in range(KILLS):
        shard.run(events=interval * (1 + (number + 0.5) / KILLS))
        seconds.append(shard.kill(with_clients=True))
    modeled = [
        recovery_time(EXAMPLE, RECOVERY_ORDERS, part * interval, mean(shard.sizes)) for part in (0.5, 1)
    ]
    return _row(interval, f"{modeled[0]:.2f} / {mean(seconds):.2f}", f"{modeled[1]:.2f}")


def updated(page: str) -> str:
    """Return the page with the present figures in its tables."""
    for lines in tables():
        page = _replaced(page, lines)
    return page


def _replaced(page: str, lines: Sequence[str]) -> str:
    pattern = rf"^{re.escape(lines[0])}\n(\|.*\n)+"
    replaced, number = re.subn(pattern, "\n".join([*lines, ""]), page, flags=re.MULTILINE)
    if number != 1:
        raise ValueError(f"the page needs one table with the header {lines[0]}")
    return replaced


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
