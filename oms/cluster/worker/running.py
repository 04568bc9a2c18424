"""The loops of a worker beside its HTTP server, from the start to the end of the process."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from threading import Event, Thread

from fastapi import FastAPI

from oms.api import Settings, server
from oms.cluster.membership import ReplacedError
from oms.cluster.replicated_log import UnavailableError
from oms.cluster.worker.worker import Worker

__all__ = ["serve_worker"]

_log = logging.getLogger("oms.cluster")

_STEP, _FOLLOW, _HASH = 1.0, 0.1, 1.0  # seconds between two calls


def serve_worker(worker: Worker, app: FastAPI, listening: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and then give up all shards. After SIGINT, raise KeyboardInterrupt."""
    stopped = Event()

    def repeat(call: Callable[[], object], seconds: float) -> None:
        while not stopped.is_set():
            _guarded(call)
            stopped.wait(seconds)

    loops = ((worker.step, _STEP), (worker.follow, _FOLLOW), (worker.hash, _HASH))
    threads = [
        Thread(target=repeat, args=loop, name=f"oms worker {loop[0].__name__}", daemon=True) for loop in loops
    ]
    for thread in threads:
        thread.start()
    try:
        server.run(app, listening, settings=settings)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
        worker.stop()


def _guarded(call: Callable[[], object]) -> None:
    """Make a call of a loop. A failure must not end the loop, because the next call may succeed."""
    try:
        call()
    except UnavailableError as error:
        _log.warning("the bucket of the cluster cannot be reached: %s", error)
    except ReplacedError as error:
        _log.critical("%s; this worker ends", error)
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception:
        _log.exception("a step of the worker has failed, and is repeated")
