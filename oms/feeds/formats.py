"""Tells by its first row which feed a file comes from."""

from __future__ import annotations

import os
from contextlib import closing
from typing import get_args

from oms.errors import InvalidOrderError
from oms.feeds import bitstamp, lobster
from oms.feeds.csv_file import CsvFile
from oms.feeds.errors import UnknownFeedError
from oms.feeds.messages import Feed, Recording
from oms.feeds.replayer import Unknown

__all__ = ["DEFAULT_UNKNOWN", "feed_of", "open_recording"]

DEFAULT_UNKNOWN: dict[Feed, Unknown] = {"bitstamp": "skip", "lobster": "seed"}
"""What best to do about unknown orders: Bitstamp's rows say what is left of an order, not what it held."""


def feed_of(path: str | os.PathLike[str]) -> Feed:
    """Tell which feed recorded a file: Bitstamp's has a header, LOBSTER's as many columns as a message.

    Raises FeedError if the first row cannot be read, and UnknownFeedError if it is of neither. O(1).
    """
    file = CsvFile(path)
    with closing(file.rows()) as rows:
        _, text = next(rows)
    if bitstamp.is_header(text):
        return "bitstamp"
    if lobster.is_message(text):
        return "lobster"
    problem = "not a LOBSTER message file (6 columns) nor a Bitstamp one (7 columns with a header)"
    raise UnknownFeedError(file.path, None, problem)


def open_recording(
    path: str | os.PathLike[str], feed: Feed | None = None, symbol: str | None = None
) -> Recording:
    r"""Open a recording of the feed given, or of the one that its first row shows.

    The symbol is by default what the file's name says. Raises FeedError, and InvalidOrderError for a feed
    that is not known.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "orders.csv")
    ...     _ = path.write_text("34200.5,1,7,10,1000000,-1\n")
    ...     [message.order_id for message in open_recording(path)]
    [7]

    """
    if feed is None:
        feed = feed_of(path)
    if feed not in get_args(Feed):
        raise InvalidOrderError("feed", feed, "'bitstamp' or 'lobster'")
    return bitstamp.read(path, symbol) if feed == "bitstamp" else lobster.read(path, symbol)
