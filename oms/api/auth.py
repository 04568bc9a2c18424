"""Access control: the API key, browser sessions, and the Host and Origin checks.

The problem. A key gives full access, or access to the orders of its owner. Scripts on a page must not be able
to read it, and other sites must not be able to use it. But a browser sends this server's cookies with every
request to it, even if another site started the request. An attacker can also point their own domain name at
this server. The browser then treats this server as part of the attacker's site (DNS rebinding).

What does not work. A browser cannot send an Authorization header when it opens a WebSocket. A key in the URL
would end up in logs and the browser history. After DNS rebinding, comparing Origin with Host does not help,
because both contain the attacker's domain name.

The solution.
- Programs send the key in the Authorization header of every request.
- The page sends the key once, to POST /session, and gets a cookie with a random token. Scripts cannot read
  this cookie.
- If a write request or a stream connection uses the cookie, it must come from this server's own page or from
  an allowed site. Its Origin must match the Host or be one that the settings allow.
- The Host must be an IP address or an allowed name. An attacker's domain name is neither.

Invariants:
- Key comparison takes constant time, and the key never appears in a log or response. Each key is compared.
- A session has the owner of the key that opened it.
- A session cookie cannot be used to open another session.
- GET /health and the page's own files need no key, because they contain no data.
- GET /ready needs no key either. Without a key, it does not say how many orders and events there are, or why
  the service is not ready. A wrong key is rejected here too.
"""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from oms.api.callers import Caller, set_anonymous, set_owner
from oms.api.page import PATHS
from oms.api.problems import ProblemError, deny, log_rejection, problem_response
from oms.api.response_models import json_response
from oms.api.settings import Settings

__all__ = ["COOKIE", "Guard", "Sessions"]

COOKIE = "oms_session"
_SESSION_SECONDS = 12 * 3600
_MOST_SESSIONS = 1_000  # opening one more session closes the oldest one

_WITHOUT_KEY = {"/health", *PATHS}
_OPTIONAL_KEY = {"/ready"}
_READ_ONLY_METHODS = {"GET", "HEAD", "OPTIONS"}
_LONGEST_NAME = 100  # the number of characters of a header that an error message shows
_NGINX = "nginx: proxy_set_header Host $http_host"

# ---------------------------------------------------------------------- sessions


class Sessions:
    """The open browser sessions. Only a hash of each session token is stored."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[bytes, tuple[float, Caller]] = {}  # the end and the caller of each session

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for endpoint, method in (
            (self.open_session, "POST"),
            (self.get_session, "GET"),
            (self.close_session, "DELETE"),
        ):
            router.add_api_route("/session", endpoint, methods=[method], include_in_schema=False)

    def caller(self, token: str | None) -> Caller | None:
        """Return the caller to whom an open session belongs, or None if the token's session is not open."""
        end, caller = (0.0, None) if token is None else self._open.get(_hash(token), (0.0, None))
        return caller if time.monotonic() < end else None

    async def open_session(self, request: Request) -> Response:
        """Open a session, and return its cookie. The request must contain the API key.

        A request with only a cookie is rejected, so a session cannot extend itself. If no API key is set, no
        cookie is needed, and the response does not set one.
        """
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        if self._settings.keys:
            caller = _caller_with_key(request, self._settings)
            if caller is None:
                error = _unauthorized(request)
                log_rejection(request, error)
                raise error
            token = secrets.token_urlsafe(32)
            self._open[_hash(token)] = time.monotonic() + _SESSION_SECONDS, caller
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
        """Return `{"open": true}`, and the owner, if the request's cookie belongs to an open session."""
        caller = self.caller(request.cookies.get(COOKIE))
        owner = {} if caller is None or caller.owner is None else {"owner": caller.owner}
        return json_response({"open": caller is not None, **owner})

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


# ---------------------------------------------------------------------- the key


def _caller_with_key(request: HTTPConnection, settings: Settings) -> Caller | None:
    """Return the caller to whom the request's key belongs, or None. Takes the same time for every key."""
    candidate = _bearer(request)
    if candidate is None:
        return None
    content, caller = candidate.encode("latin-1"), None
    for key, owner in settings.keys.items():
        if hmac.compare_digest(content, key.encode()):
            caller = Caller(owner)
    return caller


def _bearer(request: HTTPConnection) -> str | None:
    """Return the key from the request without checking it, or None if there is none."""
    scheme, _, candidate = request.headers.get("authorization", "").partition(" ")
    return (candidate.strip() or None) if scheme.lower() == "bearer" else None


def _has_credentials(request: HTTPConnection) -> bool:
    """Return True if the request has a key or a session, whether or not it is valid."""
    return "authorization" in request.headers or COOKIE in request.cookies


def _unauthorized(request: HTTPConnection) -> ProblemError:
    """Return the error for a request with a wrong key, an expired session, or no credentials."""
    challenge = "Bearer"
    if _bearer(request) is not None:
        detail = "the API key is wrong; send the right key in an Authorization: Bearer <key> header"
        challenge = 'Bearer error="invalid_token"'
    elif COOKIE in request.cookies:
        detail = "the session has ended; send the API key to POST /session again"
    else:
        detail = "the request has no API key; send an Authorization: Bearer <key> header"
    return ProblemError("unauthorized", detail, headers={"WWW-Authenticate": challenge})


# ---------------------------------------------------------------------- the guard


class Guard:
    """Middleware that checks each request's Host, Origin, and key."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or reject and log it."""
        try:
            if scope["type"] != "lifespan":
                self._check(HTTPConnection(scope))
        except ProblemError as error:
            log_rejection(HTTPConnection(scope), error)
            if scope["type"] == "websocket":
                await deny(WebSocket(scope, receive, send), error)
            else:
                await problem_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, request: HTTPConnection) -> None:
        method = request.scope.get("method", "CONNECT")  # a stream is checked like a write request
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if self._settings.checks_host:
            self._check_host(request)
            if path not in PATHS:  # the page must load, because it shows the user the error
                self._check_origin(request, required=False)
        if not self._settings.keys or path in _WITHOUT_KEY:
            return
        if path in _OPTIONAL_KEY and not _has_credentials(request):
            set_anonymous(request.scope)
            return
        caller = _caller_with_key(request, self._settings)
        if caller is not None:
            set_owner(request.scope, caller)
            return
        caller = self._sessions.caller(request.cookies.get(COOKIE))
        if caller is None:
            raise _unauthorized(request)
        set_owner(request.scope, caller)
        if method not in _READ_ONLY_METHODS:  # browsers also send the cookie with requests from other sites
            self._check_origin(request, required=True)

    def _check_host(self, request: HTTPConnection) -> None:
        """Raise ProblemError unless the Host is an IP address or an allowed name."""
        hosts = request.headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None or not (_is_address(name) or name in self._settings.hosts):
            shown = ", ".join(hosts)[:_LONGEST_NAME]
            raise ProblemError(
                "host_refused",
                f"the Host {shown!r} is neither an IP address nor an allowed name; make the"
                f" proxy forward the original Host ({_NGINX}), or start oms serve with --allowed-host NAME",
            )

    def _check_origin(self, request: HTTPConnection, *, required: bool) -> None:
        """Raise ProblemError if the request comes from another site's page.

        Programs other than browsers do not send an Origin. If `required` is True, a request without an Origin
        must have a `Sec-Fetch-Site` header that proves it comes from this server's own page.
        """
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if origin is not None:
            is_own = _host_of(origin) == request.headers.get("host", "").lower() != ""
            allowed = is_own or origin in self._settings.cors_origins
        else:
            read_only = request.scope.get("method") in _READ_ONLY_METHODS
            allowed = site == "same-origin" or (not required and (read_only or site in (None, "none")))
        if not allowed:
            raise ProblemError("origin_refused", _other_site(request, origin))


def _other_site(request: HTTPConnection, origin: str | None) -> str:
    """Return the error message for a request that looks cross-origin."""
    if origin is None:
        return (
            "the request has no Origin header, but requests with a session or from another site need one;"
            " send an Origin: <scheme>://<Host> header"
        )
    host = request.headers.get("host", "")
    return (
        f"the request comes from the site {origin[:_LONGEST_NAME]!r}, but the Host is"
        f" {host[:_LONGEST_NAME]!r}; make the proxy forward the original Host ({_NGINX}),"
        " or start oms serve with --cors-origin URL"
    )


def _host_of(origin: str) -> str | None:
    """Return the host and port in an Origin header, or None if it cannot be parsed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str | None:
    """Return the host name in a Host header, or None if it cannot be parsed."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.removesuffix(".") if name else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
