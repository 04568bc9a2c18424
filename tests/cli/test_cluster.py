"""`oms cluster`: its options, tables, and errors. Worker processes are in tests/cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from oms.cli import run
from oms.cluster.jetstream import jetstream_bucket
from oms.cluster.ownership.agreement import agreed
from oms.cluster.ownership.bucket import Bucket
from oms.extras import how_to_install
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.worker_cluster import WorkerCluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> WorkerCluster:
    """A cluster in memory, whose bucket the command opens instead of one at a server."""
    cluster = WorkerCluster(("s1", "s2"))
    agreed(BucketConnection(cluster.bucket), cluster.names, engine=False)

    def opened(*_: object, **__: object) -> Bucket:
        return Watched(cluster)

    monkeypatch.setattr(jetstream_bucket, "JetStreamBucket", opened)
    return cluster


class Watched(BucketConnection):
    """A connection to the bucket. The workers go on between two reads."""

    def __init__(self, cluster: WorkerCluster) -> None:
        super().__init__(cluster.bucket)
        self._cluster = cluster

    def entries(self) -> Any:
        self._cluster.run(1)
        return super().entries()


def output(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = run(["cluster", *args])
    return code, *capsys.readouterr()


STATUS = ("status", "--servers", "nats://nowhere:1", "--seconds", "0.5")


def test_the_status_shows_each_copy_of_each_shard(
    cluster: WorkerCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.start("a")
    cluster.start("z", standby=True)
    cluster.run(5)
    code, out, err = output(capsys, *STATUS)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["s1", "a", "owner", "1", "0", "0"] in [line[:6] for line in lines]
    assert ["z", "follower", "1", "0", "0"] in [line[:5] for line in lines]
    assert "workers: a, z" in out
    assert "all shards are served" in out


def test_a_shard_without_an_owner_is_the_exit_code_1(
    cluster: WorkerCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.start("a")
    cluster.run(5)
    cluster.kill("a")
    code, out, _ = output(capsys, *STATUS)
    assert code == 1
    assert "no owner" in out
    assert "dead workers: a" in out
    assert "shards with a problem: 2" in out


def test_the_status_as_json(cluster: WorkerCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.start("a")
    cluster.run(5)
    code, out, _ = output(capsys, *STATUS, "--json")
    status = json.loads(out)
    assert (code, status["is_right"], status["live"]) == (0, True, ["a"])
    assert status["shards"][0]["copies"][0]["is_owner"] is True
    assert status["shards"][0]["problem"] is None


def test_a_cluster_without_shards_is_not_called_served(
    cluster: WorkerCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.bucket.values.clear()  # the first worker has not started yet
    code, out, _ = output(capsys, *STATUS)
    assert code == 1
    assert "there are no shards yet; start a worker with --shards NUMBER" in out
    assert "served" not in out


@pytest.mark.parametrize("faults", [BucketFaults(unreadable=1.0), BucketFaults(no_leader=1.0)])
def test_a_bucket_that_cannot_be_read_or_has_no_leader_is_an_error(
    faults: BucketFaults, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(*_: object, **__: object) -> Bucket:
        return BucketConnection(MemoryBucket(), faults)

    monkeypatch.setattr(jetstream_bucket, "JetStreamBucket", opened)
    code, out, err = output(capsys, *STATUS, "--seconds", "0.5")
    assert (code, out) == (2, "")
    assert err == "oms: bucket oms in memory cannot be read: no leader; do most servers run?\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--listen", "8081"), "--listen must be HOST:PORT, such as 127.0.0.1:8081, not '8081'"),
        (("--listen", "localhost:99999"), "--listen must be HOST:PORT"),
        (("--listen", "0.0.0.0:0"), "can be reached from other machines, so an API key is required"),
        (("--system", "secret"), "--system must be USER:PASSWORD"),
        (("--shards", "0"), "--shards"),
        (("--replicas", "7"), "--replicas"),
        (("--instrument", "JPM=0"), "--instrument JPM=0 must be SYMBOL=TICK:LOT"),
        (("--instrument", "A=1:1", "--instrument", "A=1:1"), "the instrument of 'A' is given twice"),
        (("--instruments", "nowhere.json"), "--instruments nowhere.json cannot be read: No such file"),
    ],
)
def test_a_wrong_option_of_a_worker_is_an_error(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = output(capsys, "worker", "--servers", "nats://nowhere:1", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert "secret" not in err


def test_the_servers_can_come_from_a_variable(
    cluster: WorkerCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMS_CLUSTER_SERVERS", "nats://a:1,nats://b:2")
    cluster.start("a")
    cluster.run(5)
    assert output(capsys, "status", "--seconds", "0.5")[0] == 0


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [("worker", "nats", "cluster"), ("worker", "fastapi", "api"), ("status", "nats", "cluster")],
)
def test_without_its_extras_the_command_prints_how_to_install_them(
    command: str, module: str, extra: str
) -> None:
    args = ["cluster", command, "--servers", "nats://nowhere:1"]
    script = f"import sys; sys.modules[{module!r}] = None; from oms.cli import run; sys.exit(run({args}))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"{how_to_install('oms: `oms cluster`', extra, 'cli')}\n"
