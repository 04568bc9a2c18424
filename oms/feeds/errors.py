"""Exceptions from the feeds. A FeedError contains the file's path and the number of the bad row.

OmsError (Exception)
├── FeedError (ValueError)                  a file or a row that cannot be read
│   ├── UnknownFeedError                    a file from an unknown feed
│   ├── UnitsError                          units of replay_many without a result (many/results.py)
│   └── UnknownOrderError (LookupError)     a row that refers to an order that was never submitted
├── StaleBookError (LookupError)            a book that no longer matches its feed
└── WorkerError (RuntimeError)              a worker process of replay_many that ended or cannot start
"""

from __future__ import annotations

from oms.errors import OmsError

__all__ = ["FeedError", "StaleBookError", "UnknownFeedError", "UnknownOrderError", "WorkerError"]


class FeedError(OmsError, ValueError):
    """A file that cannot be read.

    `row` is the number of the bad row in the file `path`, starting at 1, or None if the whole file is bad.
    During a replay, the rows before the bad row have already been applied. The bad row itself changes
    nothing.

    >>> print(FeedError("AAPL.csv", 12, "must have 6 columns, not 5"))
    AAPL.csv: row 12: must have 6 columns, not 5

    """

    def __init__(self, path: str, row: int | None, problem: str) -> None:
        super().__init__(path, row, problem)
        self.path = path
        self.row = row
        self.problem = problem

    def __str__(self) -> str:
        where = self.path if self.row is None else f"{self.path}: row {self.row}"
        return f"{where}: {self.problem}"


class UnknownFeedError(FeedError):
    """A file whose first rows match no known feed."""


class UnknownOrderError(FeedError, LookupError):
    """A row that refers to an order that was never submitted. Raised only with `unknown="raise"`."""


class StaleBookError(OmsError, LookupError):
    """A stale book, which cannot be used until its next snapshot. `why` is the reason.

    >>> print(StaleBookError("BTC-USDT", "the checksum of row 12 failed"))
    the book of 'BTC-USDT' is stale until its next snapshot: the checksum of row 12 failed

    """

    def __init__(self, symbol: str, why: str) -> None:
        super().__init__(symbol, why)
        self.symbol = symbol
        self.why = why

    def __str__(self) -> str:
        return f"the book of {self.symbol!r} is stale until its next snapshot: {self.why}"


class WorkerError(OmsError, RuntimeError):
    """A worker of `replay_many` that cannot start, that ended, or whose result did not arrive."""
