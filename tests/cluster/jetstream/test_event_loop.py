"""The thread with the event loop: results, errors, time limits, interrupts, and its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from oms import JournalError
from oms.cluster.jetstream import event_loop
from oms.cluster.jetstream.event_loop import EventLoop
from support.interrupts import Interrupt, interrupted_at_line


async def forever() -> None:
    await asyncio.Event().wait()


async def seven() -> int:
    await asyncio.sleep(0)
    return 7


async def failing() -> None:
    raise LookupError("on purpose")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "a loop"]


def test_a_function_runs_in_the_thread_of_the_loop() -> None:
    async def name() -> str:
        return threading.current_thread().name

    loop = EventLoop("a loop", "a place")
    assert (loop.run(seven, 5), loop.run(name, 5)) == (7, "a loop")
    with pytest.raises(LookupError, match="on purpose"):
        loop.run(failing, 5)
    loop.close()
    assert threads() == []


def test_a_function_is_canceled_after_the_time_limit() -> None:
    canceled = threading.Event()

    async def waits() -> None:
        try:
            await forever()
        finally:
            canceled.set()

    loop = EventLoop("a loop", "a place")
    with pytest.raises(TimeoutError):
        loop.run(waits, 0.01)
    assert canceled.wait(60)
    loop.close()


def test_closing_cancels_what_is_running_and_a_second_close_does_nothing() -> None:
    loop, started = EventLoop("a loop", "a place"), threading.Event()

    async def waits() -> None:
        started.set()
        await forever()

    errors = list[BaseException]()

    def run() -> None:
        try:
            loop.run(waits, 60)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(60)
    loop.close()
    loop.close()
    thread.join(60)
    assert [type(error) for error in errors] == [CancelledError]
    with pytest.raises(RuntimeError, match="closed"):
        loop.run(seven, 5)


def test_a_loop_can_be_closed_from_its_own_thread() -> None:
    loop = EventLoop("a loop", "a place")

    async def close() -> None:
        loop.close()

    with pytest.raises(CancelledError):
        loop.run(lambda: asyncio.wait_for(closes_and_waits(close), 60), 60)
    loop.close()
    assert threads() == []


async def closes_and_waits(close: object) -> None:
    await close()  # type: ignore[operator]  # an asynchronous function
    await forever()


def test_a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    loops = list[asyncio.AbstractEventLoop]()
    make = asyncio.new_event_loop

    def new_event_loop() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    monkeypatch.setattr(threading.Thread, "start", fail)
    monkeypatch.setattr(asyncio, "new_event_loop", new_event_loop)
    with pytest.raises(JournalError, match="a place: it needs a thread, but none could be started"):
        EventLoop("a loop", "a place")
    assert [loop.is_closed() for loop in loops] == [True]


def test_a_loop_that_cannot_be_created_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncio, "new_event_loop", fail)
    with pytest.raises(JournalError, match=r"a place: it needs an event loop.*Too many open files"):
        EventLoop("a loop", "a place")


def test_an_interrupt_at_any_line_leaves_the_loop_usable() -> None:
    loop = EventLoop("a loop", "a place")
    line = 1
    while interrupted_at_line(line, lambda: loop.run(seven, 60), Interrupt, files={event_loop.__file__}):
        line += 1
        assert loop.run(seven, 60) == 7
    assert line > 5
    loop.close()


def test_a_program_that_forgets_to_close_its_loop_ends() -> None:
    script = (
        "import asyncio\n"
        "from oms.cluster.jetstream.event_loop import EventLoop\n"
        "loop = EventLoop('a loop', 'a place')\n"
        "async def nothing(): pass\n"
        "loop.run(nothing, 5)\n"
        "loop._loop.call_soon_threadsafe(lambda: loop._loop.create_task(asyncio.sleep(3600)))\n"
        "print('done')\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    assert (process.stdout, process.stderr) == (b"done\n", b"")
