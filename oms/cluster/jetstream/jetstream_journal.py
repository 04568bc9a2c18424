"""A journal in a NATS JetStream stream, which is opened only if the cluster is safe."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from oms.cluster.jetstream.jetstream_connection import ApiError
from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.cluster.jetstream.object_store import ObjectSnapshots
from oms.cluster.jetstream.requirements import (
    ServerReport,
    check_replicas,
    fetch_report,
    server_problems,
    stream_config,
    stream_problems,
)
from oms.cluster.jetstream.system_account import system_reports
from oms.cluster.jetstream.unsafe import marked_place
from oms.cluster.jetstream.urls import without_passwords
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.log.subjects import check_shard
from oms.cluster.patience import Patience
from oms.errors import InvalidArgumentError, JournalError

__all__ = [
    "JetStreamJournal",
    "WriterArguments",
    "check_proof",
    "open_log",
    "server_reports",
]

_log = logging.getLogger("oms.cluster")


class WriterArguments(TypedDict, total=False):
    """The arguments of JetStreamJournal that a program can pass to `oms.cluster.open` and `open_engine`."""

    replicas: int
    system: Mapping[str, Any] | None
    monitoring: Sequence[str]
    unsafe: bool
    options: Mapping[str, Any] | None
    writer: str | None
    seconds: float


class JetStreamJournal(LogJournal):
    """A journal in the NATS cluster at `servers`, which is a URL or several URLs.

    A change is acknowledged when a majority of the `replicas` servers have it on disk. `shard` is the name of
    the log, which is created if it does not exist. The journal opens only if the cluster is safe: for
    example, the servers must sync each message to the disk before they acknowledge it. To check this, the
    journal needs one of two arguments. `system` contains the arguments of `nats.connect` for the system
    account, for example `{"user": ..., "password": ...}`. `monitoring` contains the monitoring URLs of the
    servers. With `unsafe`, the servers are not checked, one replica is allowed, and each log line and each
    JournalError contains the word UNSAFE.

    `options` are further arguments of `nats.connect`. `writer` is the name of this writer in the error
    messages of other writers. With `read_only`, nothing is written. `seconds` is the longest time for which
    an append or a read is retried while the cluster is unavailable.

    Raises InvalidArgumentError if an argument is invalid. Raises JournalError if the cluster cannot be
    reached, is not safe, or contains a damaged log. O(n log n + m) for n orders in the snapshot and m later
    events.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        shard: str = "main",
        *,
        replicas: int = 3,
        system: Mapping[str, Any] | None = None,
        monitoring: Sequence[str] = (),
        unsafe: bool = False,
        options: Mapping[str, Any] | None = None,
        writer: str | None = None,
        read_only: bool = False,
        seconds: float = 30.0,
    ) -> None:
        log = open_log(
            servers,
            shard,
            replicas=replicas,
            system=system,
            monitoring=monitoring,
            unsafe=unsafe,
            options=options,
            create=not read_only,
            seconds=seconds,
        )
        super().__init__(
            log,
            writer=writer,
            read_only=read_only,
            patience=Patience(seconds),
            snapshots=ObjectSnapshots(log, replicas),
            least=log.known_length,
        )


def open_log(
    servers: str | Sequence[str],
    shard: str,
    *,
    replicas: int = 3,
    system: Mapping[str, Any] | None = None,
    monitoring: Sequence[str] = (),
    unsafe: bool = False,
    options: Mapping[str, Any] | None = None,
    create: bool = True,
    seconds: float = 30.0,
) -> JetStreamLog:
    """Connect to a shard's log, check that it is safe, and create it if it does not exist.

    See JetStreamJournal.
    """
    urls = [servers] if isinstance(servers, str) else list(servers)
    check_shard(shard)
    check_replicas(replicas, unsafe=unsafe)
    _check_arguments(urls, monitoring, seconds)
    place = marked_place(f"shard {shard} at {without_passwords(urls)}", unsafe=unsafe)
    if not unsafe:
        check_proof(system, monitoring, place)
    log = JetStreamLog(urls, shard, place, options=options, open_seconds=seconds)
    try:
        reports = () if unsafe else server_reports(urls, system, monitoring, place)
        opening = _Opening(log, replicas, None if unsafe else reports, Patience(seconds))
        log.known_length = opening.run(create=create)
    except BaseException:
        log.close()
        raise
    return log


def check_proof(system: Mapping[str, Any] | None, monitoring: Sequence[str], place: str) -> None:
    """Raise JournalError if neither `system` nor `monitoring` is given."""
    if system is None and not monitoring:
        problem = (
            "nothing says that the servers sync each message to the disk; pass the system account as "
            "system={'user': ..., 'password': ...}, or the monitoring URLs of the servers as monitoring=[...]"
        )
        raise JournalError(place, problem)


def server_reports(
    urls: Sequence[str], system: Mapping[str, Any] | None, monitoring: Sequence[str], place: str
) -> list[ServerReport]:
    """Return the reports of the servers, from the system account and from the monitoring URLs.

    Raises JournalError if no server accepts the system account.
    """
    reports = [] if system is None else system_reports(urls, system, place)
    return reports + [report for url in monitoring if (report := fetch_report(url)) is not None]


class _Opening:
    """The checks and the creation of a stream. `reports` is None if the servers are not checked."""

    def __init__(
        self,
        log: JetStreamLog,
        replicas: int,
        reports: Sequence[ServerReport] | None,
        patience: Patience,
    ) -> None:
        self._log = log
        self._config = stream_config(log.stream, log.name, replicas)
        self._reports = reports
        self._patience = patience

    def run(self, *, create: bool) -> int:
        """Find or create the stream. Return the length of its longest copy on a server, in messages.

        Raises JournalError if the stream is missing or not safe.
        """
        info = self._request("INFO")
        if info is None and not create:
            raise JournalError(self._log.place, "it does not exist")
        if info is None:
            self._check_servers(None)
            info = self._request("CREATE", self._config) or {}
        problems = stream_problems(info["config"], self._config)
        if problems:
            raise JournalError(self._log.place, "; ".join(problems))
        self._check_servers(_peers(info))
        stream = self._log.stream, info["created"]
        return max((report.lengths.get(stream, 0) for report in self._reports or ()), default=0)

    def _check_servers(self, peers: Sequence[str] | None) -> None:
        if self._reports is None:
            _log.warning("%s is not checked", self._log.place)
            return
        problems = server_problems(self._reports, peers, self._config["num_replicas"])
        if problems:
            raise JournalError(self._log.place, "; ".join(problems))
        missing = set(peers or ()) - {report.name for report in self._reports}
        if missing:
            names = ", ".join(sorted(missing))
            _log.warning("%s is safe, but these servers could not be checked: %s", self._log.place, names)

    def _request(self, verb: str, content: object = None) -> dict[str, Any] | None:
        """Send a request about the stream. Return None if there is no stream."""
        problem: Exception | None = None
        for _ in self._patience.attempts():
            try:
                info = self._log.request(f"$JS.API.STREAM.{verb}.{self._log.stream}", content)
                if _peers(info):
                    return info
                problem = UnavailableError("the stream has no leader")
            except ApiError as error:
                if error.has_no_stream:
                    return None
                problem = error
            except UnavailableError as error:
                problem = error
        raise JournalError(self._log.place, f"the stream cannot be opened: {problem}") from problem


def _peers(info: Mapping[str, Any]) -> list[str]:
    """Return the names of the stream's servers, or an empty list while it has no leader."""
    cluster: Mapping[str, Any] = info.get("cluster") or {"leader": "the only server"}  # without a cluster
    if not cluster.get("leader"):
        return []
    return [cluster["leader"], *(replica["name"] for replica in cluster.get("replicas") or ())]


def _check_arguments(urls: Sequence[str], monitoring: object, seconds: object) -> None:
    if isinstance(monitoring, str):
        raise InvalidArgumentError("monitoring", monitoring, "a list of URLs")
    if type(seconds) not in (int, float) or not 0 < seconds <= 3600:  # type: ignore[operator]  # a number
        raise InvalidArgumentError("seconds", seconds, "a number > 0 and <= 3600")
