"""A row-by-row reader for plain or compressed text files, in bounded memory."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count
from typing import BinaryIO, NamedTuple

from oms.feeds.compression import UnreadableError, unpacked
from oms.feeds.errors import FeedError

__all__ = ["Column", "RowFormat", "Streamed", "TextFile", "scaled"]

INTEGER = r"-?\d{1,19}"
"""A pattern for integers that are short enough to parse quickly. The order book checks the range."""

_LONGEST_ROW = 1 << 16  # bytes; otherwise, a binary file without newlines could use up all memory


def scaled(text: str, decimals: int) -> int:
    """Return a decimal number times 10 ** `decimals` as an exact integer. No floats are involved.

    >>> scaled("236.4", 2), scaled("34200.004241176", 9)
    (23640, 34200004241176)

    """
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


class TextFile:
    """A text file that you can read any number of times, row by row, in bounded memory."""

    def __init__(self, path: str | os.PathLike[str], longest_row: int = _LONGEST_ROW) -> None:
        """Set the path and the maximum row length in bytes, which bounds the memory."""
        self.path = os.fspath(path)
        self._longest_row = longest_row
        self._raw: BinaryIO | None = None
        self._position = 0

    @property
    def size(self) -> int:
        """The size of the file on disk, in bytes. Accessing it can raise FeedError."""
        try:
            return os.stat(self.path).st_size
        except OSError as error:
            raise self.error(None, error.strerror or str(error)) from error

    @property
    def position(self) -> int:
        """How many bytes of the file the latest iteration has read, for a progress bar."""
        return self._position if self._raw is None else self._raw.tell()

    def error(self, row: int | None, problem: str) -> FeedError:
        """Return an error whose message contains the path of this file."""
        return FeedError(self.path, row, problem)

    def rows(self) -> Generator[tuple[int, str]]:
        """Yield each row's number, starting at 1, and its text without the line ending.

        Empty rows at the end of the file are skipped. Raise FeedError if the file is missing, empty,
        unreadable, damaged, or not text, or if there is an empty row before the end.
        """
        empty = 0  # the first empty row since the last yielded row, or 0
        with closing(self.lines()) as lines:
            for row, text in lines:
                if not text.strip():
                    empty = empty or row
                elif empty:
                    raise self.error(empty, "must not be empty")
                else:
                    yield row, text

    def lines(self) -> Generator[tuple[int, str]]:
        """Like `rows`, but also yield empty rows.

        Raise FeedError if the file is missing, blank, unreadable, damaged, or not text.
        """
        blank = True
        with self._open() as stream:
            for row in count(1):
                line = self._read(stream, row)
                if not line:
                    break
                text = self._text(row, line)
                blank = blank and not text.strip()
                yield row, text
        if blank:
            raise self.error(None, "the file is empty")

    def _text(self, row: int, line: bytes) -> str:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise self.error(row, "must be UTF-8 text") from None
        if row == 1:
            text = text.removeprefix("\ufeff")  # the byte-order mark that some editors add
        return text.removesuffix("\n").removesuffix("\r")

    def _read(self, stream: BinaryIO, row: int) -> bytes:
        try:
            line = stream.readline(self._longest_row)
        except MemoryError:
            raise
        except Exception as error:  # each decompression library has its own errors
            raise self.error(row, f"the file is damaged: {error}") from error
        if len(line) == self._longest_row and not line.endswith(b"\n"):
            raise self.error(row, f"must have fewer than {self._longest_row:,} bytes")
        return line

    @contextmanager
    def _open(self) -> Generator[BinaryIO]:
        try:
            raw = open(self.path, "rb")  # noqa: SIM115 - closed below; only open() is inside the try
        except OSError as error:
            raise self.error(None, error.strerror or str(error)) from error
        with raw:
            self._raw = raw
            try:
                with unpacked(raw) as stream:
                    yield stream
            except UnreadableError as error:
                raise self.error(None, str(error)) from error
            finally:
                if not raw.closed:  # the garbage collector may already have closed the file
                    self._position = raw.tell()
                self._raw = None


class Column(NamedTuple):
    """A column: its name, a pattern for its values, and a description of valid values."""

    name: str
    pattern: str
    allowed: str


class RowFormat:
    """The expected columns of a row.

    A row is matched with one pattern, which is fast. The column patterns are used only in error messages.

    >>> row_format = RowFormat(Column("id", INTEGER, "an integer"), Column("side", "bid|ask", "bid or ask"))
    >>> row_format.problem("7,up")
    "side must be bid or ask, not 'up'"

    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._pattern = re.compile(",".join(f"({column.pattern})" for column in columns), re.ASCII)
        self.header = ",".join(column.name for column in columns)

    def read(self, file: TextFile, row: int, text: str) -> tuple[str, ...]:
        """Split a row into its columns, or raise FeedError if the row does not match."""
        fields = self.split(text)
        if fields is None:
            raise file.error(row, self.problem(text))
        return fields

    def split(self, text: str) -> tuple[str, ...] | None:
        """Split a row into its columns, or return None if the row does not match."""
        match = self._pattern.fullmatch(text)
        return None if match is None else match.groups()

    def fits(self, text: str) -> bool:
        """Return True if the row has the right number of columns."""
        return text.count(",") + 1 == len(self._columns)

    def read_header(self, file: TextFile, row: int, text: str) -> None:
        """Raise FeedError if the header differs from the column names."""
        if text != self.header:
            raise file.error(row, f"the header must be {self.header}, not {reprlib.repr(text)}")

    def problem(self, text: str) -> str:
        """Return the reason that a row does not match."""
        values = text.split(",")
        if len(values) != len(self._columns):
            return f"must have {len(self._columns)} columns, not {len(values)}"
        for column, value in zip(self._columns, values, strict=True):
            if not re.fullmatch(column.pattern, value, re.ASCII):
                return f"{column.name} must be {column.allowed}, not {reprlib.repr(value)}"
        raise AssertionError(f"the row matches its format: {text!r}")


class Streamed:
    """The base class for recordings and captures. It reports how far the latest iteration has got."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    @property
    def path(self) -> str:
        """The path of the file."""
        return self._file.path

    @property
    def size(self) -> int:
        """The size of the file in bytes. Accessing it can raise FeedError."""
        return self._file.size

    @property
    def position(self) -> int:
        """The number of bytes read so far. The progress is `position / size`."""
        return self._file.position
