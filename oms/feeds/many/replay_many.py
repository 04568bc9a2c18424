"""Replay many units (files) in parallel, and return their results in the order of the units."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar, overload

from oms.errors import InvalidArgumentError
from oms.feeds.errors import WorkerError
from oms.feeds.many.pickling import check_picklable
from oms.feeds.many.results import (
    Outcome,
    ReplayProgress,
    ReplayResult,
    UnitFailure,
    UnitsError,
    ends_the_run,
)
from oms.feeds.many.tasks import Analysis, replay_unit
from oms.feeds.many.units import ReplayUnit
from oms.feeds.many.worker_pool import WorkerPool, not_received
from oms.models import check_positive

__all__ = ["replay_many"]

Value = TypeVar("Value")

_Outcomes: TypeAlias = Generator[tuple[int, Outcome]]


@overload
def replay_many(
    units: Iterable[ReplayUnit],
    analysis: None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[ReplayProgress], object] | None = None,
) -> tuple[ReplayResult[None], ...]: ...
@overload
def replay_many(
    units: Iterable[ReplayUnit],
    analysis: Analysis[Value],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[ReplayProgress], object] | None = None,
) -> tuple[ReplayResult[Value], ...]: ...
def replay_many(
    units: Iterable[ReplayUnit],
    analysis: Analysis[Any] | None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[ReplayProgress], object] | None = None,
) -> tuple[ReplayResult[Any], ...]:
    r"""Replay each unit into its own books, and return the results in the order of the units.

    `analysis` is called once for each unit, with a UnitReplay. It iterates over the replay, and returns a
    small value for the result. If it returns before the end of the file, the rest of the file is still
    replayed. Its value must depend only on the replay. The results are then the same on every executor,
    however the units are scheduled.

    Worker processes replay the units. `workers` is their number, by default one for each processor that this
    process may use. The largest files begin first. With a single unit or `workers=1`, the current process
    replays the units. To use other workers, pass any `concurrent.futures.Executor` as `executor`, such as the
    `get_executor()` of a Dask client. The executor remains open. `progress` is called in the current thread
    each time a unit finishes.

    If a file cannot be read, the run continues. At the end, `replay_many` raises a UnitsError (a FeedError),
    which contains the reasons and the results of the other units. Any other exception, such as an exception
    from the analysis, also becomes part of this error, but no further unit begins after it. If a worker
    process dies, another one replays its unit. A unit fails with WorkerError after three worker processes
    have died while replaying it, or if the executor loses it.

    Raise InvalidArgumentError if there are no units, if two units are equal, or if worker processes cannot
    import the analysis. Raise WorkerError if no worker can start. Ctrl-C ends the worker processes.

    O(m log n) for each unit of m messages and n resting orders. Each worker has the books of one unit in
    memory.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for day in ("2020-01-02", "2020-01-03"):
    ...         path = pathlib.Path(folder, f"XYZ_{day}_34200000_57600000_message_5.csv")
    ...         _ = path.write_text("34200.1,1,7,10,1000,-1\n34200.2,4,7,3,1000,-1\n")
    ...     units = [ReplayUnit(path) for path in sorted(pathlib.Path(folder).iterdir())]
    ...     results = replay_many(units, lambda run: sum(1 for _ in run), workers=1)
    >>> [(result.value, result.report.agrees, result.last_sequence) for result in results]
    [(2, True, 2), (2, True, 2)]

    """
    checked = _checked(units)
    sizes = [unit.size() for unit in checked]
    outcomes = _outcomes(checked, sizes, analysis, executor, workers)
    return _merged(checked, sizes, outcomes, progress)


def _checked(units: Iterable[ReplayUnit]) -> tuple[ReplayUnit, ...]:
    checked = tuple(units)
    if not checked:
        raise InvalidArgumentError("units", checked, "at least one ReplayUnit")
    seen = set[ReplayUnit]()
    for unit in checked:
        if type(unit) is not ReplayUnit:
            raise InvalidArgumentError("units", unit, "ReplayUnits", "write ReplayUnit(path)")
        if unit in seen:
            raise InvalidArgumentError("units", unit.name, "distinct (one occurs twice)")
        seen.add(unit)
    return checked


def _outcomes(
    units: Sequence[ReplayUnit],
    sizes: Sequence[int],
    analysis: Analysis[Any] | None,
    executor: Executor | None,
    workers: int | None,
) -> _Outcomes:
    """Check the arguments. Return a generator of the index and the outcome of each unit."""
    if executor is not None and workers is not None:
        raise InvalidArgumentError("workers", workers, "left out if you pass an executor, which has its own")
    if workers is not None:
        check_positive("workers", workers, InvalidArgumentError)
    if workers != 1 and (executor is None or isinstance(executor, ProcessPoolExecutor)):
        check_picklable(analysis)
    largest_first = sorted(range(len(units)), key=sizes.__getitem__, reverse=True)
    if executor is not None:
        return _on(executor, units, analysis, largest_first)
    workers = min(workers or _processors(), len(units))
    if workers == 1:
        return _here(units, analysis)
    return WorkerPool(workers, units, analysis).outcomes(largest_first)


def _processors() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return (os.cpu_count() or 1) if affinity is None else len(affinity(0))


def _here(units: Sequence[ReplayUnit], analysis: Analysis[Any] | None) -> _Outcomes:
    """Replay the units in this process."""
    for index, unit in enumerate(units):
        outcome = replay_unit(unit, analysis)
        yield index, outcome
        if ends_the_run(outcome):
            return


def _on(
    executor: Executor, units: Sequence[ReplayUnit], analysis: Analysis[Any] | None, order: Sequence[int]
) -> _Outcomes:
    """Replay the units on an executor. If the run ends early, cancel the units that have not begun."""
    futures: dict[Future[Outcome], int] = {}
    # Not as_completed(), which never yields a future that was canceled by the shutdown of its executor.
    done = SimpleQueue[Future[Outcome]]()
    is_ending = False
    try:
        for index in order:
            futures[_submitted(executor, units[index], analysis)] = index
        for future in futures:
            future.add_done_callback(done.put)
        for _ in futures:
            future = done.get()
            if is_ending and future.cancelled():
                continue
            outcome = _outcome_of(future)
            if ends_the_run(outcome):
                is_ending = True
                _cancel(futures)
            yield futures[future], outcome
    finally:
        _cancel(futures)


def _submitted(executor: Executor, unit: ReplayUnit, analysis: Analysis[Any] | None) -> Future[Outcome]:
    try:
        return executor.submit(replay_unit, unit, analysis)
    except RuntimeError as error:  # the executor has been shut down, or is broken
        raise WorkerError(f"the executor accepts no units: {error}") from error


def _outcome_of(future: Future[Outcome]) -> Outcome:
    try:
        error = future.exception()
    except CancelledError as cancellation:
        error = cancellation
    return future.result() if error is None else not_received(error)


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()


def _merged(
    units: Sequence[ReplayUnit],
    sizes: Sequence[int],
    outcomes: _Outcomes,
    progress: Callable[[ReplayProgress], object] | None,
) -> tuple[ReplayResult[Any], ...]:
    """Collect the outcomes, and return the results in the order of the units."""
    results: dict[int, ReplayResult[Any]] = {}
    failures: dict[int, Exception] = {}
    finished_bytes = 0
    with closing(outcomes):
        for index, outcome in outcomes:
            result = None if isinstance(outcome, Exception) else outcome
            if isinstance(outcome, Exception):
                failures[index] = outcome
            else:
                results[index] = outcome
            finished_bytes += sizes[index]
            if progress is not None:
                finished = len(results) + len(failures)
                progress(
                    ReplayProgress(units[index], result, finished, len(units), finished_bytes, sum(sizes))
                )
    in_order = tuple(results[index] for index in sorted(results))
    if failures:
        raise UnitsError(
            tuple(UnitFailure(units[index], failures[index]) for index in sorted(failures)), in_order
        )
    return in_order
