"""The `/ready` endpoint of a gateway, which says which shards cannot be reached."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request, Response

from oms.api.problems import ProblemError, problem_response
from oms.api.response_models import json_response
from oms.cluster.gateway.credentials import Credentials
from oms.cluster.gateway.workers import NoResponseError, Outgoing, Workers
from oms.cluster.ownership.shards import Shards

__all__ = ["Readiness"]

_PATIENCE = 0.0  # seconds; a load balancer repeats its check anyway


class Readiness:
    """The readiness of a cluster: it is ready if all shards are."""

    def __init__(self, shards: Shards, workers: Workers, credentials: Credentials) -> None:
        self._shards = shards
        self._workers = workers
        self._credentials = credentials

    async def ready(self, request: Request) -> Response:
        """Return 200 if every shard accepts changes, or 503 with the shards that do not, and the reasons.

        `sequence` and `orders` are sums over all shards.
        """
        if getattr(request.app.state, "is_shutting_down", False):
            reason = "the service is shutting down"
            return problem_response(ProblemError("not_ready", reason, {"reason": reason}))
        outgoing = Outgoing("GET", b"/ready", self._credentials.proof(request))
        results = await asyncio.gather(*(self._ask(name, outgoing) for name in self._shards.names))
        missing = {name: result for name, result in results if isinstance(result, str)}
        if missing:
            reason = "; ".join(f"shard {name}: {problem}" for name, problem in missing.items())
            fields = {"reason": reason, "shards": list(missing)}
            return problem_response(ProblemError("not_ready", reason, fields))
        return json_response(_total([result for _, result in results if isinstance(result, dict)]))

    async def _ask(self, name: str, request: Outgoing) -> tuple[str, dict[str, Any] | str]:
        """Return the shard's response if it is ready, or the reason why it is not ready."""
        try:
            reply = await self._workers.send(name, request, _PATIENCE)
        except NoResponseError as error:
            return name, error.reason
        content: dict[str, Any] = reply.json()
        return name, content if reply.status == 200 else str(content.get("reason") or content["detail"])


def _total(shards: list[dict[str, Any]]) -> dict[str, Any]:
    hides = any(shard["sequence"] is None for shard in shards)
    sums = {
        field: None if hides else sum(int(shard[field]) for shard in shards)
        for field in ("sequence", "orders")
    }
    return {"ready": True, "durable": all(shard["durable"] for shard in shards), **sums}
