"""The directory of order ids: the cache in front of it, and the keys of the ids."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.cluster.gateway import ClaimedError, UnavailableError
from oms.cluster.gateway.directory import CachedDirectory, id_key
from oms.submission import OrderId
from support.clusters import MemoryDirectory

ids: st.SearchStrategy[OrderId] = st.integers(-(2**256) + 1, 2**256 - 1) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=200
)


@given(st.lists(ids, unique_by=lambda order_id: (type(order_id), order_id)))
def test_different_ids_have_different_keys_of_plain_characters(order_ids: list[OrderId]) -> None:
    keys = {id_key(order_id) for order_id in order_ids}
    assert len(keys) == len(order_ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,201}", key) for key in keys)


def test_an_integer_and_its_text_are_different_ids() -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory)
    asyncio.run(cached.claim([7], "s1"))
    asyncio.run(cached.claim(["7"], "s2"))
    assert asyncio.run(cached.find([7, "7", 8])) == {7: "s1", "7": "s2"}


def test_a_claim_is_remembered_so_the_directory_is_asked_once() -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory)
    asyncio.run(cached.claim([1, 2], "s1"))
    asyncio.run(cached.claim([2, 3], "s1"))
    assert asyncio.run(cached.find([1, 2, 3])) == {1: "s1", 2: "s1", 3: "s1"}
    assert directory.calls == [("claim", (1, 2)), ("claim", (3,))]


def test_an_unknown_id_is_looked_up_again_each_time() -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory)
    assert asyncio.run(cached.find([1])) == {}
    asyncio.run(directory.claim([1], "s2"))  # through another gateway
    assert asyncio.run(cached.find([1])) == {1: "s2"}


def test_a_remembered_claim_of_another_shard_rejects_a_list_before_anything_is_claimed() -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory)
    asyncio.run(cached.claim([2], "s2"))
    with pytest.raises(ClaimedError, match=r"^order id 2 belongs to shard s2$"):
        asyncio.run(cached.claim([1, 2], "s1"))
    assert directory.shards == {2: "s2"}


@pytest.mark.parametrize("fault", ["lost", "half", "unanswered"])
def test_a_claim_without_an_acknowledgement_can_be_repeated(fault: str) -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory)
    directory.plan = [fault]
    with pytest.raises(UnavailableError):
        asyncio.run(cached.claim([1, 2], "s1"))
    asyncio.run(cached.claim([1, 2], "s1"))
    assert directory.shards == {1: "s1", 2: "s1"}


def test_the_cache_forgets_the_oldest_ids_and_finds_them_again() -> None:
    directory = MemoryDirectory()
    cached = CachedDirectory(directory, size=2)
    asyncio.run(cached.claim([1, 2, 3], "s1"))
    directory.calls.clear()
    assert asyncio.run(cached.find([1, 2, 3])) == {1: "s1", 2: "s1", 3: "s1"}
    assert directory.calls == [("find", (1,))]


def test_a_long_id_is_found_but_not_cached() -> None:
    directory, long = MemoryDirectory(), "x" * 1_000_000
    cached = CachedDirectory(directory)
    asyncio.run(cached.claim([long, "short"], "s1"))
    directory.calls.clear()
    assert asyncio.run(cached.find([long, "short"])) == {long: "s1", "short": "s1"}
    assert directory.calls == [("find", (long,))]


def test_of_two_simultaneous_claims_of_an_id_for_different_shards_one_fails() -> None:
    directory = MemoryDirectory()

    async def both() -> list[BaseException | None]:
        claims = [CachedDirectory(directory).claim([1, 2, 3], shard) for shard in ("s1", "s2")]
        return await asyncio.gather(*claims, return_exceptions=True)

    results = asyncio.run(both())
    assert [type(result) for result in results if result is not None] == [ClaimedError]
