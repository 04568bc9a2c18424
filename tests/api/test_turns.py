"""The event loop works on one change at a time, and on every read at once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from oms.api.turns import Turns, waiting


def scope(method: str, path: str = "/price") -> Scope:
    return {"type": "http", "method": method, "path": path}


async def nothing(*_: Any) -> Any:
    return {"type": "http.request"}


async def forever() -> Any:
    await anyio.sleep_forever()


class App:
    """An application that records which requests the event loop works on at the same time."""

    def __init__(self) -> None:
        self.working: list[str] = []
        self.most = 0
        self.gate = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.working.append(scope["method"])
        self.most = max(self.most, self.working.count("POST"))
        await anyio.sleep(0)
        if scope["method"] == "POST":
            self.working.remove("POST")
            async with waiting():
                await self.gate.wait()
            self.working.append("POST")
            await anyio.sleep(0)
        self.most = max(self.most, self.working.count("POST"))
        self.working.remove(scope["method"])


def test_changes_take_turns_while_the_loop_works_on_them_but_not_while_they_wait() -> None:
    async def run() -> None:
        app = App()
        turns = Turns(app)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(turns, scope("POST"), nothing, nothing)
            await anyio.wait_all_tasks_blocked()  # all changes have had a turn, and wait together
            assert app.working == []
            await turns(scope("GET"), nothing, nothing)
            app.gate.set()
        assert app.most == 1

    anyio.run(run)


READS = [("GET", "/price"), ("HEAD", "/price"), ("OPTIONS", "/price")]
PAGES = [("GET", "/orders"), ("GET", "/oms/events")]


@pytest.mark.parametrize(
    ("method", "path", "waits"), [*((*read, False) for read in READS), *((*page, True) for page in PAGES)]
)
def test_a_read_of_a_page_waits_for_its_turn_and_another_read_does_not(
    method: str, path: str, waits: bool
) -> None:
    async def run() -> None:
        held, done = anyio.Event(), []

        async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
            if scope["method"] == "POST":
                await held.wait()  # this change does not give up its turn
            done.append(scope["method"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Turns(app), scope("POST"), nothing, nothing)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(Turns(app), {**scope(method, path), "root_path": "/oms"}, nothing, nothing)
            await anyio.wait_all_tasks_blocked()
            assert done == ([] if waits else [method])
            held.set()
        assert done == (["POST", method] if waits else [method, "POST"])

    anyio.run(run)


@pytest.mark.parametrize("step", ["receive", "send"])
def test_a_client_that_is_slow_does_not_keep_its_turn(step: str) -> None:
    async def run() -> None:
        slow, done = anyio.Event(), []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive() if step == "receive" else await send({"type": "http.response.start"})
            done.append(scope["path"])

        async def wait(*_: Any) -> Any:
            await slow.wait()
            return {"type": "http.request"}

        turns = Turns(app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turns, {**scope("POST"), "path": "slow"}, wait, wait)
            await anyio.wait_all_tasks_blocked()
            await turns({**scope("POST"), "path": "fast"}, nothing, nothing)
            slow.set()
        assert done == ["fast", "slow"]

    anyio.run(run)


def test_a_change_that_fails_or_is_canceled_gives_up_its_turn() -> None:
    async def run() -> None:
        async def app(scope: Scope, receive: Receive, _send: Send) -> None:
            if scope["path"] == "fails":
                raise ValueError
            if scope["path"] == "canceled":
                await receive()

        turns = Turns(app)
        with pytest.raises(ValueError):  # noqa: PT011 - the application raises it without a message
            await turns({**scope("POST"), "path": "fails"}, nothing, nothing)
        with anyio.move_on_after(0.01):
            await turns({**scope("POST"), "path": "canceled"}, forever, nothing)
        with anyio.fail_after(20):
            await turns({**scope("POST"), "path": "made"}, nothing, nothing)

    anyio.run(run)
