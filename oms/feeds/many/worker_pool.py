"""A pool of worker processes that survives the death of a worker.

The problem: a process can die while it replays a unit (one file to replay). For example, the system kills it
when memory runs out, or a library crashes. The other units must not be lost, and if a unit kills every
worker, the error must name this unit.

What does not work:

- Using one ProcessPoolExecutor with several workers. If one worker dies, the whole pool breaks. Every
  unfinished future gets the same BrokenProcessPool error, which does not say which unit was the cause.
- Running all lost units again in a new pool. A good unit that is always in the same pool as a bad unit would
  also lose its workers, and would fail.
- Starting workers with fork. A fork copies locks while other threads hold them. So workers start with spawn,
  which is slower, and imports the program's main module again.

The solution: each worker is a separate ProcessPoolExecutor with one process, and gets one unit at a time.

Invariants:

1. A worker's first task returns its process id. Only then does the worker get a unit, so a failed start is
   never attributed to a unit.
2. If a worker dies, at most one unit is lost, and a new worker replays this unit. A unit fails after
   `ATTEMPTS` workers have died while replaying it.
3. No matter how the run ends, no worker process remains. A worker that is still replaying is killed, because
   its result is no longer needed. A terminal sends Ctrl-C to all processes. Workers ignore it, and the
   process that started them (the parent) handles it. If the parent is killed, it cannot end its workers. So
   each worker watches the parent, and exits when the parent exits.
4. Only the worker holds the write end of the pipe for its results. So when the worker dies, the reader gets
   EOF, even in the middle of a result.
5. After `ATTEMPTS` failed starts in a row, all waiting units fail, so the run ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from threading import Thread
from typing import Any

from oms.feeds.errors import WorkerError
from oms.feeds.many.results import Outcome, ends_the_run
from oms.feeds.many.tasks import Analysis, replay_unit
from oms.feeds.many.units import ReplayUnit

__all__ = ["ATTEMPTS", "WorkerPool", "not_received"]

ATTEMPTS = 3
"""A unit fails after this many workers have died on it. A run ends after this many failed starts in a row."""


class WorkerPool:
    """A run of tasks on worker processes that the pool itself starts."""

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
        """Yield each unit's index and outcome when the unit finishes. Begin the units in the order `order`.

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
        """Put a dead worker's unit back into the queue, or yield the unit's failure. Start another worker."""
        index = worker.index
        if index is None:
            self._failed_starts += 1
            if not self._has_started:
                raise WorkerError(
                    "the worker processes cannot start; in a script, call replay_many below "
                    "if __name__ == '__main__':, or pass workers=1"
                ) from error
            while self._failed_starts >= ATTEMPTS and self._waiting:
                yield self._waiting.popleft(), WorkerError(f"{ATTEMPTS} worker processes could not start")
        else:
            self._lost[index] += 1
            if self._lost[index] < ATTEMPTS:
                self._waiting.appendleft(index)
            else:
                failure = WorkerError(f"the worker process ended in each of {ATTEMPTS} attempts")
                failure.__cause__ = error  # it has a traceback if this process could not read the result
                yield index, failure
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
        self._pool = ProcessPoolExecutor(1, context, _initialize)
        self.index: int | None = None
        self.process_id: int | None = None

    def start(self) -> Future[int]:
        try:
            future = self._pool.submit(os.getpid)  # also starts the process
        except OSError as error:  # the system has no memory for another process
            failed = Future[int]()
            failed.set_exception(BrokenExecutor(f"no process can start: {error}"))
            return failed
        # The reader of a pipe waits as long as any process has the write end open. So this process must close
        # its own copy of the write end. Otherwise, if the worker is killed in the middle of a long result,
        # the reader would wait forever for the rest of the result.
        results: Any = self._pool._result_queue
        results._writer.close()
        return future

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


def _initialize() -> None:
    """Ignore Ctrl-C, which the parent process handles, and exit when the parent process exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
