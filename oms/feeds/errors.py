"""What is wrong with a recording, and where.

OmsError (Exception)
├── FeedError (ValueError)                  a file, or a row of it, that cannot be read
│   ├── UnknownFeedError                    a file that is of no feed known here
│   └── UnknownOrderError (LookupError)     a row about an order that does not rest
└── StaleBookError (LookupError)            a book that does not follow its feed any more, or not yet
"""

from __future__ import annotations

from oms.errors import OmsError

__all__ = ["FeedError", "StaleBookError", "UnknownFeedError", "UnknownOrderError"]


class FeedError(OmsError, ValueError):
    """A file that cannot be read on: `path` and `row` (from 1; None = the whole file) say where.

    What was applied before the row stays applied; nothing of the row itself is.

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
    """The first row of a file looks like that of no feed."""


class UnknownOrderError(FeedError, LookupError):
    """A row refers to an order that was never submitted, and the replay was told to raise."""


class StaleBookError(OmsError, LookupError):
    """The book of `symbol` cannot be trusted, for the reason `why`; the next snapshot makes it good.

    >>> print(StaleBookError("BTC-USDT", "the checksum of row 12 failed"))
    the book of 'BTC-USDT' is stale until its next snapshot: the checksum of row 12 failed

    """

    def __init__(self, symbol: str, why: str) -> None:
        super().__init__(symbol, why)
        self.symbol = symbol
        self.why = why

    def __str__(self) -> str:
        return f"the book of {self.symbol!r} is stale until its next snapshot: {self.why}"
