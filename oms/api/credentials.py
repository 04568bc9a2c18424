"""The credentials of a request: an API key in a header, or the cookie of a session."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from oms.api.problems import ProblemError

__all__ = ["COOKIE", "bearer", "has_credentials", "unauthorized"]

COOKIE = "oms_session"


def bearer(request: HTTPConnection) -> str | None:
    """Return the key from the request without checking it, or None if there is none."""
    scheme, _, candidate = request.headers.get("authorization", "").partition(" ")
    return (candidate.strip() or None) if scheme.lower() == "bearer" else None


def has_credentials(request: HTTPConnection) -> bool:
    """Return True if the request has a key or a session, whether or not it is valid."""
    return "authorization" in request.headers or COOKIE in request.cookies


def unauthorized(request: HTTPConnection) -> ProblemError:
    """Return the error for a request with a wrong key, an expired session, or no credentials."""
    challenge = "Bearer"
    if bearer(request) is not None:
        detail = "the API key is wrong; send the right key in an Authorization: Bearer <key> header"
        challenge = 'Bearer error="invalid_token"'
    elif COOKIE in request.cookies:
        detail = "the session has ended; send the API key to POST /session again"
    else:
        detail = "the request has no API key; send an Authorization: Bearer <key> header"
    return ProblemError("unauthorized", detail, headers={"WWW-Authenticate": challenge})
