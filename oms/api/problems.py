"""Every refusal as a problem (RFC 9457): a stable code, and what the exception behind it carries."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from fastapi import HTTPException, Response, WebSocket
from starlette.requests import HTTPConnection

from oms.contract import PROBLEM_MEDIA_TYPE, PROBLEMS
from oms.errors import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    OmsError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
)

__all__ = [
    "Refusal",
    "deny",
    "invalid",
    "log_refusal",
    "problem_of",
    "respond",
    "without_folders",
]

_LOG = logging.getLogger("oms.api")
_FOLDERS = re.compile(r"""(?<![\w.~/-])(?:[A-Za-z]:[/\\]|/)(?:[^/\\'":\n]*[/\\])*""")
_LONGEST_ECHO = 1_000  # characters of JSON


class Refusal(HTTPException):
    """A request is refused: `code` is one of PROBLEMS, `fields` what the problem says beside its detail."""

    def __init__(
        self,
        code: str,
        detail: str,
        fields: Mapping[str, object] | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status or PROBLEMS[code].status, detail, dict(headers or {}))
        self.code = code
        self.fields = dict(fields or {})

    def problem(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = {"type": f"urn:oms:problem:{self.code}", "title": PROBLEMS[self.code].title}
        return {**kind, "status": self.status_code, "code": self.code, "detail": self.detail, **self.fields}


def respond(refusal: Refusal) -> Response:
    """The answer that a refusal is."""
    content = json.dumps(refusal.problem(), allow_nan=False, separators=(",", ":"))
    headers = {"Cache-Control": "no-store", **(refusal.headers or {})}
    return Response(content, refusal.status_code, headers, PROBLEM_MEDIA_TYPE)


def log_refusal(request: HTTPConnection, refusal: Refusal) -> None:
    """Log that a request was not let in, and why; its headers and its query are not logged."""
    method = request.scope.get("method", "WebSocket")
    client = request.client.host if request.client else "an unknown address"
    detail = f"{refusal.status_code} {refusal.code}: {refusal.detail}"
    _LOG.warning("refused %s %.200r from %s: %s", method, request.scope["path"], client, detail)


async def deny(websocket: WebSocket, refusal: Refusal) -> None:
    """Refuse a stream before it is open: with the answer, where the server can send one."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(respond(refusal))
    else:
        await websocket.close(1008, refusal.code)


def invalid(field: str, value: object, allowed: str) -> Refusal:
    """The refusal of a field; a value that JSON cannot hold, or not shortly, is left out."""
    error = InvalidOrderError(field, value, allowed)
    return Refusal("invalid_order", str(error), {"field": field, "allowed": allowed, **_echo(value)})


def _echo(value: object) -> dict[str, object]:
    try:
        fits = len(json.dumps(value, allow_nan=False)) <= _LONGEST_ECHO
    except (TypeError, ValueError, RecursionError):
        return {}
    return {"value": value} if fits else {}


def problem_of(error: OmsError) -> Refusal:
    """The refusal that says what an exception of the library says."""
    for kind, translate in _TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    return Refusal("internal_error", "the request could not be served")


def without_folders(text: str) -> str:
    """Shorten absolute paths to the names of files: where a file lies is not a client's business."""
    return _FOLDERS.sub("", text)


def _of_journal(error: JournalError) -> Refusal:
    place, problem = PurePath(error.place).name, without_folders(error.problem)
    return Refusal("journal_failed", f"{place}: {problem}", {"place": place, "problem": problem})


def _with_reason(error: OpenTransactionError) -> Refusal:
    reason = without_folders(str(error))
    return Refusal("not_ready", reason, {"reason": reason})


def _with(code: str, *names: str) -> Callable[[Any], Refusal]:
    def translate(error: OmsError) -> Refusal:
        return Refusal(code, str(error), {name: getattr(error, name) for name in names})

    return translate


_TRANSLATIONS: dict[type[OmsError], Callable[[Any], Refusal]] = {
    InvalidArgumentError: lambda error: invalid(error.field, error.value, error.allowed),
    DuplicateOrderError: _with("duplicate_order", "order_id"),
    OrderNotFoundError: _with("order_not_found", "order_id"),
    InsufficientLiquidityError: _with(
        "insufficient_liquidity", "symbol", "side", "requested", "available", "unit"
    ),
    PriceBoundError: _with("price_bound", "field", "bound", "total_price"),
    JournalError: _of_journal,
    OpenTransactionError: _with_reason,
}
