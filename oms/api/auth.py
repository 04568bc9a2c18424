"""Who is let in: the guard before every endpoint."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from oms.api.page import PATHS
from oms.api.problems import Refusal, deny, log_refusal, respond
from oms.api.sessions import COOKIE, Sessions, has_key, unauthorized
from oms.api.settings import Settings

__all__ = ["Guard"]

_OPEN = {"/health", *PATHS}  # the page holds nothing until it has a key
_LONGEST_NAME = 100
_NGINX = "nginx: proxy_set_header Host $http_host"
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """Checks Host, Origin and key, as the settings have it, before a request reaches an endpoint."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        try:
            if scope["type"] != "lifespan":
                self._check(HTTPConnection(scope))
        except Refusal as refusal:
            log_refusal(HTTPConnection(scope), refusal)
            if scope["type"] == "websocket":
                await deny(WebSocket(scope, receive, send), refusal)
            else:
                await respond(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, request: HTTPConnection) -> None:
        method = request.scope.get("method", "CONNECT")  # a stream may do as much as any request
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if self._settings.checks_host:
            self._check_host(request)
            if path not in PATHS:  # so that the page can say which Host its proxy should pass on
                self._check_site(request, required=False)
        if self._settings.api_key is None or path in _OPEN:
            return
        if has_key(request, self._settings.api_key):
            return
        if not self._sessions.knows(request.cookies.get(COOKIE)):
            raise unauthorized(request)
        if method not in _SAFE:  # a browser sends the cookie along whoever it was that asked
            self._check_site(request, required=True)

    def _check_host(self, request: HTTPConnection) -> None:
        """Refuse a name that is not ours: anybody may have made it point here, as no address can be."""
        hosts = request.headers.getlist("host")
        name = _name(hosts[0]) if len(hosts) == 1 else None
        if name is None or not (_is_address(name) or name in self._settings.hosts):
            shown = ", ".join(hosts)[:_LONGEST_NAME]
            raise Refusal(
                "host_refused",
                f"the Host {shown!r} is neither an IP address nor a name that is served here: have the proxy"
                f" pass on the Host that it got ({_NGINX}), or start with --allowed-host NAME",
            )

    def _check_site(self, request: HTTPConnection, *, required: bool) -> None:
        """Refuse what a page of another site has a browser ask; others than browsers name no site."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if origin is not None:
            own = _site(origin) == request.headers.get("host", "").lower() != ""
            fine = own or origin in self._settings.cors_origins
        else:
            safe = request.scope.get("method") in _SAFE
            fine = site == "same-origin" or (not required and (safe or site in (None, "none")))
        if not fine:
            raise Refusal("origin_refused", _of_another_site(request, origin))


def _of_another_site(request: HTTPConnection, origin: str | None) -> str:
    if origin is None:
        return "a request that comes with a session, or from another site, must name its Origin"
    host = request.headers.get("host", "")
    return (
        f"asked from the site {origin[:_LONGEST_NAME]!r}, but the Host is {host[:_LONGEST_NAME]!r}: have the"
        f" proxy pass on the Host that it got ({_NGINX}), or start with --cors-origin URL"
    )


def _site(origin: str) -> str | None:
    """The host and port that an Origin names, or None where it names none that can be read."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str | None:
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
