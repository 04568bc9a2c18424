"""An event loop in a thread of its own, for synchronous callers.

nats-py needs an event loop that runs all the time, because it must respond to the servers' pings even while
no caller waits for a result. The thread is a daemon, so a program that forgets to close a connection can
still exit.
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

_LONGEST_END = 5.0  # seconds that the tasks have to end when the loop is closed


class EventLoop:
    """A running event loop. `name` is the name of its thread. `place` names it in error messages.

    Raises JournalError if the system cannot start a thread, or has no file descriptors left.
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
        Raises RuntimeError if the loop is closed before the call, and CancelledError if it is closed during
        the call.
        """
        call = self._started(function)
        try:
            return call.result.result(seconds)
        except BaseException:  # including an interrupt of the waiting thread
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(call.cancel)
            raise

    def start(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Start an asynchronous function in the loop, and return a future for its result.

        Raises RuntimeError if the loop is closed. If the loop is closed later, the future is canceled.
        """
        return self._started(function).result

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the thread of the loop, without waiting for its result.

        Raises RuntimeError if the loop is closed.
        """
        self._loop.call_soon_threadsafe(function)

    def _started(self, function: Callable[[], Coroutine[Any, Any, T]]) -> _Call[T]:
        call = _Call(function, self._loop)
        self.call_soon(call.start)
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

    If the calling thread created the coroutine, the coroutine might never be awaited after an interrupt.
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
