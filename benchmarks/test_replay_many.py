"""The time of many replays in two processes, compared with one process.

The workload: eight recordings of 120,000 messages each, in the format of LOBSTER, from a seeded simulation.
The analysis prices two amounts on both sides every ten seconds. The time of two processes includes the time
to start them.

The second ratio is the limit of the machine: two processes that are running already, each with a plain loop
over half of the files. If it is far below 2, the processors share a core or memory, or other programs run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import pytest

from oms.cli.synthetic_session import write_session
from oms.feeds import CostSampler, ReplayUnit, replay_many

ROUNDS = 2
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


def seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the machine has one processor")
def test_two_processes_come_within_a_tenth_of_two_plain_programs(tmp_path: Path) -> None:
    units = write_files(tmp_path)
    one, two, limit = [float("inf")] * 3
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(plain_loop, [units[:1], units[:1]]))  # start both, and import
        for _ in range(ROUNDS):
            one = min(one, seconds(lambda: plain_loop(units)))
            two = min(two, seconds(lambda: replay_many(units, ANALYSIS, workers=2)))
            halves = [units[::2], units[1::2]]
            limit = min(limit, seconds(lambda: list(pool.map(plain_loop, halves))))  # noqa: B023 - called at once
    print(
        f"one process: {one:.1f} s; two: {one / two:.2f} times as fast; two plain programs: {one / limit:.2f}"
    )
    assert one / two > 0.9 * one / limit
