"""Backlogs of streams, and texts that are made once for all streams."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any

import pytest

from oms import Order, OrderManagement, Side
from oms.api.backlog import CATCHING_UP, Backlog, Notice, Readers, Text
from oms.events import Event, OrderAdded, OrdersAdded


def event(sequence: int = 1, symbol: str = "JPM") -> OrderAdded:
    return OrderAdded(Order(sequence, symbol, Side.BUY, 1, 1), sequence)


class Source:
    """A source that counts its notices."""

    def __init__(self) -> None:
        self.notices = 0

    def notice(self, event: Event) -> Notice:
        self.notices += 1
        return Notice(event)


# ---------------------------------------------------------------------- texts


def test_a_text_is_made_once_for_all_streams_with_the_same_key() -> None:
    notice, made = Notice(event()), list[int]()

    def make() -> dict[str, Any]:
        made.append(1)
        return {"type": "OrderAdded", "previous": 0, "sequence": 1}

    texts = {notice.text("key", make, None).result() for _ in range(50)}
    assert (len(texts), len(made)) == (1, 1)
    assert notice.text("other key", make, None).result() not in texts


def test_a_large_text_is_made_once_by_a_worker_thread() -> None:
    notice, threads = Notice(event()), list[int]()

    def make() -> None:
        threads.append(get_ident())

    with ThreadPoolExecutor(1) as worker:
        futures = {id(notice.text(None, make, worker)) for _ in range(50)}
        assert notice.text(None, make, worker).result() is None
    assert (len(futures), len(threads)) == (1, 1)
    assert threads != [get_ident()]


@pytest.mark.parametrize(("previous", "number"), [(7, "7"), (2**53, f'"{2**53}"')])
def test_a_text_has_the_number_of_the_previous_message_of_each_stream(previous: int, number: str) -> None:
    text = Text({"type": "X", "previous": 0, "sequence": 9, "orders": [{"order_id": 2**60}]})
    expected = f'{{"type":"X","previous":{number},"sequence":9,"orders":[{{"order_id":"{2**60}"}}]}}'
    assert text.after(previous) == expected
    assert text.after(previous) is text.after(previous)
    assert json.loads(text.after(8))["previous"] == 8


# ---------------------------------------------------------------------- backlogs


async def settled() -> None:
    """Let the event loop run what other code has scheduled."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_all_backlogs_share_one_notice_of_an_event() -> None:
    async def follow() -> None:
        source = Source()
        readers = Readers(OrderManagement(), source)
        backlogs = [Backlog(None, None, 5) for _ in range(10)]
        for backlog in backlogs:
            readers.add(backlog)
        readers(event())
        assert len({id(await backlog.next()) for backlog in backlogs}) == 1
        assert source.notices == 1

    asyncio.run(follow())


def test_an_event_wakes_the_event_loop_once_for_all_backlogs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow() -> None:
        readers = Readers(OrderManagement(), Source())
        for _ in range(10):
            readers.add(Backlog(None, None, 5))
        calls: list[object] = []
        loop = asyncio.get_running_loop()
        original = loop.call_soon_threadsafe

        def call(*arguments: Any) -> None:
            calls.append(arguments)
            original(*arguments)

        monkeypatch.setattr(loop, "call_soon_threadsafe", call)
        readers(event(1))
        readers(event(2))
        assert len(calls) == 1
        await settled()
        readers(event(3))
        assert len(calls) == 2

    asyncio.run(follow())


def test_without_streams_no_notice_is_made() -> None:
    source = Source()
    Readers(OrderManagement(), source)(event())
    assert source.notices == 0


def test_a_backlog_is_bounded_and_may_be_longer_until_its_stream_has_caught_up() -> None:
    async def follow() -> None:
        readers, backlog = Readers(OrderManagement(), Source()), Backlog(None, None, 2)
        readers.add(backlog)
        for sequence in range(1, 2 * CATCHING_UP + 1):
            readers(event(sequence))
        await settled()
        assert not backlog.overflow.is_set()
        for sequence in range(1, 2 * CATCHING_UP + 1):
            assert (await backlog.next()).event.sequence == sequence
        waiting = asyncio.create_task(backlog.next())
        await settled()
        for sequence in range(1, 5):
            if sequence == 3:
                await waiting
            assert not backlog.overflow.is_set()
            readers(event(2 * CATCHING_UP + sequence))
        await settled()
        assert backlog.overflow.is_set()

    asyncio.run(follow())


def test_a_backlog_ignores_events_of_other_symbols() -> None:
    async def follow() -> None:
        readers, backlog = Readers(OrderManagement(), Source()), Backlog("JPM", None, 5)
        readers.add(backlog)
        readers(event(1, "IBM"))
        readers(OrdersAdded((Order(2, "IBM", Side.BUY, 1, 1), Order(3, "JPM", Side.BUY, 1, 1)), 2))
        readers(event(3))
        assert [(await backlog.next()).event.sequence for _ in range(2)] == [2, 3]

    asyncio.run(follow())


def test_a_closed_backlog_cannot_be_added() -> None:
    async def follow() -> None:
        readers, backlog = Readers(OrderManagement(), Source()), Backlog(None, None, 5)
        readers.close(backlog)
        readers.add(backlog)
        assert len(readers) == 0

    asyncio.run(follow())


def test_an_event_loop_that_is_closed_does_not_disturb_a_change() -> None:
    om = OrderManagement()
    readers = Readers(om, Source())
    om.subscribe(readers)

    async def leave_a_backlog() -> None:
        readers.add(Backlog(None, None, 5))

    asyncio.run(leave_a_backlog())
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    om.add_order(2, "JPM", Side.BUY, 1, 1)
    assert len(om) == 2
