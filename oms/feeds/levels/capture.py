"""A capture of a websocket: what an exchange sent, a line each, as plain or compressed text."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NoReturn, cast

from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import LevelMessage, Translator, UnsupportedChannelError
from oms.feeds.text_file import Streamed, TextFile
from oms.models import check_symbol

__all__ = ["Capture", "LONGEST_LINE", "UNREADABLE", "parsed", "sent_in", "unwrapped"]

LONGEST_LINE = 1 << 24  # bytes: a book of thousands of levels is one line
_LINE = re.compile(r"\s*(\d[^\[{]*)?([\[{].*)", re.DOTALL)
_BRACKET = re.compile(r"[\[{]")
_TIME = re.compile(r"(\d{10})\.?(\d{0,9})(?!\d)", re.ASCII)

_MOST_CHANNELS = 10  # that are named one by one
_NOTE = "no message of the exchange"
_OTHER = "about no book"
_MORE_CHANNELS = "other channels are not supported"
UNREADABLE = "cut short, or not of the exchange's form"
"""Why a line was not read that may have changed a book."""


class Capture(Streamed):
    """A file of messages; each iteration streams it once more from its first line.

    A line is `JSON`, or `time: JSON` with a time in seconds (or ms, us, ns) since 1970, or has the two as
    `[time, JSON]` or `{"timestamp": time, "message": JSON}`. Everything else is a note of whoever recorded
    it, and passed over. `passed_over` counts, by reason, what the latest iteration left out; `first_rows`
    says where it did so first. Iterating raises FeedError for a file that cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], feed: str, translator: Callable[[], Translator]) -> None:
        super().__init__(TextFile(path, LONGEST_LINE))
        self._translator = translator
        self.feed = feed
        self.passed_over = Counter[str]()
        self.first_rows: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<{self.feed} capture: {self.path}>"

    @property
    def rule(self) -> ChecksumRule:
        """How this exchange sums up its books."""
        return self._translator().rule

    def __iter__(self) -> Iterator[LevelMessage]:
        translator = self._translator()
        self.passed_over.clear()
        self.first_rows.clear()
        for row, text in self._file.lines():
            found = sent_in(text)
            if found is None:
                self._pass_over(UNREADABLE if _is_cut_off(text) else _NOTE, row)
                continue
            time, body = found
            try:
                time, sent = unwrapped(time, parsed(body))
                messages = list(translator.translate(sent, row, time))
                for message in messages:
                    check_symbol(message.symbol)
            except UnsupportedChannelError as error:
                known = str(error) in self.passed_over or len(self.passed_over) < _MOST_CHANNELS
                self._pass_over(str(error) if known else _MORE_CHANNELS, row)
                continue
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
                self._pass_over(UNREADABLE, row)
                continue
            if messages:
                yield from messages
            else:
                self._pass_over(_OTHER, row)

    def _pass_over(self, reason: str, row: int) -> None:
        self.passed_over[reason] += 1
        self.first_rows.setdefault(reason, row)


def sent_in(line: str) -> tuple[int | None, str] | None:
    """Split a line into when it was received (ns since 1970, None = not written down) and its JSON.

    None is a line that holds nothing that an exchange sent.

    >>> sent_in('1652459225.5: {"event":"subscribe"}')
    (1652459225500000000, '{"event":"subscribe"}')
    >>> sent_in('["0",{},"book-10","XBT/USD"]')
    (None, '["0",{},"book-10","XBT/USD"]')
    >>> sent_in('wss://ws.okx.com:8443/ws/v5/public <- 1652459225.2: {"op":"subscribe"}')

    """
    match = _LINE.fullmatch(line)
    return None if match is None else (_time_in(match[1] or ""), match[2])


def _is_cut_off(line: str) -> bool:
    """Return True for a line that ends like JSON and lacks its beginning, which a note of a recorder has."""
    if not line.rstrip().endswith(("]", "}")):
        return False
    bracket = _BRACKET.search(line)
    try:
        parsed(line[bracket.start() :].strip() if bracket else "")
    except (ValueError, RecursionError):
        return True
    return False


def unwrapped(time: int | None, sent: object) -> tuple[int | None, object]:
    """Take what was sent out of what a recorder has put it into beside its time; as it is, if nothing.

    No exchange sends a pair, or an object with these two names. Raises ValueError.

    >>> unwrapped(None, ["1652459225.5", {"event": "subscribe"}])
    (1652459225500000000, {'event': 'subscribe'})
    >>> unwrapped(None, {"timestamp": "1652459225.5", "message": '["0", {}, "book-10", "XBT/USD"]'})
    (1652459225500000000, ['0', {}, 'book-10', 'XBT/USD'])

    """
    pair = _fields_of(sent)
    if len(pair) != 2:
        return time, sent
    when, inner = pair
    found = _time_in(when) if isinstance(when, str) else None
    return (time if found is None else found), (parsed(inner) if isinstance(inner, str) else inner)


def _fields_of(wrapper: object) -> list[object]:
    if isinstance(wrapper, dict):
        fields = cast("dict[str, object]", wrapper)
        return [fields[name] for name in ("timestamp", "message") if name in fields]
    return cast("list[object]", wrapper) if isinstance(wrapper, list) else []


def _time_in(text: str) -> int | None:
    time = _TIME.match(text)
    # Seconds have ten digits until 2286: any more are decimals, with a point before them or without.
    return int(time[1] + time[2].ljust(9, "0")) if time else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse)


def parsed(text: str) -> object:
    """Read JSON, its numbers as the text that they were written in; raises ValueError."""
    return _DECODER.decode(text)
