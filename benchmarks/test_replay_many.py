"""The time of many replays in two processes, compared with one process.

The workload: eight recordings of 120,000 messages each, in the format of LOBSTER, from a seeded simulation.
The analysis prices two amounts on both sides every ten seconds. The time of two processes includes the time
to start them.

The test compares processor time, which depends little on other programs. If two processes together need at
most 1.1 times the processor time of one, and both are busy, they are at least 1.8 times as fast.

It also prints the times on the clock. The last ratio is the limit of the machine: two processes that are
running already, each with a plain loop over half of the files.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest

from oms.cli.synthetic_session import write_session
from oms.feeds import CostSampler, ReplayUnit, replay_many

FILES = 8
MESSAGES = 120_000
ANALYSIS = CostSampler([100, 1_000], every=10)


def write_files(folder: Path) -> list[ReplayUnit]:
    """Write two sessions, and copies of them under other names."""
    units: list[ReplayUnit] = []
    for number in range(FILES):
        place = folder / str(number)
        place.mkdir()
        if number < 2:
            units.append(ReplayUnit(write_session(place, MESSAGES, seed=number)))
        else:
            units.append(ReplayUnit(shutil.copy(units[number - 2].path, place)))
    return units


def plain_loop(units: Sequence[ReplayUnit]) -> int:
    return len(replay_many(units, ANALYSIS, workers=1))


ATTEMPTS = 3


class Times(NamedTuple):
    """Seconds on the clock, and seconds of the processors, including those of ended processes."""

    clock: float
    processors: float


def times(run: Callable[[], object]) -> Times:
    before, start = os.times(), perf_counter()
    run()
    clock, after = perf_counter() - start, os.times()
    return Times(clock, sum(after[:4]) - sum(before[:4]))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the machine has one processor")
def test_two_processes_need_at_most_a_tenth_more_processor_time_than_one(tmp_path: Path) -> None:
    units = write_files(tmp_path)
    work = math.inf
    for _ in range(ATTEMPTS):  # other work on the machine takes processor time too, by emptying its caches
        one = times(lambda: plain_loop(units))
        two = times(lambda: replay_many(units, ANALYSIS, workers=2))
        work = min(work, two.processors / one.processors)
        if work < 1.1:
            break
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(plain_loop, [units[:1], units[:1]]))  # start both, and import
        limit = times(lambda: list(pool.map(plain_loop, [units[::2], units[1::2]])))
    print(f"processor time of two processes: {work:.3f} times that of one ({one.processors:.1f} s)")
    faster, most = one.clock / two.clock, one.clock / limit.clock
    print(f"on the clock: {faster:.2f} times as fast; two plain programs: {most:.2f}")
    assert work < 1.1
