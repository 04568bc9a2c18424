"""Worker processes give the results of one process, even if they end in the middle of a unit."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import sleep
from traceback import format_exception
from typing import Any

import pytest

from oms.feeds import ReplayProgress, UnitsError, WorkerError, replay_many
from oms.feeds.many import worker_pool
from oms.feeds.many.worker_pool import ATTEMPTS, WorkerPool
from support.many_units import (
    as_bytes,
    costs_of_a_thousand,
    divide_by_zero,
    end_every_worker,
    end_the_first_worker,
    end_this_process,
    interrupt_itself,
    take_long,
    unreadable,
    write_units,
)

pytestmark = pytest.mark.slow

UNGUARDED = """\
import sys
from oms.feeds import ReplayUnit, replay_many
replay_many([ReplayUnit(path) for path in sys.argv[1:]], workers=2)
"""


def test_two_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    units = write_units(tmp_path, (300, 100, 200, 500))
    one = replay_many(units, costs_of_a_thousand, workers=1)
    assert as_bytes(replay_many(units, costs_of_a_thousand, workers=2)) == as_bytes(one)
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_in_the_middle_of_a_unit_changes_nothing(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    mark = tmp_path / "mark"
    analysis = partial(end_the_first_worker, str(mark))
    results = replay_many(units, analysis, workers=2)
    assert mark.exists(), "a worker was killed"
    assert as_bytes(results) == as_bytes(replay_many(units, costs_of_a_thousand, workers=1))


def test_a_worker_that_is_killed_while_it_sends_its_result_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = (
        "import sys\nfrom functools import partial\nfrom oms.feeds import ReplayUnit, replay_many\n"
        "from support.many_units import end_while_sending\n"
        "units = [ReplayUnit(path) for path in sys.argv[2:]]\n"
        "results = replay_many(units, partial(end_while_sending, sys.argv[1]), workers=2)\n"
        "print(*(len(result.value) for result in results))\n"
    )
    paths = [unit.name for unit in write_units(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(mark), *paths], stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            printed, _ = process.communicate(timeout=25)
        finally:
            process.kill()
    assert mark.exists(), "a worker was killed"
    assert printed.split() == [b"100000"] * 3


class Exhausted(ProcessPoolExecutor):
    """A pool whose process cannot start, because memory is short, if its number is in `numbers`."""

    numbers: frozenset[int] = frozenset()
    count = 0

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        if not self._processes:  # the first call starts the process
            Exhausted.count += 1
            if Exhausted.count in self.numbers:
                raise BlockingIOError("Resource temporarily unavailable")
        return super().submit(*args, **options)


def exhaust(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    monkeypatch.setattr(Exhausted, "numbers", frozenset(numbers))
    monkeypatch.setattr(Exhausted, "count", 0)
    monkeypatch.setattr(worker_pool, "ProcessPoolExecutor", Exhausted)


def test_a_worker_that_cannot_start_again_for_a_moment_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = write_units(tmp_path)
    exhaust(monkeypatch, 3, 4)
    results = replay_many(units, partial(end_the_first_worker, str(tmp_path / "mark")), workers=2)
    assert Exhausted.count >= 3, "a start has failed"
    assert as_bytes(results) == as_bytes(replay_many(units, costs_of_a_thousand, workers=1))


def test_if_the_system_starts_no_process_the_run_ends_with_an_error_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exhaust(monkeypatch, 1, 2)
    with pytest.raises(WorkerError, match="the worker processes cannot start"):
        replay_many(write_units(tmp_path), costs_of_a_thousand, workers=2)
    assert multiprocessing.active_children() == []


def test_a_unit_that_kills_each_of_its_workers_is_named_and_the_others_have_results(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    with pytest.raises(
        UnitsError, match="WorkerError: the worker process ended in each of 3 attempts"
    ) as caught:
        replay_many(units, end_every_worker, workers=2)
    assert [failure.unit for failure in caught.value.failures] == [units[1]]
    assert [result.unit for result in caught.value.results] == [units[0], units[2]]
    assert multiprocessing.active_children() == []


def test_an_exception_of_the_analysis_begins_no_further_unit(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    pool = WorkerPool(1, units, divide_by_zero)
    [(index, error)] = pool.outcomes([2, 0, 1])
    assert index == 2
    assert isinstance(error, ZeroDivisionError)
    assert "in divide_by_zero" in error.__notes__[0]


def test_a_result_that_cannot_be_sent_is_an_error_of_its_unit(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    with pytest.raises(
        UnitsError, match="WorkerError: the result did not arrive: TypeError: cannot pickle"
    ) as caught:
        replay_many(units, iter, workers=2)
    assert [failure.unit for failure in caught.value.failures] == units


def test_the_error_about_a_result_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnitsError) as caught:
        replay_many(write_units(tmp_path, (10, 20)), unreadable, workers=2)
    assert "ValueError: a result without values" in "".join(format_exception(caught.value))


def test_ctrl_c_ends_the_workers_in_the_middle_of_their_units(tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"

    def press_ctrl_c(_: ReplayProgress) -> None:
        while not began.exists():
            sleep(0.01)
        raise KeyboardInterrupt

    units = write_units(tmp_path, (100, 100))
    with pytest.raises(KeyboardInterrupt):
        replay_many(units, partial(take_long, str(began), str(ended)), workers=2, progress=press_ctrl_c)
    assert multiprocessing.active_children() == []
    assert not ended.exists()


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    program = (
        "import sys\nfrom functools import partial\nfrom oms.feeds import ReplayUnit, replay_many\n"
        "from support.many_units import take_long\n"
        "units = [ReplayUnit(path) for path in sys.argv[3:]]\n"
        "replay_many(units, partial(take_long, *sys.argv[1:3]), workers=2)\n"
    )
    paths = [unit.name for unit in write_units(tmp_path, (100, 100))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(began), str(ended), *paths],
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        while not began.exists():
            assert process.poll() is None
            sleep(0.01)
        process.kill()
        process.communicate(timeout=25)  # the workers have the pipe too, so it ends when all have ended
    assert not ended.exists()


def test_workers_leave_ctrl_c_to_the_process_that_started_them(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    results = replay_many(units, interrupt_itself, workers=2)
    assert all(result.value > 0 for result in results)


def test_a_script_without_a_guard_ends_with_a_message_that_says_what_to_do(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(UNGUARDED)
    paths = [unit.name for unit in write_units(tmp_path)]
    shown = subprocess.run([sys.executable, str(script), *paths], capture_output=True, text=True, check=False)
    assert shown.returncode == 1
    [*_, last] = shown.stderr.splitlines()
    assert last.startswith(
        "oms.feeds.errors.WorkerError: the worker processes cannot start; in a script, call"
    )
    assert "below if __name__ == '__main__':" in last


def test_a_prompt_or_a_notebook_can_use_the_analyses_of_modules(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom oms.feeds import CostSampler, ReplayUnit, replay_many\n"
        "units = [ReplayUnit(path) for path in sys.argv[1:]]\n"
        "print(*(len(result.value) for result in replay_many(units, CostSampler([100]), workers=2)))\n"
    )
    paths = [unit.name for unit in write_units(tmp_path)]
    shown = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "2 2 2\n", "")


def test_the_guarded_script_prints_its_results(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(
        "import sys\nfrom oms.feeds import ReplayUnit, replay_many\n"
        "def analysis(run):\n    return sum(1 for _ in run)\n"
        "if __name__ == '__main__':\n    units = [ReplayUnit(path) for path in sys.argv[1:]]\n"
        "    print(*(result.value > 0 for result in replay_many(units, analysis, workers=2)))\n"
    )
    paths = [unit.name for unit in write_units(tmp_path)]
    shown = subprocess.run([sys.executable, str(script), *paths], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "True True True\n", "")


def test_workers_that_can_no_longer_start_fail_the_units_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = write_units(tmp_path)
    pool = WorkerPool(1, units, end_every_worker)
    outcomes = pool.outcomes([1, 0, 2])
    assert next(outcomes)[0] == 1
    monkeypatch.setattr("oms.feeds.many.worker_pool._initialize", end_this_process)
    rest = dict(outcomes)
    assert rest.keys() == {0, 2}
    for error in rest.values():
        assert isinstance(error, WorkerError)
        assert str(error) == "3 worker processes could not start"


def test_a_unit_that_ends_its_worker_fails_if_no_other_worker_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = write_units(tmp_path)
    pool = WorkerPool(1, units, end_every_worker)
    outcomes = pool.outcomes([0, 1])
    assert next(outcomes)[0] == 0
    pool._failed_starts = ATTEMPTS  # as if other workers could not start in the meantime
    monkeypatch.setattr("oms.feeds.many.worker_pool._initialize", end_this_process)
    [(index, error)] = outcomes
    assert (index, str(error)) == (1, "3 worker processes could not start")
