"""Tells by its beginning which feed a file comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Literal, cast, get_args

from oms.errors import InvalidOrderError
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
"""Every feed that is known here."""

DEFAULT_UNKNOWN: dict[Feed, Unknown] = {"bitstamp": "skip", "lobster": "seed"}
"""What best to do about unknown orders: Bitstamp's rows say what is left of an order, not what it held."""

_TRANSLATORS: dict[str, Callable[[], Translator]] = {"bitget": Bitget, "kraken": Kraken, "okx": Okx}
_LINES_TO_LOOK_AT = 1000  # a capture begins with notes and answers to subscriptions


def feed_of(path: str | os.PathLike[str]) -> AnyFeed:
    """Tell which feed recorded a file.

    Bitstamp's has a header, LOBSTER's the columns of a message; a capture is told by the form of its
    first messages. Raises FeedError if its beginning cannot be read, and UnknownFeedError if it is of none
    of them. O(1).
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
        "no capture of Bitget, Kraken or OKX, not a LOBSTER message file (6 or 7 columns) "
        "nor a Bitstamp one (7 columns with a header)"
    )
    raise UnknownFeedError(file.path, None, problem)


def _feed_of_line(text: str) -> LevelFeedName | None:
    found = sent_in(text)
    try:
        sent = unwrapped(None, parsed(found[1]))[1] if found else None
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
    r"""Open a capture of the level-2 feed given, or of the one that its first messages show.

    `depth` is how many levels a side were subscribed at Kraken, where the capture does not say so. Raises
    FeedError, and InvalidOrderError for a feed that is not known, or a depth of no use.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "capture")
    ...     _ = path.write_text('["0",{"as":[["10.2","5.0","1.5"]],"bs":[]},"book-10","XBT/USD"]\n')
    ...     [message.symbol for message in open_capture(path)]
    ['XBT/USD']

    """
    found = feed_of(path) if feed is None else feed
    if found not in _TRANSLATORS:
        raise InvalidOrderError("feed", found, "'bitget', 'kraken' or 'okx'")
    if depth is None:
        return Capture(path, found, _TRANSLATORS[found])
    if found != "kraken":
        raise InvalidOrderError("depth", depth, f"left out for a capture of {found} (Kraken's has a depth)")
    check_positive("depth", depth)
    return Capture(path, found, partial(Kraken, depth))


def open_recording(
    path: str | os.PathLike[str],
    feed: AnyFeed | None = None,
    symbol: str | None = None,
    *,
    tick_size: str | None = None,
    lot_size: str | None = None,
) -> Recording:
    r"""Open a recording of the feed given, or of the one that its first row shows.

    The symbol is by default what the file's name says. `tick_size` and `lot_size` are for Bitstamp, as in
    `bitstamp.read`. Raises FeedError, and InvalidOrderError for any feed but Bitstamp and LOBSTER;
    `open_capture` opens the others.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "orders.csv")
    ...     _ = path.write_text("34200.5,1,7,10,1000000,-1\n")
    ...     [message.order_id for message in open_recording(path)]
    [7]

    """
    found = feed_of(path) if feed is None else feed
    if found not in get_args(Feed):
        raise InvalidOrderError("feed", found, "'bitstamp' or 'lobster'")
    if found == "bitstamp":
        return bitstamp.read(path, symbol, tick_size=tick_size, lot_size=lot_size)
    for name, size in (("tick_size", tick_size), ("lot_size", lot_size)):
        if size is not None:
            raise InvalidOrderError(name, size, "left out for LOBSTER, whose tick and lot are known")
    return lobster.read(path, symbol)
