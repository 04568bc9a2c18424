"""Pages of the orders of all shards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.cluster.gateway.pages import Chunk, page_of_arrivals, page_of_ids

Json = dict[str, Any]


class FakeShards:
    """Shards that return pages of numbers. They count the orders that they return."""

    def __init__(self, numbers: Mapping[str, set[int]]) -> None:
        self.numbers = {name: sorted(each) for name, each in numbers.items()}
        self.sequences = dict.fromkeys(numbers, 1)
        self.returned = 0
        self.requests = 0
        self.changes: list[str] = []  # the shard that changes before each request

    async def read(self, chunks: Mapping[str, Chunk]) -> Mapping[str, Json]:
        self.requests += 1
        if self.changes:
            self.sequences[self.changes.pop(0)] += 1
        return {name: self._page(name, *chunk) for name, chunk in chunks.items()}

    def _page(self, name: str, after: int | None, limit: int) -> Json:
        later = [n for n in self.numbers[name] if after is None or n > after]
        page = later[:limit]
        self.returned += len(page)
        return {
            "sequence": self.sequences[name],
            "total": len(self.numbers[name]),
            "orders": [{"order_id": n if n < 2**53 else str(n), "shard": name} for n in page],
            "next": page[-1] if len(later) > limit else None,
        }


def read_all(shards: FakeShards, limit: int, page: Any) -> list[Json]:
    """Read all pages, and return their orders."""
    orders: list[Json] = []
    after: int | None = None
    while True:
        content = asyncio.run(page(sorted(shards.numbers), after, limit, shards.read))
        assert content["total"] == sum(map(len, shards.numbers.values()))
        assert len(content["orders"]) == min(limit, content["total"] - len(orders))
        orders += content["orders"]
        if content["next"] is None:
            return orders
        assert int(content["next"]) > (-1 if after is None else after)
        after = int(content["next"])


def split(numbers: set[int], shards: int, data: st.DataObject) -> dict[str, set[int]]:
    """Put each number into one shard."""
    split: dict[str, set[int]] = {f"s{n}": set() for n in range(shards)}
    for number in sorted(numbers):
        split[data.draw(st.sampled_from(sorted(split)))].add(number)
    return split


@given(
    st.sets(st.integers(0, 60) | st.integers(2**62, 2**62 + 9)),
    st.integers(1, 5),
    st.integers(1, 20),
    st.data(),
)
def test_the_pages_contain_all_orders_once_in_order_of_id(
    numbers: set[int], count: int, limit: int, data: st.DataObject
) -> None:
    shards = FakeShards(split(numbers, count, data))
    orders = read_all(shards, limit, page_of_ids)
    assert [int(order["order_id"]) for order in orders] == sorted(numbers)


@given(st.sets(st.integers(0, 200), max_size=80), st.integers(1, 8), st.integers(1, 30), st.data())
def test_the_shards_return_at_most_twice_as_many_orders_as_the_page_has_and_one_for_each_shard(
    numbers: set[int], count: int, limit: int, data: st.DataObject
) -> None:
    shards = FakeShards(split(numbers, count, data))
    asyncio.run(page_of_ids(sorted(shards.numbers), None, limit, shards.read))
    assert shards.returned <= 2 * limit + 2 * count
    assert shards.requests <= 2 * count + 2


def test_if_all_orders_of_a_page_are_in_one_shard_each_other_shard_is_read_once() -> None:
    shards = FakeShards({"s1": set(range(1_000)), "s2": set(range(5_000, 6_000)), "s3": {7_000}})
    page = asyncio.run(page_of_ids(["s1", "s2", "s3"], None, 300, shards.read))
    assert [order["order_id"] for order in page["orders"]] == list(range(300))
    assert (page["next"], page["sequence"], page["total"]) == (299, 3, 2_001)
    assert (shards.requests, shards.returned) == (3, 401)


@pytest.mark.parametrize("changed", ["s1", "s2"])
def test_a_page_shows_each_shard_at_one_sequence_number(changed: str) -> None:
    shards = FakeShards({"s1": set(range(100)), "s2": {500}})
    shards.changes = ["s2", changed]
    page = asyncio.run(page_of_ids(["s1", "s2"], None, 50, shards.read))
    assert len(page["orders"]) == 50
    assert page["sequence"] == sum(shards.sequences.values()) - (changed == "s2")
    assert shards.requests == (3 if changed == "s1" else 2)


@given(st.sets(st.integers(1, 60)), st.integers(1, 5), st.integers(1, 20), st.data())
def test_the_pages_of_engines_contain_one_shard_after_the_other_in_order_of_arrival(
    numbers: set[int], count: int, limit: int, data: st.DataObject
) -> None:
    by_shard = split(numbers, count, data)
    shards = FakeShards(by_shard)
    orders = read_all(shards, limit, page_of_arrivals)
    assert [(order["shard"], order["order_id"]) for order in orders] == [
        (name, number) for name in sorted(by_shard) for number in sorted(by_shard[name])
    ]


def test_a_page_of_engines_reads_each_shard_once() -> None:
    shards = FakeShards({f"s{n}": set(range(1, 50)) for n in range(4)})
    page = asyncio.run(page_of_arrivals(sorted(shards.numbers), 2**63 + 9, 60, shards.read))
    assert [order["shard"] for order in page["orders"]] == ["s1"] * 40 + ["s2"] * 20
    assert (page["next"], page["total"], page["sequence"]) == (2 * 2**63 + 20, 196, 4)
    assert shards.returned == 60 + 2


@pytest.mark.parametrize("after", [5 * 2**63, 10**90])
def test_a_cursor_after_the_last_shard_has_an_empty_page(after: int) -> None:
    shards = FakeShards({"s1": {1}, "s2": {1}})
    page = asyncio.run(page_of_arrivals(["s1", "s2"], after, 10, shards.read))
    assert page == {"sequence": 2, "total": 2, "orders": [], "next": None}
