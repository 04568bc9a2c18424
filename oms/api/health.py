"""The status endpoints: `/health`, `/ready`, and `/state-hash`."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from oms.api import descriptions
from oms.api.callers import CallersOwner, check_operator, is_anonymous
from oms.api.openapi import documented
from oms.api.problems import ProblemError, without_folders
from oms.api.response_models import json_response
from oms.api.state_hash import state_hash
from oms.errors import JournalError, OmsError
from oms.facade import Facade

__all__ = ["Health"]

_HIDDEN = "the service accepts no changes; send an API key to get the reason"


class Health:
    """The endpoints that report the service's status."""

    def __init__(self, om: Facade, count: Callable[[str | None], int]) -> None:
        self._om = om
        self._count = count

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/health", self.health, descriptions.HEALTH),
            ("/ready", self.ready, descriptions.READY),
            ("/state-hash", self.state_hash, descriptions.STATE_HASH),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **documented(description, endpoint))

    async def health(self) -> Response:
        """Return 200 if the process is alive, without waiting for a lock or the disk."""
        return json_response({"alive": True})

    def ready(self, request: Request, caller: CallersOwner) -> Response:
        """Return 200 if the service accepts changes, or 503 with the reason if it does not.

        While the service drains, it still accepts changes, but this response is a 503. The request needs no
        API key. Without one, the response contains neither numbers nor the reason.
        """
        hides = is_anonymous(request)
        if getattr(request.app.state, "is_shutting_down", False):
            reason = "the service is shutting down"
            raise ProblemError("not_ready", reason, {"reason": reason})
        try:
            with self._om.locked(to_read=True):
                orders, sequence = self._count(caller), self._om.last_sequence
            if self._om.journal is not None:
                self._om.journal.check_writable()
        except OmsError as error:
            reason = _HIDDEN if hides else _reason(error)
            raise ProblemError("not_ready", reason, {"reason": reason}) from None
        durable = self._om.journal is not None
        numbers = {"sequence": None if hides else sequence, "orders": None if hides else orders}
        return json_response({"ready": True, "durable": durable, **numbers})

    def state_hash(self, caller: CallersOwner) -> Response:
        """Return a hash of all resting orders and counters. O(n) for n resting orders, read in slices."""
        check_operator(caller)
        sequence, state = state_hash(self._om)
        return json_response({"sequence": sequence, "state_hash": state})


def _reason(error: OmsError) -> str:
    return without_folders(error.problem if isinstance(error, JournalError) else str(error))
