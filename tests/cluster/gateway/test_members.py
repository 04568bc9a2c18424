"""The addresses of the workers, which change while requests wait."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest

from oms.cluster.gateway.members import Addresses


def test_an_address_is_none_until_it_is_set_and_after_it_is_removed() -> None:
    addresses = Addresses()
    assert addresses.address("s1") is None
    addresses.set("s1", "http://one")
    assert addresses.address("s1") == "http://one"
    addresses.set("s1", None)
    assert addresses.address("s1") is None


def test_a_task_that_waits_for_a_change_continues_at_once_if_the_address_has_changed_before() -> None:
    addresses = Addresses()
    addresses.set("s1", "http://two")
    asyncio.run(asyncio.wait_for(addresses.changed("s1", "http://one"), 5))


def test_a_task_waits_until_another_thread_sets_another_address_for_its_shard() -> None:
    addresses = Addresses()
    addresses.set("s1", "http://one")

    def change() -> None:
        addresses.set("s2", "http://other")
        addresses.set("s1", "http://one")
        addresses.set("s1", "http://two")

    async def main() -> None:
        waiting = asyncio.create_task(addresses.changed("s1", "http://one"))
        await asyncio.sleep(0)
        assert not waiting.done()
        Thread(target=change).start()
        await asyncio.wait_for(waiting, 30)
        assert addresses.address("s1") == "http://two"

    asyncio.run(main())


def test_a_canceled_wait_leaves_nothing_behind() -> None:
    addresses = Addresses()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(addresses.changed("s1", None), 0.001)

    asyncio.run(main())
    assert not any(addresses._waiting.values())
    addresses.set("s1", "http://one")  # no error from the loop that has ended


def test_a_wait_in_a_loop_that_was_closed_does_not_prevent_a_change() -> None:
    addresses = Addresses()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(addresses.changed("s1", None))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    addresses.set("s1", "http://one")
    assert addresses.address("s1") == "http://one"
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # this test leaves it on purpose
