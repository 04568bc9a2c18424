"""The endpoints about the service itself: whether it lives, takes changes, and in what state it is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from oms.api import openapi
from oms.api.openapi import described
from oms.api.problems import Refusal, without_folders
from oms.api.request_models import answer
from oms.errors import JournalError, OmsError
from oms.management import OrderManagement

__all__ = ["Service"]


class Service:
    """The endpoints about the service itself."""

    def __init__(self, om: OrderManagement) -> None:
        self._om = om

    def add_to(self, router: APIRouter) -> None:
        """Put the endpoints under a router."""
        for path, endpoint, of in (
            ("/health", self.health, openapi.HEALTH),
            ("/ready", self.ready, openapi.READY),
            ("/state-hash", self.state_hash, openapi.STATE_HASH),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **described(of, endpoint))

    async def health(self) -> Response:
        """Whether the process is alive; it waits for nothing."""
        return answer({"alive": True})

    def ready(self) -> Response:
        """Whether what was kept is here, and changes are taken."""
        try:
            with self._om.locked():
                _check_writable(self._om)
                sequence, orders = self._om.last_sequence, len(self._om)
        except OmsError as error:
            reason = without_folders(error.problem if isinstance(error, JournalError) else str(error))
            raise Refusal("not_ready", reason, {"reason": reason}) from None
        durable = self._om.journal is not None
        return answer({"ready": True, "durable": durable, "sequence": sequence, "orders": orders})

    def state_hash(self) -> Response:
        """The hash over every resting order and the counters, in O(n)."""
        with self._om.locked():
            sequence, state = self._om.last_sequence, self._om.state_hash()
        return answer({"sequence": sequence, "state_hash": state})


def _check_writable(om: OrderManagement) -> None:
    """Raise JournalError if a change would be refused, whatever it is."""
    journal = om.journal
    if journal is None:
        return
    journal.check_writable()
    if journal.last_sequence != om.last_sequence:
        raise JournalError("journal", "a change was struck, and memory lacks it")
