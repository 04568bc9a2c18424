"""The loops that a worker runs in addition to its HTTP server, from its start to its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from fastapi import FastAPI

from oms.api import Settings, server
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.membership import ReplacedError
from oms.cluster.worker.worker import Worker

__all__ = ["Steps", "serve_worker"]

_log = logging.getLogger("oms.cluster")

_FOLLOW, _HASH = 0.1, 1.0  # seconds between two calls
_SOON = 0.1  # seconds between two steps while something is being opened or closed


def serve_worker(worker: Worker, app: FastAPI, listening: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and then release all shards. After SIGINT, raise KeyboardInterrupt."""
    stopped, steps = Event(), Steps(worker)

    def repeat(call: Callable[[], object], seconds: float) -> None:
        while not stopped.is_set():
            _guarded(call)
            stopped.wait(_SOON if call == steps.step and worker.is_busy else seconds)

    beat = worker.membership.beat_seconds
    loops = ((steps.step, beat), (worker.follow, _FOLLOW), (worker.hash, _HASH))
    threads = stepping, *others = [
        Thread(target=repeat, args=loop, name=f"oms worker {loop[0].__name__}", daemon=True) for loop in loops
    ]
    for thread in threads:
        thread.start()
    try:
        server.run(app, listening, settings=settings)
    finally:
        stopped.set()
        stepping.join()  # another step could claim the shards again
        worker.stop()  # before the other loops end, because it can take minutes to save a snapshot
        _log.info("this worker serves no shards any more")
        for thread in others:
            thread.join()


class Steps:
    """The steps of a worker. A log line reports when the bucket is lost, and when it can be reached again."""

    def __init__(self, worker: Worker, clock: Callable[[], float] = monotonic) -> None:
        self._worker = worker
        self._clock = clock
        self._lost_at: float | None = None
        self._has_expired = False

    def step(self) -> None:
        """Take the next step. See Worker.step. Raises ReplacedError."""
        try:
            self._worker.step()
        except UnavailableError as error:
            self._note(error)
            return
        if self._lost_at is not None:
            seconds = self._clock() - self._lost_at
            _log.warning("the bucket of the cluster can be reached again, after %.0f seconds", seconds)
        self._lost_at, self._has_expired = None, False

    def _note(self, error: UnavailableError) -> None:
        if self._lost_at is None:
            self._lost_at = self._clock()
            _log.warning("the bucket of the cluster cannot be reached: %s", error)
        membership = self._worker.membership
        if membership.owned and membership.remaining_seconds <= 0 and not self._has_expired:
            self._has_expired = True
            _log.error("the lease has expired, so this worker serves no shard until it has renewed the lease")


def _guarded(call: Callable[[], object]) -> None:
    """Call a function in a loop. An error must not end the loop, because the next call may succeed."""
    try:
        call()
    except ReplacedError as error:
        _log.critical("%s; this worker ends", error)
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception:
        _log.exception("a step of the worker has failed, and is repeated")
