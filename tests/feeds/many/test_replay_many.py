"""Many units give the results of a plain loop, in the order of the units, whatever runs them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import InvalidArgumentError, OrderManagement
from oms.feeds import (
    CostSampler,
    FeedError,
    ReplayProgress,
    ReplayUnit,
    UnitReplay,
    UnitsError,
    WorkerError,
    open_recording,
    replay,
    replay_many,
)
from support.many_units import CAPTURE, as_bytes, costs_of_a_thousand, divide_by_zero, write_units


class OutOfOrder(Executor):
    """An executor that runs its tasks in a random order, as soon as it has `count` of them."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.random = Random(seed)
        self.tasks: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.units: list[ReplayUnit] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        self.units.append(args[0])
        self.tasks.append((future, lambda: fn(*args, **kwargs)))
        if len(self.tasks) == self.count:
            self.random.shuffle(self.tasks)
            for each, call in self.tasks:
                each.set_result(call())
        return future


class Unreliable(Executor):
    """An executor whose first task gets this exception, or is canceled if there is none."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.has_failed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        if self.has_failed:
            future.set_result(fn(*args, **kwargs))
        elif self.error is None:
            future.cancel()
        else:
            future.set_exception(self.error)
        self.has_failed = True
        return future


@settings(max_examples=20)
@given(rows=st.lists(st.integers(1, 150), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_the_results_are_those_of_a_plain_loop_in_the_order_of_the_units(rows: list[int], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        units = write_units(Path(folder), rows)
        plain = []
        for unit in units:
            om = OrderManagement()
            recording = open_recording(unit.path)
            report = replay(recording, om, symbol=recording.symbol)
            plain.append(
                (unit, report, om.last_sequence, om.state_hash(), costs_of_a_thousand(UnitReplay(unit)))
            )
        results = replay_many(units, costs_of_a_thousand, workers=1)
        assert [
            (each.unit, each.report, each.last_sequence, each.state_hash, each.value) for each in results
        ] == plain
        shuffled = replay_many(units, costs_of_a_thousand, executor=OutOfOrder(len(units), seed))
        assert as_bytes(shuffled) == as_bytes(results)


def test_recordings_and_captures_can_be_replayed_together(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_text(CAPTURE)
    units = [ReplayUnit(capture), *write_units(tmp_path, [100])]
    with ThreadPoolExecutor(2) as threads:
        results = replay_many(units, CostSampler([10]), executor=threads)
        assert as_bytes(replay_many(units, CostSampler([10]), executor=threads)) == as_bytes(results)
    assert [len(result.value) for result in results] == [4, 2]
    assert all(result.report.agrees for result in results)


def test_without_an_analysis_the_value_is_none(tmp_path: Path) -> None:
    [result] = replay_many(write_units(tmp_path, [100]))
    assert result.value is None


def test_the_largest_files_begin_first(tmp_path: Path) -> None:
    units = write_units(tmp_path, (100, 400, 200, 300))
    executor = OutOfOrder(4, seed=0)
    replay_many(units, executor=executor)
    assert executor.units == [units[day] for day in (1, 3, 2, 0)]


def test_progress_is_reported_after_each_unit(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    units.append(ReplayUnit(tmp_path / "missing"))
    steps: list[ReplayProgress] = []
    with pytest.raises(UnitsError):
        replay_many(units, workers=1, progress=steps.append)
    assert [step.unit for step in steps] == units
    assert [step.finished for step in steps] == [1, 2, 3, 4]
    assert {step.total for step in steps} == {4}
    sizes = [unit.size() for unit in units]
    assert [step.finished_bytes for step in steps] == [sum(sizes[:end]) for end in (1, 2, 3, 4)]
    assert {step.total_bytes for step in steps} == {sum(sizes)}
    assert [step.result is None for step in steps] == [False, False, False, True]


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize("threads", [0, 2])
def test_files_that_cannot_be_read_do_not_end_the_run(tmp_path: Path, threads: int) -> None:
    good = write_units(tmp_path)
    bad = tmp_path / "bad.csv"
    bad.write_text("10.0,1,7,10,1000,-1\nnothing\n")
    units = [good[0], ReplayUnit(tmp_path / "missing"), good[1], ReplayUnit(bad), good[2]]
    with pytest.raises(UnitsError, match=r"missing: No such file or directory \(and 1 more\)") as caught:
        if threads:
            with ThreadPoolExecutor(threads) as executor:
                replay_many(units, executor=executor)
        else:
            replay_many(units, workers=1)
    assert [failure.unit for failure in caught.value.failures] == [units[1], units[3]]
    assert isinstance(caught.value.__cause__, FeedError)
    assert as_bytes(caught.value.results) == as_bytes(replay_many(good, workers=1))


def test_an_exception_of_the_analysis_keeps_units_from_beginning_but_loses_no_result(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    begun: list[ReplayUnit] = []

    def fail_second(run: UnitReplay) -> int:
        begun.append(run.unit)
        return 1 // (2 - len(begun))

    with pytest.raises(UnitsError, match="ZeroDivisionError") as caught:
        replay_many(units, fail_second, workers=1)
    assert begun == units[:2]
    assert [result.unit for result in caught.value.results] == units[:1]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_exception_of_the_analysis_cancels_the_waiting_units_of_an_executor(tmp_path: Path) -> None:
    units = write_units(tmp_path, [100] * 30)
    with ThreadPoolExecutor(1) as executor, pytest.raises(UnitsError, match="ZeroDivisionError") as caught:
        replay_many(units, divide_by_zero, executor=executor)
    assert 1 <= len(caught.value.failures) <= 30
    assert caught.value.results == ()


def test_an_invalid_option_of_a_unit_names_the_unit(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [100])
    with pytest.raises(UnitsError, match="depth must be left out for a file of lobster, not 10") as caught:
        replay_many([ReplayUnit(unit.path, depth=10)])
    assert caught.value.path == unit.name
    assert isinstance(caught.value.__cause__, InvalidArgumentError)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (BrokenProcessPool("a process ended"), "BrokenProcessPool: a process ended"),
        (None, "CancelledError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
    ids=["broken", "canceled", "exit"],
)
def test_a_unit_that_an_executor_loses_fails_and_the_others_are_kept(
    tmp_path: Path, error: BaseException | None, message: str
) -> None:
    units = write_units(tmp_path)
    with pytest.raises(UnitsError, match=f"WorkerError: the result did not arrive: {message}") as caught:
        replay_many(units, executor=Unreliable(error))
    assert [failure.unit for failure in caught.value.failures] == [units[0]]  # the largest
    assert [result.unit for result in caught.value.results] == units[1:]


def test_an_executor_that_has_been_shut_down_is_an_error(tmp_path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkerError, match="the executor accepts no units: cannot schedule new futures"):
        replay_many(write_units(tmp_path), executor=executor)


def test_an_exception_of_progress_ends_the_run_but_leaves_the_executor_open(tmp_path: Path) -> None:
    def stop(_: ReplayProgress) -> None:
        raise KeyboardInterrupt

    units = write_units(tmp_path)
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(KeyboardInterrupt):
            replay_many(units, executor=executor, progress=stop)
        assert len(replay_many(units, executor=executor)) == 3


# ------------------------------------------------------------------ invalid arguments


def test_no_units_equal_units_and_values_of_other_types_are_rejected(tmp_path: Path) -> None:
    units: Any = write_units(tmp_path)
    with pytest.raises(InvalidArgumentError, match="units must be at least one ReplayUnit"):
        replay_many([])
    with pytest.raises(InvalidArgumentError, match=r"units must be distinct \(one occurs twice\), not"):
        replay_many([*units, ReplayUnit(Path(units[0].path))])
    with pytest.raises(
        InvalidArgumentError, match=r"units must be ReplayUnits, not .*; write ReplayUnit\(path\)"
    ):
        replay_many([units[0].path])


@pytest.mark.parametrize("workers", [0, -1, True, 2.0])
def test_an_invalid_number_of_workers_is_rejected(tmp_path: Path, workers: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="workers must be an int >= 1"):
        replay_many(write_units(tmp_path), workers=workers)


def test_an_executor_and_a_number_of_workers_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="workers must be left out if you pass an executor"):
        replay_many(write_units(tmp_path), executor=OutOfOrder(3, 0), workers=2)


def test_a_lambda_is_rejected_before_any_process_starts_but_works_in_this_process(tmp_path: Path) -> None:
    units = write_units(tmp_path)
    for count in (1, 3):
        with pytest.raises(InvalidArgumentError, match="analysis must be a function that can be pickled"):
            replay_many(units[:count], lambda run: len(run.symbols))
    with ProcessPoolExecutor(1) as pool, pytest.raises(InvalidArgumentError, match="analysis must be"):
        replay_many(units, lambda run: len(run.symbols), executor=pool)
    assert [result.value for result in replay_many(units, lambda run: len(run.symbols), workers=1)] == [
        1,
        1,
        1,
    ]
