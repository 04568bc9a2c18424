"""What a client raises beside the errors of the library, where the service itself is the trouble.

    OmsError (Exception)
    └── ApiError                                        no answer that says what the library would
        ├── RequestRefusedError (PermissionError)       refused for a reason that no book knows: a key, a host
        ├── ServiceUnavailableError (ConnectionError)   no answer, however often it was asked
        ├── UnexpectedAnswerError (ValueError)          an answer that is not the service's, or not understood
        └── UnsteadyBooksError (RuntimeError)           the books changed between any two pages

A verb of the library that raises has changed nothing; over a wire that cannot always be known. Where it
is not, the error says so and carries the key under which to ask again.
"""

from __future__ import annotations

from oms.errors import OmsError

__all__ = [
    "ApiError",
    "RequestRefusedError",
    "ServiceUnavailableError",
    "UnexpectedAnswerError",
    "UnsteadyBooksError",
]


class ApiError(OmsError):
    """A request got no answer that says what the library would.

    `request` is its method and path, `reason` says why. `idempotency_key` is None if it is certain that
    nothing was changed. Else the change may have been made, and the same verb under this key makes it
    once in all, and says what came of it.

    >>> print(ApiError("POST /trades", "no answer", "cafe"))
    POST /trades: no answer; whether it was done is unknown: ask again with idempotency_key='cafe'

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(f"{request}: {reason}")
        self.args = (request, reason, idempotency_key)  # an OSError would take them for an errno
        self.request = request
        self.reason = reason
        self.idempotency_key = idempotency_key

    @property
    def outcome_unknown(self) -> bool:
        """Whether the change that was asked for may have been made."""
        return self.idempotency_key is not None

    def __str__(self) -> str:
        if self.idempotency_key is None:
            return f"{self.request}: {self.reason}"
        unknown = f"whether it was done is unknown: ask again with idempotency_key={self.idempotency_key!r}"
        return f"{self.request}: {self.reason}; {unknown}"


class RequestRefusedError(ApiError, PermissionError):
    """The service refused; `code` is the problem's, such as "unauthorized" or "idempotency_key_reused".

    >>> error = RequestRefusedError("GET /symbols", "the key is wrong", None, "unauthorized")
    >>> print(error.code, "-", error)
    unauthorized - GET /symbols: the key is wrong

    """

    def __init__(self, request: str, reason: str, idempotency_key: str | None, code: str) -> None:
        super().__init__(request, reason, idempotency_key)
        self.args = (request, reason, idempotency_key, code)
        self.code = code


class ServiceUnavailableError(ApiError, ConnectionError):
    """The service could not be reached, or did not answer, in any of the attempts."""


class UnexpectedAnswerError(ApiError, ValueError):
    """An answer that is not the service's to this request, or that is longer than the client reads.

    Such as a proxy's page, a redirect, another program's JSON, or the order of another request.
    """


class UnsteadyBooksError(ApiError, RuntimeError):
    """The books changed while their pages were read, each time: there is no one moment to tell of."""
