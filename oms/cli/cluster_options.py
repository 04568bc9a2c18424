"""The options of `oms cluster`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from oms.submission import SelfTradePrevention

__all__ = [
    "AsJson",
    "Engine",
    "HasClock",
    "InstrumentTexts",
    "InstrumentsFile",
    "KeysFile",
    "Lease",
    "Listen",
    "LogFormat",
    "Monitoring",
    "Prevention",
    "Replicas",
    "Seconds",
    "Servers",
    "Shards",
    "SnapshotEvery",
    "Standby",
    "System",
    "Unsafe",
    "Url",
    "WorkerName",
    "split",
]

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
        help="How many shards the cluster has. The first worker sets the number permanently.",
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
        help="The name of this worker. The default consists of the machine's name and the process id.",
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
InstrumentTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument",
        metavar="TEXT",
        show_default=False,
        help="The tick size, the lot size, and the currency of a symbol, such as AAPL=0.01:1:USD. Can be"
        " repeated. All workers need the same instruments.",
    ),
]
InstrumentsFile = Annotated[
    Path | None,
    typer.Option(
        "--instruments",
        metavar="FILE",
        show_default=False,
        help="A JSON file with instruments, in the form of the response to GET /instruments.",
    ),
]
HasClock = Annotated[
    bool, typer.Option("--clock/--no-clock", help="Give each event the time at which it happened.")
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
        help="The system account of the servers, which shows that they are safe. Prefer the variable, because"
        " other users of the machine can see options.",
    ),
]
Monitoring = Annotated[
    list[str] | None,
    typer.Option(
        "--monitoring",
        metavar="URL",
        envvar="OMS_CLUSTER_MONITORING",
        show_default=False,
        help="The monitoring URL of a server, which also shows that the server is safe. Can be repeated.",
    ),
]
Unsafe = Annotated[
    bool, typer.Option("--unsafe", help="Do not check the servers. Acknowledged changes can be lost.")
]
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        metavar="FILE",
        show_default=False,
        help="A file with API keys that oms key new has made.",
    ),
]
Lease = Annotated[
    float,
    typer.Option(
        "--lease-seconds",
        min=1.0,
        max=300.0,
        metavar="SECONDS",
        help="After how many seconds without a heartbeat another worker takes over. All workers need the"
        " same value.",
    ),
]
SnapshotEvery = Annotated[
    int,
    typer.Option(
        "--snapshot-every",
        min=1_000,
        metavar="EVENTS",
        help="How many events of a shard pass before a follower saves a snapshot. An owner without a follower"
        " waits for twice as many. A new copy of a shard without a snapshot takes longer to open.",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option("--log-format", help="The form of the log lines.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds",
        min=0.5,
        metavar="SECONDS",
        help="How long to wait for a heartbeat before a worker counts as dead.",
    ),
]


def split(values: Iterable[str]) -> list[str]:
    """Return the values of an option that can be repeated. Each value can be a comma-separated list."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
