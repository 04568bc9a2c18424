"""Error responses in the RFC 9457 problem format, with a stable error code and the exception's fields."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from fastapi import HTTPException, Response, WebSocket
from starlette.requests import HTTPConnection

from oms.api.integers import json_text
from oms.api.log_limit import LogLimit
from oms.contract import PROBLEM_MEDIA_TYPE, PROBLEM_TYPE, PROBLEMS, id_as_json
from oms.errors import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    LimitError,
    OmsError,
    OpenTransactionError,
    OrderNotFoundError,
    PriceBoundError,
    RateLimitError,
)

__all__ = [
    "ProblemError",
    "RejectionLog",
    "at_element",
    "deny",
    "from_exception",
    "invalid_field",
    "log_rejection",
    "problem_response",
    "without_folders",
]

_LOG = logging.getLogger("oms.api")
_FOLDERS = re.compile(r"""(?<![\w.~/-])(?:[A-Za-z]:[/\\]|/)(?:[^/\\'":\n]*[/\\])*""")
_LONGEST_VALUE = 1_000  # characters of JSON


class ProblemError(HTTPException):
    """A rejected request. `code` is a key in PROBLEMS. `fields` are added to the response body."""

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
        """Return the response body."""
        return {
            "type": PROBLEM_TYPE.format(code=self.code),
            "title": PROBLEMS[self.code].title,
            "status": self.status_code,
            "code": self.code,
            "detail": self.detail,
            **self.fields,
        }


def problem_response(error: ProblemError) -> Response:
    """Return the response for an error."""
    content = json_text(error.problem())
    headers = {"Cache-Control": "no-store", **(error.headers or {})}
    return Response(content, error.status_code, headers, PROBLEM_MEDIA_TYPE)


class RejectionLog:
    """The log of rejected requests: at most one line a second for each problem code."""

    def __init__(self) -> None:
        self._limits = {code: LogLimit() for code in PROBLEMS}

    def log(self, request: HTTPConnection, error: ProblemError) -> None:
        """Log a rejected request and the reason, without headers and query, which may contain secrets."""
        method = request.scope.get("method", "WebSocket")
        client = request.client.host if request.client else "an unknown address"
        line, path = "rejected %s %.200r from %s: %s %s: %s", request.scope["path"]
        reason = error.status_code, error.code, error.detail
        self._limits[error.code].log(_LOG, logging.WARNING, line, method, path, client, *reason)


_LOGGED_CODES = {"forbidden", "too_many_streams", "body_too_large", "request_timeout"}


def log_rejection(request: HTTPConnection, error: ProblemError) -> None:
    """Log the problem of an endpoint, if it is about the sender's rights or about a limit of the service.

    Do nothing in an application that has no log of rejections, such as one that includes a router.
    """
    rejections: RejectionLog | None = getattr(request.app.state, "rejections", None)
    if rejections is not None and error.code in _LOGGED_CODES:
        rejections.log(request, error)


async def deny(websocket: WebSocket, error: ProblemError) -> None:
    """Reject a stream before it opens. If the server supports it, send the whole error, not just its code."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problem_response(error))
    else:
        await websocket.close(1008, error.code)


def invalid_field(field: str, value: object, allowed: str, remedy: str = "") -> ProblemError:
    """Return the error for an invalid field. Leave out `value` if it is too long or not valid JSON."""
    error = InvalidOrderError(field, value, allowed, remedy)
    return ProblemError("invalid_order", str(error), {"field": field, "allowed": allowed, **_echo(value)})


def _echo(value: object) -> dict[str, object]:
    try:
        fits = len(json.dumps(value, allow_nan=False)) <= _LONGEST_VALUE
    except (TypeError, ValueError, RecursionError):
        return {}
    return {"value": value} if fits else {}


def at_element(error: ProblemError, element: str, index: int) -> ProblemError:
    """Return the error for one element of a list in a body, such as the verb with index 2 (from 0)."""
    fields = {**error.fields, "element": element, "index": index}
    detail = f"{element} {index}: {error.detail}"
    return ProblemError(error.code, detail, fields, status=error.status_code, headers=error.headers)


def from_exception(error: OmsError) -> ProblemError:
    """Return the API error for an exception raised by the library."""
    for kind, translate in _TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    return ProblemError("internal_error", "the request could not be served")


def without_folders(text: str) -> str:
    """Shorten absolute paths to file names, so that clients do not see directory names."""
    return _FOLDERS.sub("", text)


def _from_journal(error: JournalError) -> ProblemError:
    place, problem = PurePath(error.place).name, without_folders(error.problem)
    return ProblemError("journal_failed", f"{place}: {problem}", {"place": place, "problem": problem})


def _from_open_transaction(error: OpenTransactionError) -> ProblemError:
    reason = without_folders(str(error))
    return ProblemError("not_ready", reason, {"reason": reason})


def _with_fields(code: str, *names: str) -> Callable[[Any], ProblemError]:
    def translate(error: OmsError) -> ProblemError:
        return ProblemError(code, str(error), {name: getattr(error, name) for name in names})

    return translate


def _about_order(code: str) -> Callable[[Any], ProblemError]:
    def translate(error: DuplicateOrderError | OrderNotFoundError) -> ProblemError:
        return ProblemError(code, str(error), {"order_id": id_as_json(error.order_id)})

    return translate


def _about_limit(code: str, *names: str) -> Callable[[Any], ProblemError]:
    translate = _with_fields(code, "owner", "symbol", "limit", "value", *names)

    def with_class(error: LimitError) -> ProblemError:
        problem = translate(error)
        problem.fields["error"] = type(error).__name__
        return problem

    return with_class


_TRANSLATIONS: dict[type[OmsError], Callable[[Any], ProblemError]] = {
    InvalidArgumentError: lambda error: invalid_field(error.field, error.value, error.allowed),
    DuplicateOrderError: _about_order("duplicate_order"),
    OrderNotFoundError: _about_order("order_not_found"),
    InsufficientLiquidityError: _with_fields(
        "insufficient_liquidity", "symbol", "side", "requested", "available", "unit"
    ),
    PriceBoundError: _with_fields("price_bound", "field", "bound", "total_price"),
    RateLimitError: _about_limit("rate_limited", "retry_at"),
    KillSwitchError: _about_limit("kill_switch"),
    LimitError: _about_limit("limit_exceeded"),
    JournalError: _from_journal,
    OpenTransactionError: _from_open_transaction,
}
