"""A text file, compressed or not, as a stream of rows: bounded memory, and an error names its row."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from typing import BinaryIO, NamedTuple

from oms.feeds.compression import UnreadableError, unpacked
from oms.feeds.errors import FeedError

__all__ = ["Column", "RowFormat", "Streamed", "TextFile", "scaled"]

INTEGER = r"-?\d{1,19}"
"""A number that may not fit a book (the book says so), but that is cheap to read."""

_LONGEST_ROW = 1 << 16  # bytes: a file that is not text must not fill the memory in search of a line's end


def scaled(text: str, decimals: int) -> int:
    """Read a decimal as the exact integer of its last place, never through a float.

    >>> scaled("236.4", 2), scaled("34200.004241176", 9)
    (23640, 34200004241176)

    """
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


class TextFile:
    """A file that is read row by row, as often as one likes, in bounded memory."""

    def __init__(self, path: str | os.PathLike[str], longest_row: int = _LONGEST_ROW) -> None:
        """Name the file; `longest_row` bounds the bytes of one row, and so the memory."""
        self.path = os.fspath(path)
        self._longest_row = longest_row
        self._raw: BinaryIO | None = None
        self._position = 0

    @property
    def size(self) -> int:
        """How many bytes the file has, compressed as it is."""
        try:
            return os.stat(self.path).st_size
        except OSError as error:
            raise self.error(None, error.strerror or str(error)) from error

    @property
    def position(self) -> int:
        """How many of those bytes the latest reading has taken in: for a progress bar."""
        return self._position if self._raw is None else self._raw.tell()

    def error(self, row: int | None, problem: str) -> FeedError:
        """Build the error that names this file."""
        return FeedError(self.path, row, problem)

    def rows(self) -> Generator[tuple[int, str]]:
        """Stream (row number from 1, text without its line end).

        Empty rows at the end are passed over. Raises FeedError for a file that is missing, empty,
        unreadable, damaged or not text, and for an empty row before the end.
        """
        empty = 0  # the first empty one behind those that have been yielded, 0 if there is none
        for row, text in self.lines():
            if not text.strip():
                empty = empty or row
            elif empty:
                raise self.error(empty, "an empty row")
            else:
                yield row, text

    def lines(self) -> Generator[tuple[int, str]]:
        """Stream (row number from 1, text without its line end), empty rows too.

        Raises FeedError for a file that is missing, unreadable, damaged or not text, and for one in which
        nothing stands.
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
            raise self.error(row, "not UTF-8 text") from None
        if row == 1:
            text = text.removeprefix("\ufeff")  # the mark that some editors put before it
        return text.removesuffix("\n").removesuffix("\r")

    def _read(self, stream: BinaryIO, row: int) -> bytes:
        try:
            line = stream.readline(self._longest_row)
        except MemoryError:
            raise
        except Exception as error:  # each library that unpacks has errors of its own
            raise self.error(row, f"the file is damaged: {error}") from error
        if len(line) == self._longest_row and not line.endswith(b"\n"):
            raise self.error(row, f"no row has {self._longest_row} bytes")
        return line

    @contextmanager
    def _open(self) -> Generator[BinaryIO]:
        try:
            raw = open(self.path, "rb")  # noqa: SIM115 - closed below; only the opening is guarded here
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
                self._position = raw.tell()
                self._raw = None


class Column(NamedTuple):
    """A column: its name, the pattern of its values, and those values in words."""

    name: str
    pattern: str
    allowed: str


class RowFormat:
    """What a row has to look like: one pattern for the quick path, its columns for the complaint.

    >>> row_format = RowFormat(Column("id", INTEGER, "an integer"), Column("side", "bid|ask", "bid or ask"))
    >>> row_format.problem("7,up")
    "side must be bid or ask, not 'up'"

    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._pattern = re.compile(",".join(f"({column.pattern})" for column in columns), re.ASCII)
        self.header = ",".join(column.name for column in columns)

    def read(self, file: TextFile, row: int, text: str) -> tuple[str, ...]:
        """Split a row into its columns; raises FeedError."""
        fields = self.split(text)
        if fields is None:
            raise file.error(row, self.problem(text))
        return fields

    def split(self, text: str) -> tuple[str, ...] | None:
        """Split a row into its columns; None if it is not of this form."""
        match = self._pattern.fullmatch(text)
        return None if match is None else match.groups()

    def fits(self, text: str) -> bool:
        """Whether a row has as many columns."""
        return text.count(",") + 1 == len(self._columns)

    def read_header(self, file: TextFile, row: int, text: str) -> None:
        """Pass over the row of names; raises FeedError if it is anything else."""
        if text != self.header:
            raise file.error(row, f"the header must be {self.header}, not {reprlib.repr(text)}")

    def problem(self, text: str) -> str:
        """Say what is wrong with a row that does not match."""
        values = text.split(",")
        if len(values) != len(self._columns):
            return f"must have {len(self._columns)} columns, not {len(values)}"
        for column, value in zip(self._columns, values, strict=True):
            if not re.fullmatch(column.pattern, value, re.ASCII):
                return f"{column.name} must be {column.allowed}, not {reprlib.repr(value)}"
        raise AssertionError(f"nothing is wrong with {text!r}")


class Streamed:
    """What is read from a file, as often as one likes, and how far the latest reading has got."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._file.path

    @property
    def size(self) -> int:
        """How many bytes the file has; raises FeedError."""
        return self._file.size

    @property
    def position(self) -> int:
        """How many of those bytes have been read: `position / size` is the progress."""
        return self._file.position
