"""Access control: the API key, browser sessions, and the Host and Origin checks.

The problem. A key gives full access, read-only access, or access to the orders of its owner. Scripts on a
page must not be able to read it, and other sites must not be able to use it. But a browser sends this
server's cookies with every request to it, even if another site started the request. An attacker can also
point their own domain name at this server. The browser then treats this server as part of the attacker's site
(DNS rebinding).

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
- Key comparison takes constant time, and covers all valid keys. A key never appears in a log or response.
- A session has the access and the owner of the key that opened it, and ends when this key is removed.
- A read-only key changes no book.
- A session cookie cannot be used to open another session.
- GET /health and the page's own files do not need a key, because they do not contain data.
- GET /ready does not need a key either. Without a key, it does not say how many orders and events there are,
  or why the service is not ready. A wrong key is rejected here too.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from oms.api.callers import Caller, check_access, set_anonymous, set_caller
from oms.api.credentials import COOKIE, bearer, has_credentials, unauthorized
from oms.api.key_ring import KeyRing
from oms.api.keys import ApiKey
from oms.api.page import PATHS
from oms.api.problems import ProblemError, RejectionLog, deny, problem_response
from oms.api.rate_limit import RateLimit
from oms.api.revocation import serve_while
from oms.api.sessions import Sessions
from oms.api.settings import Settings

__all__ = ["Guard"]

_WITHOUT_KEY = {"/health", *PATHS}
_OPTIONAL_KEY = {"/ready"}
_WITHOUT_RATE_LIMIT = {"/health", "/ready", *PATHS}
_READ_ONLY_METHODS = {"GET", "HEAD", "OPTIONS"}
_LONGEST_NAME = 100  # the number of characters of a header that an error message shows
_NGINX = "nginx: proxy_set_header Host $http_host"


class Guard:
    """Middleware that checks each request's Host, Origin, key, and access, and the rate of requests."""

    def __init__(
        self, app: ASGIApp, settings: Settings, keys: KeyRing, sessions: Sessions, rejections: RejectionLog
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._sessions = sessions
        self._rejections = rejections
        self._rate_limit = RateLimit(settings.rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or reject and log it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            key = self._check(request)
        except ProblemError as error:
            self._rejections.log(request, error)
            if scope["type"] == "websocket":
                await deny(WebSocket(scope, receive, send), error)
            else:
                await problem_response(error)(scope, receive, send)
            return
        if scope["type"] == "websocket" and key is not None:
            await serve_while(lambda: self._key_of(request)[0] == key, self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, request: HTTPConnection) -> ApiKey | None:
        """Return the request's key, or None if no key is needed. Raise ProblemError to reject the request."""
        method = request.scope.get("method", "CONNECT")  # a stream is checked like a write request
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if self._settings.checks_host:
            self._check_host(request)
            if path not in PATHS:  # the page must load, because it shows the user the error
                self._check_origin(request, required=False)
        needs_key = self._keys.is_needed and path not in _WITHOUT_KEY
        if needs_key and path in _OPTIONAL_KEY and not has_credentials(request):
            set_anonymous(request.scope)
            needs_key = False
        key, uses_cookie = self._key_of(request) if needs_key else (None, False)
        caller = None if key is None else Caller.of(key)
        if path not in _WITHOUT_RATE_LIMIT:
            self._rate_limit.check(request, caller)
        if not needs_key:
            return None
        if caller is None:
            raise unauthorized(request)
        set_caller(request.scope, caller)
        if uses_cookie and method not in _READ_ONLY_METHODS:  # browsers also send it from other sites
            self._check_origin(request, required=True)
        check_access(caller, method, path)
        return key

    def _key_of(self, request: HTTPConnection) -> tuple[ApiKey | None, bool]:
        """Return the request's valid key, or None, and True if it comes from a session. O(n) for n keys."""
        self._keys.refresh()
        candidate = bearer(request)
        key = None if candidate is None else self._keys.find(candidate)
        if key is not None:
            return key, False
        return self._sessions.key_of(request.cookies.get(COOKIE)), True

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
