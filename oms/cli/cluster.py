"""`oms cluster`: run a worker of a cluster, and show the state of a cluster."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

import typer

from oms import extras
from oms.cli import cluster_options as options
from oms.cli.exit_codes import ExitCode
from oms.cli.instruments import read_instruments
from oms.cli.style import new_console, new_table
from oms.instrument import Instrument
from oms.submission import SelfTradePrevention

if TYPE_CHECKING:
    from oms.api import Settings
    from oms.cluster.ownership.status import ClusterStatus, ShardStatus

__all__ = ["app"]

app = typer.Typer(name="cluster", help="Run a worker of a cluster, and show its state.", no_args_is_help=True)

_OPEN_SECONDS = 10.0  # how long `status` waits for the servers, which may be choosing a new leader
_OTHERS = 2  # copies that are taken over or closed while others are opened


@contextmanager
def _extra() -> Generator[None]:
    """Print how to install a missing extra, and exit, if an import in the block fails without it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = next((extra for extra in ("cluster", "api") if extras.is_missing(error, extra)), None)
        if missing is None:
            raise
        print(extras.how_to_install("oms: `oms cluster`", missing, "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None


@app.command()
def worker(
    servers: options.Servers,
    *,
    shards: options.Shards = None,
    listen: options.Listen = "127.0.0.1:0",
    url: options.Url = None,
    name: options.WorkerName = None,
    engine: options.Engine = False,
    self_trade_prevention: options.Prevention = SelfTradePrevention.NONE,
    instrument: options.InstrumentTexts = None,
    instruments: options.InstrumentsFile = None,
    clock: options.HasClock = True,
    standby: options.Standby = False,
    replicas: options.Replicas = 3,
    system: options.System = None,
    monitoring: options.Monitoring = None,
    unsafe: options.Unsafe = False,
    keys_file: options.KeysFile = None,
    lease_seconds: options.Lease = 5.0,
    snapshot_every: options.SnapshotEvery = 100_000,
    log_format: options.LogFormat = "text",
) -> None:
    """Run a worker, which serves some shards over HTTP. Stop the worker with Ctrl-C.

    Another worker takes over its shards when it stops or dies.
    """
    with _extra():
        from oms.api import Settings, logs, server  # noqa: PLC0415 - other commands work without the extras
        from oms.cluster.jetstream.unsafe import marked_lines  # noqa: PLC0415 - see above
        from oms.cluster.ownership.agreement import agreed, default_names  # noqa: PLC0415 - see above
        from oms.cluster.worker import create_worker_app  # noqa: PLC0415 - see above
        from oms.cluster.worker.opening import Place, open_worker  # noqa: PLC0415 - see above
        from oms.cluster.worker.running import serve_worker  # noqa: PLC0415 - see above
        from oms.cluster.worker.worker import MOST_OPENINGS  # noqa: PLC0415 - see above
    host, port = _address(listen)
    if keys_file is None and not server.is_loopback(host):
        raise typer.BadParameter(
            f"--listen {listen} can be reached from other machines, so an API key is required; pass"
            " --keys-file FILE, or listen on 127.0.0.1"
        )
    known = _instruments(instrument or [], instruments)
    place = Place(options.split(servers), replicas, _account(system), options.split(monitoring or []), unsafe)
    os.environ.pop("OMS_CLUSTER_SYSTEM", None)  # no child process gets the password
    settings: Settings = Settings(keys_file=keys_file)
    with (
        logs.logging_to(logs.stderr_descriptor(), log_format),
        server.listen(host, port) as listening,
        marked_lines(unsafe=unsafe),
        closing(place.open_bucket()) as bucket,
        ThreadPoolExecutor(MOST_OPENINGS + _OTHERS, "oms worker") as executor,
    ):
        decided = agreed(
            bucket,
            None if shards is None else default_names(shards),
            engine=engine if engine or shards is not None else None,
            unsafe=unsafe,
        )
        if self_trade_prevention is not SelfTradePrevention.NONE and not decided.engine:
            raise typer.BadParameter("--self-trade-prevention needs shards that are matching engines")
        own_port = listening.getsockname()[1]
        own_url = (url or f"http://{_in_url(host)}:{own_port}").rstrip("/")
        own_name = name or re.sub(r"[^A-Za-z0-9_-]", "-", f"{socket.gethostname()[:40]}-{os.getpid()}")
        running = open_worker(
            bucket,
            place,
            decided,
            executor,
            name=own_name,
            url=own_url,
            standby=standby,
            prevention=self_trade_prevention,
            instruments=known,
            event_clock=time_ns if clock else None,
            settings=settings,
            lease_seconds=lease_seconds,
            snapshot_every=snapshot_every,
        )
        print(f"worker {own_name} serves {own_url}")
        kind = "matching engines" if decided.engine else "books"
        print(f"shards: {len(decided.shards)} ({kind})")
        print(f"role: {'standby, which follows all shards' if standby else 'worker'}", flush=True)
        own = create_worker_app(running, settings, has_owners=decided.engine)
        serve_worker(running, own, listening, settings)


def _instruments(texts: list[str], file: Path | None) -> dict[str, Instrument]:
    try:
        return read_instruments(texts, file)
    except OSError as error:
        raise typer.BadParameter(f"--instruments {file} cannot be read: {error.strerror or error}") from None


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise typer.BadParameter(f"--listen must be HOST:PORT, such as 127.0.0.1:8081, not {listen!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _account(system: str | None) -> dict[str, Any] | None:
    if system is None:
        return None
    user, colon, password = system.partition(":")
    if not colon:
        raise typer.BadParameter("--system must be USER:PASSWORD")
    return {"user": user, "password": password}


@app.command()
def status(
    servers: options.Servers, *, seconds: options.Seconds = 5.0, as_json: options.AsJson = False
) -> None:
    """Show the shards of a cluster, their owners and copies, and whether the copies agree.

    The exit code is 1 if a shard has no owner, if two copies have different state hashes, if a worker does
    not serve its copy, or if there are no shards yet.
    """
    with _extra():
        from oms.cluster.jetstream.jetstream_bucket import JetStreamBucket  # noqa: PLC0415 - see above
        from oms.cluster.log.replicated_log import UnavailableError  # noqa: PLC0415 - see above
        from oms.cluster.ownership.agreement import BUCKET  # noqa: PLC0415 - see above
        from oms.cluster.ownership.status import read_status  # noqa: PLC0415 - see above
    with closing(
        JetStreamBucket(options.split(servers), BUCKET, create=False, open_seconds=_OPEN_SECONDS)
    ) as bucket:
        try:
            read = read_status(bucket, seconds)
        except UnavailableError as error:
            print(f"oms: {bucket.place} cannot be read: {error}; do most servers run?", file=sys.stderr)
            raise typer.Exit(ExitCode.WRONG_USE) from None
    if as_json:
        print(json.dumps(_as_json(read)))
    else:
        _print(read)
    raise typer.Exit(ExitCode.FINE if read.is_right else ExitCode.DISAGREES)


def _as_json(read: ClusterStatus) -> dict[str, Any]:
    shards = [
        {
            **shard._asdict(),
            "copies": [copy._asdict() for copy in shard.copies],
            "problem": shard.problem,
        }
        for shard in read.shards
    ]
    return {**read._asdict(), "shards": shards, "is_right": read.is_right}


def _print(read: ClusterStatus) -> None:
    console, table = new_console(), new_table()
    for column in ("shard", "worker", "role"):
        table.add_column(column, no_wrap=True)
    for column in ("position", "events", "behind"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("state hash", no_wrap=True)
    table.add_column("problem", overflow="fold")
    for shard in read.shards:
        for row in _rows(shard):
            table.add_row(*row)
    console.print(table)
    console.print(f"workers: {', '.join(read.live) or 'none'}")
    if read.dead:
        console.print(f"dead workers: {', '.join(read.dead)}")
    wrong = sum(shard.problem is not None for shard in read.shards)
    if not read.shards:
        console.print("there are no shards yet; start a worker with --shards NUMBER")
    else:
        console.print("all shards are served" if not wrong else f"shards with a problem: {wrong}")


def _rows(shard: ShardStatus) -> list[list[str]]:
    """Return a shard's rows: one for each copy, and the owner's copy first."""
    if not shard.copies:
        return [[shard.name, "", "", "", "", "", "", shard.problem or ""]]
    rows: list[list[str]] = []
    for copy in sorted(shard.copies, key=lambda each: not each.is_owner):
        role = "owner" if copy.is_owner else "follower"
        behind = "" if copy.behind is None else f"{copy.behind:,}"
        hash_ = "" if copy.state_hash is None else f"{copy.state_hash[:12]} at {copy.hash_sequence:,}"
        problem = copy.problem or (shard.problem if not rows else "") or ""
        name = shard.name if not rows else ""
        numbers = [f"{copy.position:,}", f"{copy.sequence:,}", behind]
        rows.append([name, copy.worker, role, *numbers, hash_, problem])
    return rows
