"""The configuration of the servers, which they report to the system account of their cluster."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from oms.cluster.jetstream.event_loop import EventLoop
from oms.cluster.jetstream.jetstream_connection import close_client
from oms.cluster.jetstream.requirements import ServerReport, report_of
from oms.errors import JournalError

__all__ = ["system_reports"]

_log = logging.getLogger("oms.cluster")

_PING = "$SYS.REQ.SERVER.PING.JSZ"
_LONGEST, _LISTEN = 20.0, 2.0  # seconds for everything, and for the next response
_OPTIONS: Mapping[str, Any] = {"max_reconnect_attempts": 2, "reconnect_time_wait": 0.1, "connect_timeout": 2}


def system_reports(servers: Sequence[str], system: Mapping[str, Any], place: str) -> list[ServerReport]:
    """Return the reports of the cluster's servers. Stop after two seconds without a response.

    `system` contains the arguments of `nats.connect` for the system account. Raises JournalError if no server
    accepts them.
    """
    loop = EventLoop("oms cluster system account", place)
    try:
        return loop.run(partial(_ask, list(servers), system, place), _LONGEST)
    except (NatsError, OSError, RuntimeError, ValueError) as error:
        problem = str(error) or "no server answers"
        raise JournalError(place, f"the system account cannot be used: {problem}") from error
    finally:
        loop.close()


async def _ask(servers: list[str], system: Mapping[str, Any], place: str) -> list[ServerReport]:
    client, reports = Client(), list[ServerReport]()

    async def note(error: Exception) -> None:
        _log.debug("%s: system account: %s", place, error)

    try:
        await client.connect(servers, error_cb=note, **{**_OPTIONS, **system})
        configured = await _ping(client, {"config": True})
        # This report contains all streams, so it may be too long for a message. Then no server responds.
        detailed = (
            await _ping(client, {"config": True, "accounts": True, "streams": True}) if configured else []
        )
    finally:
        await close_client(client)
    for content in (*configured, *detailed):
        with suppress(AttributeError, LookupError, TypeError, ValueError):
            reports.append(report_of(content["server"], content["data"]))
    return list({report.name: report for report in reports}.values())


async def _ping(client: Client, options: dict[str, bool]) -> list[dict[str, Any]]:
    """Return the responses of all servers of the cluster."""
    answers: list[dict[str, Any]] = []
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)  # pyright: ignore[reportUnknownMemberType]  # a bare Future
    await client.publish(_PING, json.dumps(options).encode(), reply=inbox)
    with suppress(NatsError, LookupError, TypeError, ValueError):  # no more responses, or no permission
        size: int | None = None
        while size is None or len(answers) < size:
            answer = await subscription.next_msg(timeout=_LISTEN)
            answers.append(json.loads(answer.data))
            size = answers[0]["data"]["meta_cluster"]["cluster_size"]
    return answers
