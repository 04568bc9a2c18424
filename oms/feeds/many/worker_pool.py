"""Worker processes that survive the death of one of them.

The problem: a process can end in the middle of a unit. The system kills it because memory is short, or a
library crashes. The other units must not be lost, and a unit that kills every worker must be named.

What does not work:

- One ProcessPoolExecutor with several workers. If one worker ends, the whole pool breaks. Every unfinished
  future gets the same BrokenProcessPool, which does not say which unit was the cause.
- Running all lost units again in a new pool. A good unit that shares its pools with a bad one would lose its
  workers too, and would be blamed.
- Starting workers with fork. A fork copies locks that other threads hold. So workers start with spawn, which
  is slower and imports the program's main module again.

The solution: each worker is a ProcessPoolExecutor of its own with one process, and gets one unit at a time.

Invariants:

1. A worker's first task returns its process id. A worker gets no unit before that, so a worker that cannot
   start is never mistaken for a unit that kills its worker.
2. If a worker ends, at most one unit is lost, and that unit goes to a new worker. A unit that has lost
   `ATTEMPTS` workers fails.
3. However the run ends, no process remains. A worker that is still replaying is killed, because its result is
   no longer needed. Workers ignore Ctrl-C, which a terminal sends to all processes. The process that started
   them handles it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from typing import Any

from oms.feeds.errors import WorkerError
from oms.feeds.many.results import Outcome, ends_the_run
from oms.feeds.many.tasks import Analysis, replay_unit
from oms.feeds.many.units import ReplayUnit

__all__ = ["ATTEMPTS", "WorkerPool", "not_received"]

ATTEMPTS = 3
"""A unit fails after it has lost this many workers. A run ends after this many failed starts in a row."""


class WorkerPool:
    """A run of tasks on worker processes of our own."""

    def __init__(self, workers: int, units: Sequence[ReplayUnit], analysis: Analysis[Any] | None) -> None:
        """Set the number of workers. Start nothing yet."""
        self._most = workers
        self._units = units
        self._analysis = analysis
        self._waiting = deque[int]()
        self._workers: set[_Worker] = set()
        self._running: dict[Future[Any], _Worker] = {}
        self._lost = Counter[int]()
        self._has_started = False
        self._failed_starts = 0

    def outcomes(self, order: Sequence[int]) -> Generator[tuple[int, Outcome]]:
        """Yield each unit's index and outcome when it finishes. Begin the units in the given order.

        Raise WorkerError if the workers cannot start.
        """
        self._waiting.extend(order)
        try:
            for _ in range(min(self._most, len(order))):
                self._start_worker()
            while self._running:
                finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield from self._after(self._running.pop(future), future)
        finally:
            self._stop()

    def _start_worker(self) -> None:
        worker = _Worker()
        self._workers.add(worker)
        self._running[worker.start()] = worker

    def _after(self, worker: _Worker, future: Future[Any]) -> Iterator[tuple[int, Outcome]]:
        """Handle a finished task, and give the worker the next unit."""
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            yield from self._after_an_end(worker, error)
            return
        if worker.index is None:
            worker.process_id = future.result()
            self._has_started, self._failed_starts = True, 0
        else:
            outcome = future.result() if error is None else not_received(error)
            if ends_the_run(outcome):
                self._waiting.clear()
            yield worker.index, outcome
        if self._waiting:
            try:
                self._running[worker.begin(self._waiting.popleft(), self._units, self._analysis)] = worker
            except BrokenExecutor as end:
                yield from self._after_an_end(worker, end)

    def _after_an_end(self, worker: _Worker, error: BrokenExecutor) -> Iterator[tuple[int, Outcome]]:
        """Put back the unit of a worker that has ended, and start another worker."""
        index = worker.index
        if index is None:
            self._failed_starts += 1
            if not self._has_started:
                raise WorkerError(
                    "the worker processes cannot start; in a script, call replay_many below "
                    "if __name__ == '__main__':, or pass workers=1"
                ) from error
            while self._failed_starts == ATTEMPTS and self._waiting:
                yield self._waiting.popleft(), WorkerError(f"{ATTEMPTS} worker processes could not start")
        else:
            self._lost[index] += 1
            if self._lost[index] < ATTEMPTS:
                self._waiting.appendleft(index)
            else:
                yield index, WorkerError(f"the worker process ended in each of {ATTEMPTS} attempts")
        if self._waiting:
            self._start_worker()

    def _stop(self) -> None:
        for worker in self._running.values():
            worker.kill()
        for worker in self._workers:
            worker.stop()


def not_received(error: BaseException) -> WorkerError:
    """Return the outcome of a task whose executor raised an exception."""
    return WorkerError(f"the result did not arrive: {type(error).__name__}: {error}")


class _Worker:
    """One process that runs one task at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _ignore_interrupts)
        self.index: int | None = None
        self.process_id: int | None = None

    def start(self) -> Future[int]:
        return self._pool.submit(os.getpid)

    def begin(
        self, index: int, units: Sequence[ReplayUnit], analysis: Analysis[Any] | None
    ) -> Future[Outcome]:
        self.index = index
        return self._pool.submit(replay_unit, units[index], analysis)

    def kill(self) -> None:
        for process in multiprocessing.active_children():
            if process.pid == self.process_id:
                process.kill()

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
