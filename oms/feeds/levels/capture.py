"""A WebSocket capture: a plain or compressed text file with one message per line."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple, NoReturn, TypeVar, cast

from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import LevelMessage, Translator, UnsupportedChannelError
from oms.feeds.text_file import Streamed, TextFile
from oms.models import MAX_INT, check_symbol

__all__ = ["Capture", "LONGEST_LINE", "UNREADABLE", "parsed", "sent_in", "unwrapped"]

Result = TypeVar("Result")

MOST_KEPT = 1 << 21
"""The number of characters up to which the messages of a file are kept in memory instead of read twice."""

LONGEST_LINE = 1 << 24  # bytes; a book with thousands of levels is a single line
_LINE = re.compile(r"\s*(\d[^\[{]*)?([\[{].*)", re.DOTALL)
_BRACKET = re.compile(r"[\[{]")
_TIME = re.compile(r"(\d{10})\.?(\d{0,9})(?!\d)", re.ASCII)

_MOST_REASONS = 10  # beyond this many reasons, other channels share one count
_NOTE = "not a message of the exchange"
_OTHER = "not about a book"
_OTHER_CHANNELS = "other channels are not supported"
UNREADABLE = "cut short, or not in the exchange's format"
"""The skip reason for a line that may contain a change to a book."""


class Capture(Streamed):
    """A file of messages from an exchange. Each iteration streams the file from the first line.

    A line is `JSON` or `time: JSON`, where `time` is the time of receipt in s, ms, us, or ns since 1970. It
    may also be `[time, JSON]` or `{"timestamp": time, "message": JSON}`. All other lines are treated as
    comments from the recorder and skipped.

    `passed_over` maps each reason to the number of lines that the latest iteration skipped, and `first_rows`
    maps it to the first such row. Iterating raises FeedError if the file cannot be read.
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
        """The exchange's checksum rule."""
        return self._translator().rule

    def __iter__(self) -> Iterator[LevelMessage]:
        return self._messages(self._lines())

    def read_ahead(
        self, look: Callable[[Iterable[LevelMessage]], Result]
    ) -> tuple[Result, Iterator[LevelMessage]]:
        """Call `look` with all messages. Return its result, and a new iterator over the same messages.

        A file of up to `MOST_KEPT` characters is read only once, and its messages are kept in memory. The
        iterator reads a larger file again.
        """
        kept: list[_Line] = []
        size = 0

        def lines() -> Iterator[_Line]:
            nonlocal size
            for line in self._lines():
                size += line.size
                if size <= MOST_KEPT:
                    kept.append(line)
                yield line

        result = look(self._messages(lines()))
        return result, self._messages(self._lines() if size > MOST_KEPT else kept)

    def _messages(self, lines: Iterable[_Line]) -> Iterator[LevelMessage]:
        self.passed_over.clear()
        self.first_rows.clear()
        for row, _, content in lines:
            if isinstance(content, list):
                yield from content
            elif isinstance(content, str):
                self._skip(content, row)
            else:
                is_named = str(content) in self.passed_over or len(self.passed_over) < _MOST_REASONS
                self._skip(str(content) if is_named else _OTHER_CHANNELS, row)

    def _lines(self) -> Iterator[_Line]:
        translator = self._translator()
        with closing(self._file.lines()) as lines:
            for row, text in lines:
                yield _Line(row, len(text), _content(translator, row, text))

    def _skip(self, reason: str, row: int) -> None:
        self.passed_over[reason] += 1
        self.first_rows.setdefault(reason, row)


class _Line(NamedTuple):
    """A row number, the number of characters in the row, and its messages or the reason to skip it."""

    row: int
    size: int
    content: list[LevelMessage] | UnsupportedChannelError | str


def _content(
    translator: Translator, row: int, text: str
) -> list[LevelMessage] | UnsupportedChannelError | str:
    line = sent_in(text)
    if line is None:
        return UNREADABLE if _is_cut_off(text) else _NOTE
    time, body = line
    try:
        time, sent = unwrapped(time, parsed(body))
        messages = list(translator.translate(sent, row, time))
        for message in messages:
            check_symbol(message.symbol)
            if not 0 <= message.time <= MAX_INT:  # no event can have this time
                return UNREADABLE
    except UnsupportedChannelError as error:
        return error
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return UNREADABLE
    return messages or _OTHER


def sent_in(line: str) -> tuple[int | None, str] | None:
    """Split a line into its time of receipt and its JSON. Return None if the line contains no JSON.

    The time is in ns since 1970, or None if the recorder did not write one.

    >>> sent_in('1652459225.5: {"event":"subscribe"}')
    (1652459225500000000, '{"event":"subscribe"}')
    >>> sent_in('["0",{},"book-10","XBT/USD"]')
    (None, '["0",{},"book-10","XBT/USD"]')
    >>> sent_in('wss://ws.okx.com:8443/ws/v5/public <- 1652459225.2: {"op":"subscribe"}')

    """
    match = _LINE.fullmatch(line)
    return None if match is None else (_time_in(match[1] or ""), match[2])


def _is_cut_off(line: str) -> bool:
    """Return True if a line ends like JSON, but its beginning is missing."""
    if not line.rstrip().endswith(("]", "}")):
        return False
    bracket = _BRACKET.search(line)
    try:
        parsed(line[bracket.start() :].strip() if bracket else "")
    except (ValueError, RecursionError):
        return True
    return False


def unwrapped(time: int | None, sent: object) -> tuple[int | None, object]:
    """Unwrap `[time, payload]` and `{"timestamp": time, "message": payload}`, or return `sent` unchanged.

    This is unambiguous, because no exchange sends a two-element array or an object with both keys. Raise
    ValueError if the payload is invalid JSON.

    >>> unwrapped(None, ["1652459225.5", {"event": "subscribe"}])
    (1652459225500000000, {'event': 'subscribe'})
    >>> unwrapped(None, {"timestamp": "1652459225.5", "message": '["0", {}, "book-10", "XBT/USD"]'})
    (1652459225500000000, ['0', {}, 'book-10', 'XBT/USD'])

    """
    pair = _fields_of(sent)
    if len(pair) != 2:
        return time, sent
    timestamp, payload = pair
    received = _time_in(timestamp) if isinstance(timestamp, str) else None
    return (time if received is None else received), (
        parsed(payload) if isinstance(payload, str) else payload
    )


def _fields_of(wrapper: object) -> list[object]:
    if isinstance(wrapper, dict):
        fields = cast("dict[str, object]", wrapper)
        return [fields[name] for name in ("timestamp", "message") if name in fields]
    return cast("list[object]", wrapper) if isinstance(wrapper, list) else []


def _time_in(text: str) -> int | None:
    time = _TIME.match(text)
    # Until 2286, seconds have ten digits, so any further digits are decimals, with or without a point.
    return int(time[1] + time[2].ljust(9, "0")) if time else None


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)


_JSON_WHITESPACE = " \t\n\r"
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_reject)


def parsed(text: str) -> object:
    """Parse JSON, but keep each number as its original string. Raise ValueError if the JSON is invalid."""
    text = text.strip(_JSON_WHITESPACE)
    value, end = _DECODER.raw_decode(text)
    if end < len(text):
        raise ValueError("there is text after the JSON value")
    return value
