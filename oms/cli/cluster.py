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
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from oms import extras
from oms.cli.exit_codes import ExitCode
from oms.cli.style import new_console, new_table
from oms.submission import SelfTradePrevention

if TYPE_CHECKING:
    from oms.api import Settings
    from oms.cluster.status import ClusterStatus, ShardStatus

__all__ = ["app"]

app = typer.Typer(name="cluster", help="Run a worker of a cluster, and show its state.", no_args_is_help=True)

_AT_ONCE = 4  # copies that are opened, taken over, or closed at the same time

Servers = Annotated[
    list[str],
    typer.Option(
        "--servers",
        metavar="URL",
        envvar="OMS_CLUSTER_SERVERS",
        show_default=False,
        help="A NATS server, such as nats://localhost:4222. Can be repeated.",
    ),
]
Shards = Annotated[
    int | None,
    typer.Option(
        "--shards",
        min=1,
        max=1_000,
        metavar="N",
        show_default=False,
        help="How many shards the cluster has. The first worker decides it permanently.",
    ),
]
Listen = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="The address to listen on. Port 0 picks a free port. Any address other than loopback requires"
        " an API key.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        show_default=False,
        help="The URL at which others reach this worker. The default is http://HOST:PORT.",
    ),
]
WorkerName = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        show_default=False,
        help="The name of this worker. The default consists of the names of the machine and the process.",
    ),
]
Engine = Annotated[
    bool, typer.Option("--engine", help="The shards are matching engines, in which incoming orders trade.")
]
Prevention = Annotated[
    SelfTradePrevention,
    typer.Option(
        "--self-trade-prevention",
        metavar="POLICY",
        help="With engines: what happens when two orders of the same owner would trade with each other: NONE,"
        " CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, or DECREMENT. All workers need the same value.",
    ),
]
Standby = Annotated[
    bool,
    typer.Option(
        "--standby", help="Follow all shards, answer reads, and take over the shards of a worker that dies."
    ),
]
Replicas = Annotated[
    int, typer.Option("--replicas", min=1, max=5, metavar="N", help="How many servers store each change.")
]
System = Annotated[
    str | None,
    typer.Option(
        "--system",
        metavar="USER:PASSWORD",
        envvar="OMS_CLUSTER_SYSTEM",
        show_default=False,
        show_envvar=True,
        help="The system account of the servers, which proves that they are safe. Set the variable instead,"
        " because other users of the machine can see options.",
    ),
]
Monitoring = Annotated[
    list[str] | None,
    typer.Option(
        "--monitoring",
        metavar="URL",
        envvar="OMS_CLUSTER_MONITORING",
        show_default=False,
        help="The monitoring URL of a server, which also proves that it is safe. Can be repeated.",
    ),
]
Unsafe = Annotated[bool, typer.Option("--unsafe", help="Check nothing. Acknowledged changes can be lost.")]
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file", metavar="FILE", show_default=False, help="A file with API keys of oms key new."
    ),
]
Lease = Annotated[
    float,
    typer.Option(
        "--lease-seconds",
        min=1.0,
        max=300.0,
        metavar="SECONDS",
        help="After how many silent seconds others take over. All workers need the same value.",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option("--log-format", help="The form of the log lines.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds", min=0.5, metavar="SECONDS", help="A worker that is silent for so long is dead."
    ),
]


@contextmanager
def _extra() -> Generator[None]:
    """Print how to install the extra, and exit, if the block imports what is not installed."""
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
    servers: Servers,
    *,
    shards: Shards = None,
    listen: Listen = "127.0.0.1:0",
    url: Url = None,
    name: WorkerName = None,
    engine: Engine = False,
    self_trade_prevention: Prevention = SelfTradePrevention.NONE,
    standby: Standby = False,
    replicas: Replicas = 3,
    system: System = None,
    monitoring: Monitoring = None,
    unsafe: Unsafe = False,
    keys_file: KeysFile = None,
    lease_seconds: Lease = 5.0,
    log_format: LogFormat = "text",
) -> None:
    """Run a worker, which serves some shards over HTTP. Stop it with Ctrl-C.

    Another worker takes over its shards when it stops or dies.
    """
    with _extra():
        from oms.api import Settings, logs, server  # noqa: PLC0415 - other commands work without the extras
        from oms.cluster.agreement import BUCKET, agreed, default_names  # noqa: PLC0415 - see above
        from oms.cluster.jetstream_bucket import JetStreamBucket  # noqa: PLC0415 - see above
        from oms.cluster.worker import create_worker_app  # noqa: PLC0415 - see above
        from oms.cluster.worker.opening import Place, open_worker  # noqa: PLC0415 - see above
        from oms.cluster.worker.running import serve_worker  # noqa: PLC0415 - see above
    host, port = _address(listen)
    if keys_file is None and not server.is_loopback(host):
        raise typer.BadParameter(
            f"--listen {listen} can be reached from other machines, so an API key is required; pass"
            " --keys-file FILE, or listen on 127.0.0.1"
        )
    urls = _split(servers)
    place = Place(urls, replicas, _account(system), _split(monitoring or []), unsafe)
    os.environ.pop("OMS_CLUSTER_SYSTEM", None)  # no child process gets the password
    settings: Settings = Settings(keys_file=keys_file)
    with (
        logs.logging_to(logs.stderr_descriptor(), log_format),
        server.listen(host, port) as listening,
        closing(JetStreamBucket(urls, BUCKET, replicas=replicas)) as bucket,
        ThreadPoolExecutor(_AT_ONCE, "oms worker") as executor,
    ):
        decided = agreed(
            bucket,
            None if shards is None else default_names(shards),
            engine=engine if engine or shards is not None else None,
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
            settings=settings,
            lease_seconds=lease_seconds,
        )
        print(f"worker {own_name} serves {own_url}")
        kind = "matching engines" if decided.engine else "books"
        print(f"shards: {len(decided.shards)} ({kind})")
        print(f"role: {'standby, which follows all shards' if standby else 'worker'}", flush=True)
        own = create_worker_app(running, settings, has_owners=decided.engine)
        serve_worker(running, own, listening, settings)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise typer.BadParameter(f"--listen must be HOST:PORT, such as 127.0.0.1:8081, not {listen!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _split(values: list[str]) -> list[str]:
    """Return the values of a list, in which commas also separate them."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _account(system: str | None) -> dict[str, Any] | None:
    if system is None:
        return None
    user, colon, password = system.partition(":")
    if not colon:
        raise typer.BadParameter("--system must be USER:PASSWORD")
    return {"user": user, "password": password}


@app.command()
def status(servers: Servers, *, seconds: Seconds = 5.0, as_json: AsJson = False) -> None:
    """Show the shards of a cluster, their owners and copies, and whether the copies agree.

    The exit code is 1 if a shard has no owner, or if two copies have different state hashes.
    """
    with _extra():
        from oms.cluster.agreement import BUCKET  # noqa: PLC0415 - see above
        from oms.cluster.jetstream_bucket import JetStreamBucket  # noqa: PLC0415 - see above
        from oms.cluster.replicated_log import UnavailableError  # noqa: PLC0415 - see above
        from oms.cluster.status import read_status  # noqa: PLC0415 - see above
    with closing(JetStreamBucket(_split(servers), BUCKET, create=False)) as bucket:
        try:
            read = read_status(bucket, seconds)
        except UnavailableError as error:
            print(f"oms: the state of the cluster cannot be read: {error}", file=sys.stderr)
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
    console.print("all shards are served" if not wrong else f"shards with a problem: {wrong}")


def _rows(shard: ShardStatus) -> list[list[str]]:
    """Return the rows of a shard, one for each copy, the owner's first."""
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
