"""Functions that detect a file's feed from its first rows and open the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Literal, cast, get_args

from oms.errors import InvalidArgumentError
from oms.feeds.errors import UnknownFeedError
from oms.feeds.levels.bitget import Bitget
from oms.feeds.levels.capture import LONGEST_LINE, Capture, parsed, sent_in, unwrapped
from oms.feeds.levels.kraken import Kraken
from oms.feeds.levels.messages import LevelFeedName, Translator
from oms.feeds.levels.okx import Okx
from oms.feeds.orders import bitstamp, lobster
from oms.feeds.orders.messages import Feed, Recording
from oms.feeds.orders.replayer import Unknown
from oms.feeds.text_file import TextFile
from oms.models import check_positive

__all__ = ["AnyFeed", "DEFAULT_UNKNOWN", "feed_of", "open_capture", "open_recording"]

AnyFeed = Literal["bitget", "bitstamp", "kraken", "lobster", "okx"]
"""Every supported feed."""

DEFAULT_UNKNOWN: dict[Feed, Unknown] = {"bitstamp": "skip", "lobster": "seed"}
"""Each feed's default policy for messages about orders that were never submitted.

"seed" does not work for Bitstamp, because its rows contain only remaining amounts.
"""

_TRANSLATORS: dict[str, Callable[[], Translator]] = {"bitget": Bitget, "kraken": Kraken, "okx": Okx}
_LINES_TO_LOOK_AT = 1000  # status messages and subscription responses come first


def feed_of(path: str | os.PathLike[str]) -> AnyFeed:
    """Detect which feed a file comes from.

    Bitstamp files are recognized by their header, LOBSTER files by their columns, and captures by the
    exchange's JSON. Raise FeedError if the file cannot be read, and UnknownFeedError if none of the first
    1,000 lines match a known feed. O(1).
    """
    file = TextFile(path, LONGEST_LINE)
    with closing(file.lines()) as lines:
        for row, text in islice(lines, _LINES_TO_LOOK_AT):
            if row == 1 and bitstamp.is_header(text):
                return "bitstamp"
            if row == 1 and lobster.is_message(text) and not {"{", "["} & set(text):
                return "lobster"
            feed = _feed_of_line(text)
            if feed is not None:
                return feed
    problem = (
        "must be a capture from Bitget, Kraken, or OKX, a LOBSTER message file (6 or 7 columns), "
        "or a Bitstamp file (7 columns with a header)"
    )
    raise UnknownFeedError(file.path, None, problem)


def _feed_of_line(text: str) -> LevelFeedName | None:
    line = sent_in(text)
    try:
        sent = unwrapped(None, parsed(line[1]))[1] if line else None
    except (ValueError, RecursionError):
        return None
    if isinstance(sent, list):
        channel = cast("list[object]", sent)[-2:-1]
        return "kraken" if channel and str(channel[0]).startswith("book") else None
    if not isinstance(sent, dict):
        return None
    names = cast("dict[str, object]", sent)
    argument = names.get("arg")
    if isinstance(argument, dict) and {"instId", "symbol"} & argument.keys():
        return "bitget" if "instType" in argument else "okx"
    speaks_kraken = {"channel", "type"} <= names.keys() or "method" in names or "channelID" in names
    return "kraken" if speaks_kraken or names.get("event") == "systemStatus" else None


def open_capture(
    path: str | os.PathLike[str], feed: AnyFeed | None = None, depth: int | None = None
) -> Capture:
    r"""Open a capture of price levels. By default, detect the feed from the first messages.

    `depth` is the depth of the Kraken subscription (levels per side). Pass it if the capture does not contain
    it. Raise FeedError if the file cannot be read, and InvalidArgumentError for an unsupported feed
    or an invalid depth.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "capture")
    ...     _ = path.write_text('["0",{"as":[["10.2","5.0","1.5"]],"bs":[]},"book-10","XBT/USD"]\n')
    ...     [message.symbol for message in open_capture(path)]
    ['XBT/USD']

    """
    name = feed_of(path) if feed is None else feed
    if name not in _TRANSLATORS:
        raise InvalidArgumentError("feed", name, "'bitget', 'kraken', or 'okx'")
    if depth is None:
        return Capture(path, name, _TRANSLATORS[name])
    if name != "kraken":
        raise InvalidArgumentError(
            "depth", depth, f"left out for a capture of {name}; only Kraken captures have a depth"
        )
    check_positive("depth", depth, InvalidArgumentError)
    return Capture(path, name, partial(Kraken, depth))


def open_recording(
    path: str | os.PathLike[str],
    feed: AnyFeed | None = None,
    symbol: str | None = None,
    *,
    tick_size: str | None = None,
    lot_size: str | None = None,
) -> Recording:
    r"""Open an order-by-order recording (LOBSTER or Bitstamp).

    By default, detect the feed from the first row, and take the symbol from the file name. `tick_size` and
    `lot_size` are only for Bitstamp; see `bitstamp.read`. Raise FeedError if the file cannot be read, and
    InvalidArgumentError for an unsupported feed. To open a capture, call `open_capture` instead.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "orders.csv")
    ...     _ = path.write_text("34200.5,1,7,10,1000000,-1\n")
    ...     [message.order_id for message in open_recording(path)]
    [7]

    """
    name = feed_of(path) if feed is None else feed
    if name not in get_args(Feed):
        raise InvalidArgumentError("feed", name, "'bitstamp' or 'lobster'")
    if name == "bitstamp":
        return bitstamp.read(path, symbol, tick_size=tick_size, lot_size=lot_size)
    for argument, size in (("tick_size", tick_size), ("lot_size", lot_size)):
        if size is not None:
            raise InvalidArgumentError(argument, size, "left out for LOBSTER, whose tick and lot are fixed")
    return lobster.read(path, symbol)
