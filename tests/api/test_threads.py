"""Reads and changes run in threads of their own, so changes that wait never keep a read from starting."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from oms import MatchingEngine, OrderManagement
from oms.api import create_router, turns
from oms.api.callers import can_change
from oms.api.threads import CHANGES, PAGES, READS, Pool, in_thread


def test_each_pool_runs_at_most_its_number_of_calls_at_once() -> None:
    running, most = 0, 0

    def call(waiting: anyio.Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        anyio.from_thread.run(waiting.wait)
        running -= 1

    async def run() -> None:
        waiting, pool = anyio.Event(), Pool("test", 3)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(lambda: in_thread(call, pool)(waiting=waiting))
            while pool.limiter().statistics().tasks_waiting < 7 or running < 3:
                await anyio.sleep(0)
            waiting.set()

    anyio.run(run)
    assert most == 3


def test_a_read_runs_while_all_threads_for_changes_wait() -> None:
    async def run() -> str:
        waiting = anyio.Event()

        def change() -> None:
            anyio.from_thread.run(waiting.wait)

        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(in_thread(change, CHANGES))
            while CHANGES.limiter().available_tokens:
                await anyio.sleep(0)
            answer: str = await in_thread(lambda: "read", READS)()
            answer += await run_in_threadpool(lambda: ", stream")
            waiting.set()
        return answer

    assert anyio.run(run) == "read, stream"


def test_each_event_loop_has_its_own_limiter() -> None:
    async def limiter() -> object:
        return READS.limiter()

    assert anyio.run(limiter) is not anyio.run(limiter)


@pytest.mark.parametrize("books", [OrderManagement, MatchingEngine])
def test_every_endpoint_that_can_change_the_books_runs_in_the_threads_for_changes(
    books: Callable[[], OrderManagement | MatchingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: dict[str, Pool] = {}
    original = in_thread

    def spy(endpoint: Callable[..., object], pool: Pool) -> Callable[..., object]:
        pools[endpoint.__name__] = pool
        return original(endpoint, pool)

    monkeypatch.setattr("oms.api.route.in_thread", spy)
    router: APIRouter = create_router(books())
    app = FastAPI()
    app.include_router(router)
    for route in router.routes:
        if isinstance(route, Route) and route.methods:
            is_change = any(can_change(method, route.path) for method in route.methods)
            expected = CHANGES if is_change else PAGES if route.path in turns.PAGES else READS
            assert pools[route.endpoint.__name__] is expected, route.path
