"""The processor time of many replays in two processes, compared with the replays themselves.

The workload: eight recordings of 240,000 messages each, in the format of LOBSTER, from a seeded simulation.
The analysis prices two amounts on both sides every minute, as in the how-to page.

Each worker measures the processor time of its replays. The rest is what `replay_many` adds: it starts the
workers, sends them the units, and collects the results. Both are times of the same run and of the same
processes, so other programs hardly change their ratio. If the workers and this process together need at most
1.1 times the processor time of the replays, and both processors are busy, two processors are at least 1.8
times as fast as one.

The test also prints the times on the clock. The last ratio is the limit of the machine: two processes that
are running already, each with a plain loop over half of the files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time

import pytest

from oms.feeds import CostSample, CostSampler, ReplayUnit, UnitReplay, replay_many

FILES = 8
MESSAGES = 240_000
ANALYSIS = CostSampler([100, 1_000], every=60)


def write_files(folder: Path) -> list[ReplayUnit]:
    """Write two sessions, and copies of them under other names."""
    from oms.cli.synthetic_session import write_session  # noqa: PLC0415 - workers import this file, but not the CLI

    units: list[ReplayUnit] = []
    for number in range(FILES):
        place = folder / str(number)
        place.mkdir()
        if number < 2:
            units.append(ReplayUnit(write_session(place, MESSAGES, seed=number)))
        else:
            units.append(ReplayUnit(shutil.copy(units[number - 2].path, place)))
    return units


def timed(run: UnitReplay) -> tuple[float, tuple[CostSample, ...]]:
    """Return the processor time of a replay in seconds, and the value of the analysis."""
    start = process_time()
    value = ANALYSIS(run)
    run.finish()
    return process_time() - start, value


def plain_loop(units: Sequence[ReplayUnit]) -> int:
    return len(replay_many(units, timed, workers=1))


def clock_of(run: Callable[[], object]) -> float:
    """Return the seconds on the clock."""
    start = perf_counter()
    run()
    return perf_counter() - start


def clock_of_two_plain_programs(units: Sequence[ReplayUnit]) -> float:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(plain_loop, [units[:1], units[:1]]))  # start both, and import
        return clock_of(lambda: list(pool.map(plain_loop, [units[::2], units[1::2]])))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the machine has one processor")
def test_two_workers_need_at_most_a_tenth_more_processor_time_than_their_replays(tmp_path: Path) -> None:
    units = write_files(tmp_path)
    before, start = os.times(), perf_counter()
    results = replay_many(units, timed, workers=2)
    two, after = perf_counter() - start, os.times()
    processors = sum(after[:4]) - sum(before[:4])  # including those of the workers, which have ended
    work = processors / sum(seconds for seconds, _ in (result.value for result in results))
    one, most = clock_of(lambda: plain_loop(units)), clock_of_two_plain_programs(units)
    print(f"processor time of two workers: {work:.3f} times that of their replays ({processors:.1f} s)")
    print(f"on the clock: {one / two:.2f} times as fast as one; two plain programs: {one / most:.2f}")
    assert work < 1.1
