"""The state hashes that two copies of a shard compare."""

from __future__ import annotations

from typing import Any

import pytest

from oms import MatchingEngine, OrderManagement, Side
from oms.cluster.worker.hashes import StateHashes
from support.memory_journal import MemoryJournal
from support.replicated_log import Clock


def add(om: OrderManagement, *order_ids: int) -> None:
    """Add orders, all in one transaction."""
    with om.transaction():
        for order_id in order_ids:
            om.add_order(order_id, "JPM", Side.BUY, 5, 20)


def test_a_hash_begins_when_the_sequence_number_passes_a_multiple_and_books_may_change_meanwhile() -> None:
    om = OrderManagement()
    hashes = StateHashes(om, every=3, clock=Clock())
    add(om, 1, 2)
    hashes.compute()
    assert hashes.latest == {}
    add(om, 3)
    expected = om.state_hash()
    add(om, 4)
    hashes.compute()
    assert hashes.latest == {3: expected}


def test_a_hash_is_that_after_the_whole_transaction_that_passes_the_multiple() -> None:
    om = OrderManagement()
    hashes = StateHashes(om, every=3, clock=Clock())
    add(om, 1, 2)
    add(om, 3, 4, 5)
    hashes.compute()
    assert hashes.latest == {5: om.state_hash()}


def test_books_that_follow_have_hashes_after_the_same_events() -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal)
    follower = OrderManagement(journal)
    owned, followed = (StateHashes(books, every=4, clock=Clock()) for books in (om, follower))
    for first in range(1, 40, 3):
        add(om, *range(first, first + 1 + first % 3))
        owned.compute()
        ledger: Any = follower._ledger
        with follower.locked():
            ledger.follow(tuple(journal.read(follower.last_sequence + 1)), {})
        followed.compute()
    assert owned.latest == followed.latest
    assert len(owned.latest) >= 4


def test_quiet_books_get_a_hash_of_their_last_state_once() -> None:
    om, clock = OrderManagement(), Clock()
    hashes = StateHashes(om, quiet_seconds=3.0, clock=clock)
    add(om, 1)
    clock.pause(2.9)
    hashes.compute()
    assert hashes.latest == {}
    clock.pause(0.2)
    hashes.compute()
    first = hashes.latest
    assert first == {1: om.state_hash()}
    hashes.compute()
    assert hashes.latest is first


def test_only_the_latest_hashes_are_kept() -> None:
    om = OrderManagement()
    hashes = StateHashes(om, every=1, clock=Clock())
    for order_id in range(1, 21):
        add(om, order_id)
        hashes.compute()
    assert list(hashes.latest) == list(range(13, 21))


@pytest.mark.parametrize("every", [1, 2])
def test_an_engine_has_hashes_too(every: int) -> None:
    engine = MatchingEngine()
    hashes = StateHashes(engine, every=every, clock=Clock())
    engine.submit(1, "JPM", Side.BUY, 5, 20)
    engine.submit(2, "JPM", Side.SELL, 3, 20)
    hashes.compute()
    assert hashes.latest.keys() == {every}
    if every == 2:
        assert hashes.latest == {2: engine.state_hash()}
