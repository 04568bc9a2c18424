"""An event loop in a thread of its own, for callers that are not asynchronous.

nats-py needs a running event loop, which answers the servers' pings even while nobody waits for a result. The
thread is a daemon, so a program that forgets to close a connection still ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any, Generic, TypeVar

from oms.errors import JournalError

__all__ = ["EventLoop"]

T = TypeVar("T")

_LONGEST_END = 5.0  # seconds in which the tasks must end when the loop is closed


class EventLoop:
    """A running event loop. `name` is the name of its thread, and `place` is the place in error messages.

    Raises JournalError if the system cannot start another thread, or has no more file descriptors.
    """

    def __init__(self, name: str, place: str) -> None:
        try:
            self._loop = asyncio.new_event_loop()
        except OSError as error:
            raise JournalError(
                place, f"it needs an event loop, which could not be created: {error}"
            ) from error
        self._thread = Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._loop.close()
            problem = f"it needs a thread, but none could be started ({error}); end other threads first"
            raise JournalError(place, problem) from error

    def run(self, function: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Run an asynchronous function in the loop, and return its result.

        After `seconds` seconds, cancel the function and raise TimeoutError. Raises the error of the function.
        Raises RuntimeError if the loop is closed, and CancelledError if the loop is closed meanwhile.
        """
        call = self._started(function)
        try:
            return call.result.result(seconds)
        except BaseException:  # an interrupt of the waiting thread, too
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(call.cancel)
            raise

    def start(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run an asynchronous function in the loop, and return the future of its result at once.

        Raises RuntimeError if the loop is closed. The future is canceled if the loop is closed meanwhile.
        """
        return self._started(function).result

    def _started(self, function: Callable[[], Coroutine[Any, Any, T]]) -> _Call[T]:
        call = _Call(function, self._loop)
        self._loop.call_soon_threadsafe(call.start)
        return call

    def close(self) -> None:
        """Cancel all tasks, and end the thread. A second call does nothing."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        if current_thread() is not self._thread:
            self._thread.join(_LONGEST_END + 1)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=_LONGEST_END))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


class _Call(Generic[T]):
    """A call of an asynchronous function. The coroutine exists only in the loop's thread.

    If the calling thread created the coroutine, an interrupt could leave a coroutine that is never awaited.
    """

    def __init__(
        self, function: Callable[[], Coroutine[Any, Any, T]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.result: Future[T] = Future()
        self._function = function
        self._loop = loop
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._function())
        self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.result.cancel()
        elif (error := task.exception()) is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())
