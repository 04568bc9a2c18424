"""Exceptions that only the clients raise.

    OmsError (Exception)
    └── ApiError                                        a request that failed
        ├── RequestRejectedError (PermissionError)      the service rejected it (for example, a wrong API key)
        ├── ServiceUnavailableError (ConnectionError)   no attempt got a response
        ├── UnexpectedResponseError (ValueError)        the response is malformed or from another program
        └── UnsteadyBooksError (RuntimeError)           the books changed between two pages of orders

If an OrderManagement method raises an exception, nothing has changed. A client cannot always guarantee that:
if the response was lost, the service may still have made the change. In that case, the error contains the
idempotency key, which you can use to retry.
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
    """A request that failed, either on its way to the service or in the service itself.

    `request` is the HTTP method and path, and `reason` describes the failure. `idempotency_key` is None if
    the request definitely changed nothing. Otherwise, the change may have been made. To get the
    result, call the same client method again with this key. The change is then made exactly once.

    >>> print(ApiError("POST /trades", "no response", "cafe"))
    POST /trades: no response; the change may have been made: retry with idempotency_key='cafe'

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(f"{request}: {reason}")
        self.args = (request, reason, idempotency_key)  # OSError would read them as an errno and a message
        self.request = request
        self.reason = reason
        self.idempotency_key = idempotency_key

    @property
    def outcome_unknown(self) -> bool:
        """True if it is unknown whether the change was made."""
        return self.idempotency_key is not None

    def __str__(self) -> str:
        if self.idempotency_key is None:
            return f"{self.request}: {self.reason}"
        retry = f"the change may have been made: retry with idempotency_key={self.idempotency_key!r}"
        return f"{self.request}: {self.reason}; {retry}"


class RequestRejectedError(ApiError, PermissionError):
    """A request that the service rejected.

    `code` is the API's error code, such as "unauthorized" or "idempotency_key_reused".

    >>> error = RequestRejectedError("GET /symbols", "the key is wrong", None, "unauthorized")
    >>> print(error.code, "-", error)
    unauthorized - GET /symbols: the key is wrong

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None, code: str) -> None:
        super().__init__(request, reason, idempotency_key)
        self.args = (request, reason, idempotency_key, code)
        self.code = code


class ServiceUnavailableError(ApiError, ConnectionError):
    """A request that the service did not serve in any attempt: it did not respond, or it was not ready."""


class UnexpectedResponseError(ApiError, ValueError):
    """A response that is malformed, too long, not from the service, or for another request.

    For example: a proxy's error page, a redirect, JSON from another program, or an order with the wrong id.
    """


class UnsteadyBooksError(ApiError, RuntimeError):
    """A list of orders that could not be read, because the books changed between two pages.

    For an OrderManagement, this happens only if the service no longer has the events between the pages. Then
    read the orders again, or start the service with a journal, which keeps all events. For a MatchingEngine,
    and for a cluster of several shards, it happens if the books change during each of 10 attempts. Then read
    the orders of one symbol, or of one owner of a MatchingEngine. `orders_by_id` makes only one attempt,
    because it has already returned orders.
    """
