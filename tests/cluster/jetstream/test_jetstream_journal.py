"""Opening a journal in a real cluster: what is checked, what is rejected, and what is created."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oms import (
    InvalidArgumentError,
    JournalError,
    MatchingEngine,
    Side,
    cluster,
)
from oms.cluster import JetStreamJournal
from oms.cluster.jetstream import jetstream_journal
from oms.cluster.jetstream.jetstream_journal import open_log
from oms.cluster.jetstream.requirements import ServerReport, fetch_report, stream_config
from support.nats_cluster import SYSTEM, NatsCluster, running_cluster

pytestmark = pytest.mark.long

BUY = Side.BUY


def loop_threads(shard: str) -> list[str]:
    """Return the names of the threads of a shard. A failed test may have left threads of another one."""
    return [thread.name for thread in threading.enumerate() if thread.name == f"oms cluster {shard}"]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """One server that syncs every two minutes."""
    with running_cluster(tmp_path_factory.mktemp("single"), sync="2m", size=1) as server:
        yield server


@pytest.fixture(scope="module")
def lazy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three servers that sync every two minutes."""
    with running_cluster(tmp_path_factory.mktemp("lazy"), sync="2m") as servers:
        yield servers


@pytest.mark.parametrize("proof", ["system", "monitoring", "both"])
def test_a_safe_cluster_is_opened_with_each_kind_of_proof(
    proof: str, nats_cluster: NatsCluster, shard: str
) -> None:
    arguments: dict[str, Any] = {}
    if proof != "monitoring":
        arguments["system"] = SYSTEM
    if proof != "system":
        arguments["monitoring"] = nats_cluster.monitoring
    with cluster.open(nats_cluster.urls, shard, **arguments) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        state_hash = om.state_hash()
    with cluster.open(nats_cluster.urls[0], shard, **arguments) as om:
        assert om.state_hash() == state_hash
    assert loop_threads(shard) == []


def test_the_reports_contain_the_number_of_messages_that_the_servers_have(
    nats_cluster: NatsCluster, shard: str
) -> None:
    with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
    for proof in ({"monitoring": nats_cluster.monitoring}, {"system": SYSTEM}):
        log = open_log(nats_cluster.urls, shard, **proof)
        assert log.known_length == 2
        log.close()
    log = open_log(nats_cluster.urls, shard, unsafe=True)
    assert log.known_length == 0
    log.close()


def test_a_log_is_not_opened_if_a_server_reports_more_messages_than_it_contains(
    nats_cluster: NatsCluster, shard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring).close()

    def longer(url: str) -> ServerReport | None:
        report = fetch_report(url)
        assert report is not None
        return report._replace(lengths={name: length + 5 for name, length in report.lengths.items()})

    monkeypatch.setattr(jetstream_journal, "fetch_report", longer)
    with pytest.raises(JournalError, match="it ends with message 1, but one of the servers has 6"):
        cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring, seconds=0.1)
    assert loop_threads(shard) == []


def test_an_engine_is_opened_with_its_state(nats_cluster: NatsCluster, shard: str) -> None:
    with cluster.open_engine(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as engine:
        engine.submit("ask-1", "JPM", Side.SELL, 20, 101)
        state_hash = engine.state_hash()
    with cluster.open_engine(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as engine:
        assert isinstance(engine, MatchingEngine)
        assert engine.state_hash() == state_hash
        assert engine.submit("bid-1", "JPM", Side.BUY, 5, 101).fills[0].order_id == "ask-1"
    with pytest.raises(JournalError, match="the changes of a MatchingEngine"):
        cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)
    assert loop_threads(shard) == []


def test_without_proof_there_is_not_even_a_connection_to_the_cluster(shard: str) -> None:
    with pytest.raises(JournalError, match="nothing says that the servers sync each message to the disk"):
        cluster.open("nats://127.0.0.1:1", shard)


def test_servers_that_sync_later_are_rejected_and_no_stream_is_created(lazy: NatsCluster, shard: str) -> None:
    for proof in ({"monitoring": lazy.monitoring}, {"system": SYSTEM}):
        for _ in range(2):
            with pytest.raises(JournalError, match=r"n0 acknowledges .*; server n1 .*; server n2"):
                open_log(lazy.urls, shard, **proof)
    with open_unsafe(lazy, shard) as log:
        assert log["state"]["messages"] == 0
    with pytest.raises(JournalError, match="sync_interval: always"):
        open_log(lazy.urls, shard, monitoring=lazy.monitoring)
    assert loop_threads(shard) == []


@contextmanager
def open_unsafe(servers: NatsCluster, shard: str) -> Iterator[dict[str, Any]]:
    """Open a log without any check, and yield the information about its stream."""
    log = open_log(servers.urls, shard, unsafe=True)
    yield log.request(f"$JS.API.STREAM.INFO.{log.stream}")
    log.close()


def test_a_cluster_whose_servers_do_not_all_report_is_not_used_for_a_new_log(
    nats_cluster: NatsCluster, shard: str
) -> None:
    with pytest.raises(JournalError, match="2 of 3 servers have reported"):
        open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring[:2])
    with pytest.raises(JournalError, match="0 of 3 servers have reported"):
        open_log(nats_cluster.urls, shard, system={"user": "oms", "password": "oms"})


def test_an_existing_log_needs_the_report_of_a_majority(
    nats_cluster: NatsCluster, shard: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring).close()
    caplog.clear()
    open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring[:2]).close()
    assert "is safe, but these servers could not be checked: n2" in caplog.text
    with pytest.raises(JournalError, match="1 of the 3 servers of the stream have reported"):
        open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring[:1])


def test_with_unsafe_one_server_is_enough_and_every_line_in_the_log_says_so(
    single: NatsCluster, shard: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG, "oms.cluster"),
        cluster.open(single.urls, shard, unsafe=True, replicas=1) as om,
    ):
        om.add_order(1, "JPM", BUY, 20, 20)
        with cluster.open(single.urls, shard, unsafe=True, replicas=1) as other:
            assert other.state_hash() == om.state_hash()
        with pytest.raises(JournalError, match="UNSAFE: acknowledged changes can be lost"):
            om.add_order(2, "JPM", BUY, 20, 20)
    lines = [record.getMessage() for record in caplog.records if record.name == "oms.cluster"]
    assert len(lines) >= 4
    assert all("UNSAFE: acknowledged changes can be lost" in line for line in lines)


def test_a_single_server_is_rejected_without_unsafe(single: NatsCluster, shard: str) -> None:
    with pytest.raises(InvalidArgumentError, match="replicas"):
        cluster.open(single.urls, shard, replicas=1, monitoring=single.monitoring)
    with pytest.raises(JournalError, match="1 of 3 servers have reported"):
        cluster.open(single.urls, shard, monitoring=single.monitoring)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("num_replicas", 1, "num_replicas of the stream is 1, not 3"),
        ("max_msgs", 1_000, "max_msgs of the stream is 1000, not -1"),
        ("deny_delete", False, "deny_delete of the stream is false, not true"),
        ("discard", "old", 'discard of the stream is "old", not "new"'),
        ("storage", "memory", 'storage of the stream is "memory", not "file"'),
    ],
)
def test_an_existing_stream_with_another_configuration_is_rejected(
    field: str, value: object, problem: str, nats_cluster: NatsCluster, shard: str
) -> None:
    helper = open_log(nats_cluster.urls, f"{shard}-helper", unsafe=True)
    config = {**stream_config(f"oms-{shard}", shard, 3), field: value}
    helper.request(f"$JS.API.STREAM.CREATE.oms-{shard}", config)
    helper.close()
    with pytest.raises(JournalError, match=problem):
        open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)
    assert loop_threads(shard) == []


def test_nothing_in_the_log_can_be_deleted(nats_cluster: NatsCluster, shard: str) -> None:
    log = open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)
    log.append(f"oms.{shard}.shard", b"x", 0, "id")
    for verb, content in (("PURGE", {}), ("MSG.DELETE", {"seq": 1})):
        with pytest.raises(Exception, match=r"not permitted|denied|deny"):
            log.request(f"$JS.API.STREAM.{verb}.{log.stream}", content)
    assert log.last() == 1
    log.close()


def test_a_log_that_is_only_read_is_neither_created_nor_changed(
    nats_cluster: NatsCluster, shard: str
) -> None:
    with pytest.raises(JournalError, match="it does not exist"):
        JetStreamJournal(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring, read_only=True)
    with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        reader = JetStreamJournal(
            nats_cluster.urls, shard, monitoring=nats_cluster.monitoring, read_only=True
        )
        om.add_order(2, "JPM", BUY, 20, 20)
        while reader.refresh() < 2:
            pass
        assert [event.sequence for event in reader.read()] == [1, 2]
        with pytest.raises(JournalError, match="it was opened to be read"):
            reader.append(())
            reader.check_writable()
        reader.close()
        om.add_order(3, "JPM", BUY, 20, 20)


def test_without_a_thread_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(JournalError, match="it needs a thread, but none could be started"):
        cluster.open("nats://127.0.0.1:1", system=SYSTEM)
    assert loop_threads("main") == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"servers": []},
        {"servers": ""},
        {"servers": [5]},
        {"shard": "a.b"},
        {"monitoring": "http://127.0.0.1:8222"},
        {"seconds": 0},
        {"seconds": 3_601},
        {"seconds": "5"},
        {"replicas": 2},
    ],
    ids=json.dumps,
)
def test_an_invalid_argument_is_rejected(arguments: dict[str, Any]) -> None:
    valid: dict[str, Any] = {"servers": "nats://127.0.0.1:1", "shard": "main", "system": SYSTEM}
    with pytest.raises(InvalidArgumentError):
        cluster.open(**{**valid, **arguments})


@pytest.mark.parametrize("function", [cluster.open, cluster.open_engine])
def test_books_are_not_opened_to_be_read_only(function: Any) -> None:
    for argument in ("read_only", "unknown"):
        with pytest.raises(TypeError, match=argument):
            function("nats://127.0.0.1:1", **{argument: True})


def test_an_error_does_not_contain_the_password_of_a_url(shard: str) -> None:
    with pytest.raises(JournalError) as caught:
        cluster.open("nats://oms:secret@127.0.0.1:1", shard, unsafe=True, seconds=0.2)
    assert "secret" not in str(caught.value)
    assert f"shard {shard} at nats://127.0.0.1:1" in str(caught.value)


def test_an_error_after_the_journal_was_opened_closes_it(nats_cluster: NatsCluster, shard: str) -> None:
    clock: Any = 5
    for function in (cluster.open, cluster.open_engine):
        with pytest.raises(InvalidArgumentError, match="clock"):
            function(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring, clock=clock)
    assert loop_threads(shard) == []


def test_the_folder_of_a_server_contains_the_stream(nats_cluster: NatsCluster, shard: str) -> None:
    with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring):
        streams = [Path(nats_cluster.folder(number)).rglob(f"oms-{shard}") for number in range(3)]
        assert all(list(each) for each in streams)


def test_a_program_that_forgets_to_close_its_journal_ends(nats_cluster: NatsCluster, shard: str) -> None:
    script = (
        "import sys\n"
        "from oms import Side, cluster\n"
        "om = cluster.open(sys.argv[1], sys.argv[2], monitoring=sys.argv[3].split())\n"
        "om.add_order(1, 'JPM', Side.BUY, 20, 20)\n"
        "print(om.last_sequence)\n"
    )
    arguments = [nats_cluster.urls[0], shard, " ".join(nats_cluster.monitoring)]
    process = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert (process.stdout, process.stderr) == ("1\n", "")
