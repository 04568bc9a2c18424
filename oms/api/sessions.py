"""Browser sessions, which the page opens with an API key.

A cluster's gateway also has sessions. The workers do not know these sessions, so the gateway sends the
session's API key with each request. A gateway must not store the text of a key, just as it does not store a
token. So it stores the text only in sealed form: combined by XOR with bytes that are derived from the token.
The token is random and belongs to only one session, so nobody can open the seal without the token. The
gateway has a token only while it handles a request.
"""

from __future__ import annotations

import secrets
import time
from hashlib import sha256, shake_256
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from oms.api.credentials import COOKIE, bearer, unauthorized
from oms.api.key_ring import KeyRing
from oms.api.keys import ApiKey
from oms.api.problems import RejectionLog
from oms.api.response_models import json_response

__all__ = ["Sessions"]

_SESSION_SECONDS = 12 * 3600
_MOST_SESSIONS = 1_000  # opening one more session closes the oldest one


class _Session(NamedTuple):
    """A session. `sealed` is the text of its key in sealed form, or None."""

    end: float
    key: ApiKey
    sealed: bytes | None


class Sessions:
    """The open browser sessions. Only a hash of each session token is stored.

    A session ends after 12 hours, and when its key is removed or gets a different access or owner. With
    `seals_keys`, the text of a session's key can be read with the session's token.
    """

    def __init__(self, keys: KeyRing, rejections: RejectionLog, *, seals_keys: bool = False) -> None:
        self._keys = keys
        self._rejections = rejections
        self._seals_keys = seals_keys
        self._open: dict[bytes, _Session] = {}  # by the hash of the token

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for endpoint, method in (
            (self.open_session, "POST"),
            (self.get_session, "GET"),
            (self.close_session, "DELETE"),
        ):
            router.add_api_route("/session", endpoint, methods=[method], include_in_schema=False)

    def key_of(self, token: str | None) -> ApiKey | None:
        """Return the key that has opened a session, or None if the token's session is not open."""
        if token is None or (session := self._open.get(_hash(token))) is None:
            return None
        is_open = time.monotonic() < session.end and self._keys.is_valid(session.key)
        return session.key if is_open else None

    def key_text_of(self, token: str | None) -> str | None:
        """Return the text of the key that has opened a session, or None if it is not open or not sealed."""
        if token is None or self.key_of(token) is None:
            return None
        sealed = self._open[_hash(token)].sealed
        return None if sealed is None else _sealed(sealed, token).decode()

    async def open_session(self, request: Request) -> Response:
        """Open a session, and return its cookie. The request must contain the API key.

        A request with only a cookie is rejected, so a session cannot extend itself. If no API key is set, no
        cookie is needed, and the response does not set one.
        """
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        if self._keys.is_needed:
            candidate = bearer(request)
            key = None if candidate is None else self._keys.find(candidate)
            if candidate is None or key is None:
                error = unauthorized(request)
                self._rejections.log(request, error)
                raise error
            token = secrets.token_urlsafe(32)
            sealed = _sealed(candidate.encode(), token) if self._seals_keys else None
            self._open[_hash(token)] = _Session(time.monotonic() + _SESSION_SECONDS, key, sealed)
            if len(self._open) > _MOST_SESSIONS:
                del self._open[next(iter(self._open))]
            response.set_cookie(
                COOKIE,
                token,
                max_age=_SESSION_SECONDS,
                path=_cookie_path(request),
                secure=_uses_https(request),
                httponly=True,
                samesite="strict",
            )
        return response

    async def get_session(self, request: Request) -> Response:
        """Return `{"open": true}` with the key's name, access, and owner, if the cookie's session is open."""
        key = self.key_of(request.cookies.get(COOKIE))
        if key is None:
            return json_response({"open": False})
        owner = {} if key.owner is None else {"owner": key.owner}
        return json_response({"open": True, "name": key.name, "access": key.access, **owner})

    async def close_session(self, request: Request) -> Response:
        """Close the request's session and delete its cookie."""
        self._open.pop(_hash(request.cookies.get(COOKIE, "")), None)
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        response.delete_cookie(COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")
        return response


def _cookie_path(request: Request) -> str:
    """Return the application's mount path, so that the browser sends the cookie only to this application."""
    return request.scope.get("root_path") or "/"


def _uses_https(request: Request) -> bool:
    """Return True if the browser uses HTTPS, either directly or through a proxy that terminates TLS."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _sealed(content: bytes, token: str) -> bytes:
    """Seal a content with a token, or open its seal. O(n)."""
    pad = shake_256(b"oms session\0" + token.encode()).digest(len(content))
    return bytes(a ^ b for a, b in zip(content, pad, strict=True))
