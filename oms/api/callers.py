"""The sender of a request: the API key's name, its access, and its owner of orders in a MatchingEngine."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import Scope

from oms.api.keys import Access, ApiKey
from oms.api.problems import ProblemError

__all__ = [
    "Caller",
    "CallersOwner",
    "caller_in",
    "can_change",
    "check_access",
    "check_operator",
    "is_anonymous",
    "owner_of",
    "set_anonymous",
    "set_caller",
]

_CALLER = "oms.api.caller"  # the key in the ASGI scope
_ANONYMOUS = "oms.api.anonymous"

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
UNCHANGING = frozenset(
    {
        ("POST", "/what-if"),  # it only asks
        ("POST", "/session"),  # a person may look at the page
        ("DELETE", "/session"),
        ("POST", "/stream"),  # the page asks why a stream was rejected; the path has no such method
    }
)
"""The methods and paths that change no book, although their method usually does."""


def can_change(method: str, path: str) -> bool:
    """Return True if requests with this method and path can change the books."""
    return method in CHANGING_METHODS and (method, path) not in UNCHANGING


class Caller(NamedTuple):
    """The sender of a request. `owner` is None for the operator, who may act for every owner."""

    name: str
    owner: str | None
    access: Access

    @classmethod
    def of(cls, key: ApiKey) -> Caller:
        """Return the caller with this key."""
        return cls(key.name, key.owner, key.access)


def set_caller(scope: Scope, caller: Caller) -> None:
    """Store the caller with the request."""
    scope[_CALLER] = caller


def caller_in(scope: Scope) -> Caller | None:
    """Return a request's caller, or None if the service does not need a key or has rejected the key."""
    caller: Caller | None = scope.get(_CALLER)
    return caller


def set_anonymous(scope: Scope) -> None:
    """Store with the request that it has no API key, although the service needs one for other paths."""
    scope[_ANONYMOUS] = True


def is_anonymous(request: HTTPConnection) -> bool:
    """Return True if the request has no API key, although the service needs one for other paths."""
    return _ANONYMOUS in request.scope


def owner_of(request: HTTPConnection) -> str | None:
    """Return the owner of the request's API key. None means the operator, or a service without keys."""
    caller = caller_in(request.scope)
    return None if caller is None else caller.owner


async def _callers_owner(request: HTTPConnection) -> str | None:
    return owner_of(request)  # in a coroutine, because FastAPI calls any other function in a thread


CallersOwner: TypeAlias = Annotated[str | None, Depends(_callers_owner)]
"""The parameter of an endpoint that depends on the owner of the request's API key."""


def check_operator(owner: str | None) -> None:
    """Raise ProblemError unless the request comes from the operator."""
    if owner is not None:
        detail = "only the operator may do this; send an API key that has no owner"
        raise ProblemError("forbidden", detail)


def check_access(caller: Caller, method: str, path: str) -> None:
    """Raise ProblemError if the request may change a book, but the caller's key is read-only."""
    if caller.access is Access.READ_ONLY and can_change(method, path):
        detail = (
            f"the API key {caller.name!r} is read-only, and {method} requests may change a book;"
            f" send a key whose access is {Access.TRADING.value!r}"
        )
        raise ProblemError("forbidden", detail)
