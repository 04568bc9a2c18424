"""A file of one server is damaged: readers and writers stop with an error, or their books are right."""

from __future__ import annotations

import random
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from oms import JournalError, OrderManagement, Side
from oms.cluster import JetStreamJournal
from oms.cluster.jetstream.jetstream_connection import ApiError
from oms.cluster.jetstream.jetstream_journal import open_log
from oms.cluster.log.replicated_log import UnavailableError
from support.nats_cluster import NatsCluster, running_cluster
from support.real_logs import added_ids, opened

pytestmark = pytest.mark.long

BUY = Side.BUY


def damage(servers: NatsCluster, number: int, shard: str, rng: random.Random, *, cuts: bool) -> None:
    """Change a few bits in a stopped server's file with the messages of a stream, or cut off its end."""
    [folder] = [path for path in servers.folder(number).rglob(f"oms-{shard}") if path.is_dir()]
    file: Path = max((folder / "msgs").glob("*.blk"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    if cuts:
        del data[rng.randrange(len(data)) :]
    for _ in range(0 if cuts else 3):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(data))


def make_leader(servers: NatsCluster, shard: str, number: int) -> bool:
    """Let a server lead the stream of a shard. Return False if the others do not elect it in time."""
    end = time.monotonic() + 20
    while servers.leader_of(f"oms-{shard}") != number:
        if time.monotonic() > end:
            return False
        with suppress(JournalError, UnavailableError, ApiError):
            log = open_log(servers.urls, shard, unsafe=True, create=False, seconds=5)
            with closing(log):
                place = {"placement": {"preferred": f"n{number}"}}
                log.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{log.stream}", place)
        time.sleep(1)
    return True


@pytest.mark.parametrize("cuts", [False, True], ids=["bits", "cut off"])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(each, marks=pytest.mark.soak) for each in (2, 3))])
def test_a_damaged_file_on_one_server_never_leads_to_a_wrong_answer(
    seed: int, cuts: bool, tmp_path: Path, shard: str
) -> None:
    """The damaged server leads the stream if it can. The books stop with an error then, or are right."""
    rng, expected = random.Random(seed), list(range(1, 201))
    with running_cluster(tmp_path) as servers:
        with opened(servers, shard) as om:
            for order_id in expected:
                om.add_order(order_id, "JPM", BUY, 1, order_id)
            state_hash = om.state_hash()
        leader = servers.leader_of(f"oms-{shard}")
        assert leader is not None
        victim = leader if seed % 2 else (leader + 1) % 3
        servers.kill(victim)
        damage(servers, victim, shard, rng, cuts=cuts)
        servers.start(victim)
        servers.wait()
        outcomes, leads = list[tuple[list[int], str] | None](), list[bool]()
        for number in (victim, (victim + 1) % 3, victim):
            is_leader = make_leader(servers, shard, number)
            read = [outcome(servers, shard, read_only=True) for _ in range(3)]
            written = outcome(servers, shard, read_only=False)
            print(f"leader n{number}: {is_leader}, right answers: {[each is not None for each in read]}")
            outcomes += [*read, written]
            leads += [is_leader] if number == victim else []
    assert any(leads)
    assert all(each is None or each == (expected, state_hash) for each in outcomes)


def outcome(servers: NatsCluster, shard: str, *, read_only: bool) -> tuple[list[int], str] | None:
    """Return what a reader or a writer finds in the log, or None if it rejects the log."""
    try:
        store = JetStreamJournal(
            servers.urls, shard, monitoring=servers.monitoring, read_only=read_only, seconds=10
        )
    except JournalError:
        return None
    with closing(store):
        try:
            om = OrderManagement(store)
            return added_ids(om), om.state_hash()
        except JournalError:
            return None
