"""The requirements that a cluster must meet before a journal opens, and the checks of these requirements.

The problem: by default, a NATS server acknowledges a message before the message is on the disk, and syncs it
up to two minutes later. If machines lose power meanwhile, acknowledged changes are lost. A stream could also
have only one replica, or a limit above which it deletes messages.

What does not work: asking the servers over the ordinary connection, because the response to a client does not
contain `sync_interval`. Measuring the duration of a sync does not work either. A fast response can mean that
the server does not sync, or that its disk is fast. A slow response can come from a slow network.

The solution: the servers report their configuration to the system account, and at their monitoring URLs. The
operator passes one of the two. Each report must say that the server syncs before it acknowledges. Before a
stream with n replicas is created, at least n servers must report. Later, a majority of the stream's servers
is enough, because a server that is down cannot report.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from oms.cluster.patience import Patience
from oms.errors import InvalidArgumentError, JournalError

__all__ = [
    "MINIMUM_REPLICAS",
    "ServerReport",
    "check_replicas",
    "check_servers",
    "fetch_report",
    "report_of",
    "server_problems",
    "stream_config",
    "stream_problems",
]

_log = logging.getLogger("oms.cluster")

MINIMUM_REPLICAS = 3
_MINIMUM_VERSION = (2, 12)
_WINDOW = 120 * 10**9  # nanoseconds for which the servers recognize a repeated message id
_SECONDS = 5.0  # for a request to a monitoring URL


class ServerReport(NamedTuple):
    """The report of a server. `syncs` is True if the server syncs each message before it acknowledges it.

    `lengths` maps the name and the creation time of each stream to its number of messages.
    """

    name: str
    version: str
    syncs: bool
    lengths: Mapping[tuple[str, str], int] = {}

    def problems(self) -> list[str]:
        """Return the reasons why the server is not safe."""
        problems: list[str] = []
        if _version(self.version) < _MINIMUM_VERSION:
            problems.append(f"server {self.name} has version {self.version}, and 2.12 or later is needed")
        if not self.syncs:
            problems.append(
                f"server {self.name} acknowledges a message before it is on the disk; "
                "set sync_interval: always in the block jetstream of its configuration"
            )
        return problems


def report_of(server: Mapping[str, Any], jetstream: Mapping[str, Any]) -> ServerReport:
    """Parse a report. `server` contains the name and version, and `jetstream` the report of JetStream.

    Raises AttributeError, LookupError, or TypeError if the arguments are not a report.
    """
    config = jetstream.get("config")
    syncs = config is not None and config.get("sync_always") is True
    lengths = {
        (stream["name"], stream["created"]): int(stream["state"]["last_seq"])
        for account in jetstream.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
    }
    return ServerReport(str(server["name"]), str(server["ver"]), syncs, lengths)


def fetch_report(url: str) -> ServerReport | None:
    """Read the report of the server with this monitoring URL, or return None if it does not respond.

    Raises InvalidArgumentError unless the URL begins with http:// or https://.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidArgumentError("monitoring", url, "URLs that begin with http:// or https://")
    try:
        server = _fetch(f"{url.rstrip('/')}/varz")
        jetstream = _fetch(f"{url.rstrip('/')}/jsz?config=true&accounts=true&streams=true")
        return report_of({"name": server["server_name"], "ver": server["version"]}, jetstream)
    except (URLError, HTTPException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        _log.debug("%s does not report the configuration of its server: %s", url, error)
        return None


def _fetch(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=_SECONDS) as response:  # noqa: S310  # fetch_report has checked the scheme
        content: dict[str, Any] = json.load(response)
    return content


def _version(text: str) -> tuple[int, ...]:
    numbers = text.partition("-")[0].split(".")[:2]
    return tuple(int(number) if number.isdigit() else 0 for number in numbers)


def server_problems(reports: Iterable[ServerReport], peers: Sequence[str] | None, replicas: int) -> list[str]:
    """Return the reasons why the servers are not safe.

    `peers` are the names of the stream's servers. Before the stream exists, `peers` is None, and at least
    `replicas` servers must have reported.
    """
    by_name = {report.name: report for report in reports}
    problems = _problems(by_name.values())
    if peers is None:
        if len(by_name) < replicas:
            problems.append(f"{len(by_name)} of {replicas} servers have reported their configuration")
        return problems
    reported = [name for name in peers if name in by_name]
    if len(reported) <= len(peers) // 2:
        problems.append(
            f"{len(reported)} of the {len(peers)} servers of the stream have reported their configuration, "
            "and a majority is needed"
        )
    return problems


def _problems(reports: Iterable[ServerReport]) -> list[str]:
    by_name = sorted(reports, key=lambda report: report.name)  # two reports can be of the same server
    return [problem for report in by_name for problem in report.problems()]


def check_servers(
    read: Callable[[], Iterable[ServerReport]], replicas: int, place: str, patience: Patience
) -> None:
    """Raise JournalError unless a majority of `replicas` servers report that they are safe.

    `read` returns the reports. While the servers are still starting, `read` is called repeatedly, and a log
    line reports this. If a report says that a server is not safe, the error is raised at once.
    """
    names, problem = set[str](), None
    for attempt in patience.attempts():
        if attempt == 2:
            _log.warning("%s: waiting up to %g seconds for reports of the servers", place, patience.seconds)
        try:
            reports = list(read())
        except JournalError as error:
            problem = error
            continue
        problems = _problems(reports)
        if problems:
            raise JournalError(place, "; ".join(problems))
        names = {report.name for report in reports}
        if len(names) > replicas // 2:
            return
    counted = f"{len(names)} of {replicas} servers have reported their configuration"
    raise JournalError(place, f"{counted}, and a majority is needed") from problem


def stream_config(stream: str, shard: str, replicas: int) -> dict[str, Any]:
    """Return the configuration of a shard's stream, which stores messages in files and deletes none."""
    return {
        "name": stream,
        "subjects": [f"oms.{shard}.>"],
        "num_replicas": replicas,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "duplicate_window": _WINDOW,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
    }


_OTHER_FIELDS: Mapping[str, Any] = {
    "sealed": False,
    "no_ack": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_msg_counter": False,
    "mirror": None,
    "sources": None,
    "subject_transform": None,
    "persist_mode": "default",
    "first_seq": 0,
}
"""Further fields of a stream's configuration with the required values. A field may also be missing."""


def stream_problems(config: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    """Return the differences between the configuration of a stream and the one that a journal needs."""
    problems: list[str] = []
    for field, value in {**needed, **_OTHER_FIELDS}.items():
        actual = config.get(field, value if field in _OTHER_FIELDS else None)
        is_right = actual >= value if field == "num_replicas" and type(actual) is int else actual == value
        if not is_right and not (field in _OTHER_FIELDS and not actual):
            problems.append(f"{field} of the stream is {json.dumps(actual)}, not {json.dumps(value)}")
    return problems


def check_replicas(replicas: object, *, unsafe: bool) -> None:
    """Raise InvalidArgumentError unless the number of replicas is allowed."""
    least = 1 if unsafe else MINIMUM_REPLICAS
    if type(replicas) is not int or replicas not in range(least, 6):
        remedy = "" if unsafe else "pass unsafe=True to test with fewer"
        raise InvalidArgumentError("replicas", replicas, f"an int in {least}..5", remedy)
