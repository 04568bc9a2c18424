"""Who sends a request: the operator, or an owner of orders in a MatchingEngine."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import Scope

from oms.api.problems import ProblemError

__all__ = [
    "Caller",
    "CallersOwner",
    "caller_name",
    "check_operator",
    "is_anonymous",
    "owner_of",
    "set_anonymous",
    "set_owner",
]

_OWNER = "oms.api.owner"  # the key in the ASGI scope
_ANONYMOUS = "oms.api.anonymous"


class Caller(NamedTuple):
    """The sender of a request. `owner` is None for the operator, who may act for every owner."""

    owner: str | None


def set_owner(scope: Scope, caller: Caller) -> None:
    """Store the caller's owner with the request."""
    scope[_OWNER] = caller.owner


def owner_of(request: HTTPConnection) -> str | None:
    """Return the owner of the request's API key. None is the operator, or a service without keys."""
    owner: str | None = request.scope.get(_OWNER)
    return owner


def set_anonymous(scope: Scope) -> None:
    """Store with the request that it has no API key, although the service needs one for other paths."""
    scope[_ANONYMOUS] = True


def is_anonymous(request: HTTPConnection) -> bool:
    """Return True if the request has no API key, although the service needs one for other paths."""
    return _ANONYMOUS in request.scope


def caller_name(scope: Scope) -> str | None:
    """Return the name of the request's API key for the log, or None if the request had no valid key."""
    owner: str | None = scope.get(_OWNER)
    return owner


CallersOwner: TypeAlias = Annotated[str | None, Depends(owner_of)]
"""The parameter of an endpoint that depends on the owner of the request's API key."""


def check_operator(owner: str | None) -> None:
    """Raise ProblemError unless the request comes from the operator."""
    if owner is not None:
        detail = "only the operator may do this; send an API key that has no owner"
        raise ProblemError("forbidden", detail)
