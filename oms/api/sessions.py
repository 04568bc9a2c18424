"""Sessions: what the page trades the API key for, so that no script can read it."""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256

from fastapi import APIRouter, Request, Response
from starlette.requests import HTTPConnection

from oms.api.problems import Refusal, log_refusal
from oms.api.request_models import answer
from oms.api.settings import Settings

__all__ = ["COOKIE", "Sessions", "has_key", "unauthorized"]

COOKIE = "oms_session"
_SECONDS = 12 * 3600
_MOST = 1_000


class Sessions:
    """The tokens given out, by their hashes, and when each ends; beyond a thousand the oldest goes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ends: dict[bytes, float] = {}

    def add_to(self, router: APIRouter) -> None:
        """Put the endpoints under a router."""
        for endpoint, method in (
            (self.open_session, "POST"),
            (self.tell_session, "GET"),
            (self.close_session, "DELETE"),
        ):
            router.add_api_route("/session", endpoint, methods=[method], include_in_schema=False)

    def knows(self, token: str | None) -> bool:
        """Whether a token was given out and has not ended."""
        return token is not None and time.monotonic() < self._ends.get(_digest(token), 0)

    async def open_session(self, request: Request) -> Response:
        """Give a cookie for the key, so that no cookie prolongs itself; none where everybody is let in."""
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        if self._settings.api_key is not None:
            if not has_key(request, self._settings.api_key):
                refusal = unauthorized(request)
                log_refusal(request, refusal)
                raise refusal
            token = secrets.token_urlsafe(32)
            self._ends[_digest(token)] = time.monotonic() + _SECONDS
            if len(self._ends) > _MOST:
                del self._ends[next(iter(self._ends))]
            response.set_cookie(
                COOKIE,
                token,
                max_age=_SECONDS,
                path=_path(request),
                secure=_is_secure(request),
                httponly=True,
                samesite="strict",
            )
        return response

    async def tell_session(self, request: Request) -> Response:
        """Say whether the request comes with a session that could be closed."""
        return answer({"open": self.knows(request.cookies.get(COOKIE))})

    async def close_session(self, request: Request) -> Response:
        """Forget a session."""
        self._ends.pop(_digest(request.cookies.get(COOKIE, "")), None)
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")
        return response


def has_key(request: HTTPConnection, key: str) -> bool:
    """Return True if a request carries the key."""
    given = _given(request)
    # Headers are latin-1; compared as bytes, in a time that says nothing of where they differ.
    return given is not None and hmac.compare_digest(given.encode("latin-1"), key.encode())


def _given(request: HTTPConnection) -> str | None:
    """The key that a request carries, right or wrong; None if it carries none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return (given.strip() or None) if scheme.lower() == "bearer" else None


def unauthorized(request: HTTPConnection) -> Refusal:
    """The refusal of a request without the key: it has none, a wrong one, or a session that has ended."""
    if _given(request) is not None:
        detail, challenge = "the API key is not valid", 'Bearer error="invalid_token"'
    elif COOKIE in request.cookies:
        detail, challenge = "the session has ended: give the API key again", "Bearer"
    else:
        detail, challenge = "give the API key as Authorization: Bearer", "Bearer"
    return Refusal("unauthorized", detail, headers={"WWW-Authenticate": challenge})


def _path(request: Request) -> str:
    """Where the cookie is sent: to this application, and to no other on the same host."""
    return request.scope.get("root_path") or "/"


def _is_secure(request: Request) -> bool:
    """Whether the browser came by https, be it through a proxy that goes on without."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
