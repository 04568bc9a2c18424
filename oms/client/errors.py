"""Errors of a client, beside those of the library: the service itself is the problem.

    OmsError (Exception)
    └── ApiError                                        a failure that the library itself does not have
        ├── RequestRejectedError (PermissionError)      rejected by the service: wrong API key, wrong host
        ├── ServiceUnavailableError (ConnectionError)   no response in any attempt
        ├── UnexpectedResponseError (ValueError)        a response that is malformed or not the service's
        └── UnsteadyBooksError (RuntimeError)           the books changed while their pages were read

A library verb that raises has changed nothing. A client cannot always know that: the response may be what
got lost. If a change may have been made, the error says so and carries the idempotency key for a retry.
"""

from __future__ import annotations

from oms.errors import OmsError

__all__ = [
    "ApiError",
    "RequestRejectedError",
    "ServiceUnavailableError",
    "UnexpectedResponseError",
    "UnsteadyBooksError",
]


class ApiError(OmsError):
    """A request that failed for a reason that the library does not have.

    `request` is the method and path, `reason` describes the failure. `idempotency_key` is None if the
    request certainly changed nothing. Otherwise the change may have been made. Call the same verb with
    this key to make the change once in all, and to get its result.

    >>> print(ApiError("POST /trades", "no response", "cafe"))
    POST /trades: no response; the change may have been made: retry with idempotency_key='cafe'

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(f"{request}: {reason}")
        self.args = (request, reason, idempotency_key)  # an OSError would take them for an errno
        self.request = request
        self.reason = reason
        self.idempotency_key = idempotency_key

    @property
    def outcome_unknown(self) -> bool:
        """Return True if the requested change may have been made."""
        return self.idempotency_key is not None

    def __str__(self) -> str:
        if self.idempotency_key is None:
            return f"{self.request}: {self.reason}"
        retry = f"the change may have been made: retry with idempotency_key={self.idempotency_key!r}"
        return f"{self.request}: {self.reason}; {retry}"


class RequestRejectedError(ApiError, PermissionError):
    """A request that the service rejected.

    `code` is the code of the problem, such as "unauthorized" or "idempotency_key_reused".

    >>> error = RequestRejectedError("GET /symbols", "the key is wrong", None, "unauthorized")
    >>> print(error.code, "-", error)
    unauthorized - GET /symbols: the key is wrong

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None, code: str) -> None:
        super().__init__(request, reason, idempotency_key)
        self.args = (request, reason, idempotency_key, code)
        self.code = code


class ServiceUnavailableError(ApiError, ConnectionError):
    """A request that got no response from the service in any of its attempts."""


class UnexpectedResponseError(ApiError, ValueError):
    """A response that does not come from the service, does not match the request, or is too long.

    Examples are a proxy's error page, a redirect, another program's JSON, and an order with another id.
    """


class UnsteadyBooksError(ApiError, RuntimeError):
    """A list of orders that could not be read at one moment: the books changed during every read."""
