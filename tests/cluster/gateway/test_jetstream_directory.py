"""The directory of order ids on a real cluster of three servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from oms import JournalError
from oms.cluster.gateway import ClaimedError, UnavailableError
from oms.cluster.gateway.jetstream_directory import JetStreamDirectory
from oms.cluster.ownership.shards import Shards
from oms.submission import OrderId
from support.nats_cluster import NatsCluster

pytestmark = pytest.mark.long


@pytest.fixture
def shards(shard: str) -> Shards:
    return Shards([f"{shard}-a", f"{shard}-b"])


@pytest.fixture
def directory(nats_cluster: NatsCluster, shards: Shards) -> Iterator[JetStreamDirectory]:
    directory = JetStreamDirectory(nats_cluster.urls, shards)
    yield directory
    directory.close()


def claim(directory: JetStreamDirectory, order_ids: list[OrderId], shard: str) -> None:
    asyncio.run(directory.claim(order_ids, shard))


def find(directory: JetStreamDirectory, *order_ids: OrderId) -> dict[OrderId, str]:
    return dict(asyncio.run(directory.find(order_ids)))


IDS: list[OrderId] = [7, "7", -7, 0, 2**255, "a/b c.*>", "\u00e4\n", "x" * 5_000, "X" * 5_000]


def test_claimed_ids_are_found_also_through_another_gateway(
    directory: JetStreamDirectory, nats_cluster: NatsCluster, shards: Shards
) -> None:
    for number, order_id in enumerate(IDS):
        claim(directory, [order_id], f"s{number}")
    expected = {order_id: f"s{number}" for number, order_id in enumerate(IDS)}
    assert find(directory, *IDS, 8, "8") == expected
    other = JetStreamDirectory(nats_cluster.urls, shards)
    try:
        assert {order_id: find(other, order_id)[order_id] for order_id in IDS} == expected
        assert find(other, 8) == {}
    finally:
        other.close()


def test_an_id_can_be_claimed_again_for_its_shard_but_for_no_other(directory: JetStreamDirectory) -> None:
    claim(directory, [1], "s1")
    claim(directory, [1], "s1")
    claim(directory, [1, 2], "s1")
    with pytest.raises(ClaimedError) as caught:
        claim(directory, [1], "s2")
    assert (caught.value.order_id, caught.value.shard) == (1, "s1")


def test_a_list_with_an_id_of_another_shard_claims_nothing(directory: JetStreamDirectory) -> None:
    claim(directory, [500], "s1")
    asyncio.run(asyncio.sleep(0.5))  # until all servers have the entry
    with pytest.raises(ClaimedError, match=r"^order id 500 belongs to shard s1$"):
        claim(directory, list(range(1_000)), "s2")
    assert find(directory, *range(1_000)) == {500: "s1"}


def test_a_list_of_many_ids_is_claimed(directory: JetStreamDirectory) -> None:
    claim(directory, list(range(3_000)), "s1")
    assert find(directory, *range(3_100)) == dict.fromkeys(range(3_000), "s1")


def test_of_two_simultaneous_claims_of_an_id_exactly_one_succeeds(
    directory: JetStreamDirectory, nats_cluster: NatsCluster, shards: Shards
) -> None:
    other = JetStreamDirectory(nats_cluster.urls, shards)

    async def race(order_id: int) -> list[BaseException | None]:
        claims = directory.claim([order_id], "s1"), other.claim([order_id], "s2")
        return list(await asyncio.gather(*claims, return_exceptions=True))

    try:
        for order_id in range(50):
            results = asyncio.run(race(order_id))
            assert [type(result) for result in results if result is not None] == [ClaimedError]
            owner = "s1" if results[0] is None else "s2"
            assert find(directory, order_id) == find(other, order_id) == {order_id: owner}
    finally:
        other.close()


class LosingDirectory(JetStreamDirectory):
    """A directory that loses some requests, and the responses to others."""

    lost = ""

    async def _answer(self, subject: str, *arguments: Any) -> dict[str, Any]:
        lost, self.lost = self.lost, ""
        if lost == "request":
            raise OSError("the request is lost")
        answer = await super()._answer(subject, *arguments)
        if lost == "response":
            raise OSError("the response is lost")
        return answer


@pytest.mark.parametrize("lost", ["request", "response"])
def test_a_claim_is_repeated_until_it_is_acknowledged(
    nats_cluster: NatsCluster, shards: Shards, lost: str
) -> None:
    directory = LosingDirectory(nats_cluster.urls, shards)
    try:
        directory.lost = lost
        claim(directory, [1], "s1")
        directory.lost = lost
        with pytest.raises(ClaimedError):
            claim(directory, [1], "s2")
        directory.lost = "request"
        assert find(directory, 1) == {1: "s1"}
    finally:
        directory.close()


def test_a_closed_directory_is_unavailable(directory: JetStreamDirectory) -> None:
    directory.close()
    with pytest.raises(UnavailableError):
        claim(directory, [1], "s1")


def test_a_cluster_that_cannot_be_reached_is_an_error(shards: Shards) -> None:
    with pytest.raises(JournalError, match=r"directory at nats://127.0.0.1:9: it cannot be reached"):
        JetStreamDirectory(["nats://127.0.0.1:9"], shards, open_seconds=0.5)
