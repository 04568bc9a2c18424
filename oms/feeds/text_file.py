"""Read plain or compressed text files row by row, in bounded memory."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from io import BufferedReader
from typing import NamedTuple, Protocol

from oms.feeds.compression import UnreadableError, unpacked
from oms.feeds.errors import FeedError

__all__ = ["Column", "Columns", "INTEGER", "RowFormat", "RowReader", "Streamed", "TextFile", "scaled"]

INTEGER = r"-?\d{1,19}+"
"""Matches integers that are short enough to parse quickly. The order book checks their range."""

_LONGEST_ROW = 1 << 16  # bytes; without a limit, a binary file without newlines could use up all memory
_CHUNK = 1 << 13  # bytes to read at once; the fields of a larger chunk do not fit into the CPU cache
_UNDECODED = re.compile("[\udc80-\udcff]")

Columns = Sequence[Sequence[str]]
"""The columns of consecutive rows."""


class RowReader(Protocol):
    """A parser for `TextFile.parsed`."""

    def columns(self, block: str, /) -> Columns | None:
        """Return a block's columns, or None if its rows must be read one by one.

        Each row ends with a newline. Return None if any row is empty or invalid. Where a block ends depends
        on how the file was read, so the result must not depend on which rows are in the same block.
        """
        ...

    def read(self, row: int, text: str, /) -> tuple[str, ...] | None:
        """Return the fields in a row, or None if it is the header. Raise FeedError if it is invalid."""
        ...


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
        """Set the path and the maximum row length in bytes. The limit bounds the memory."""
        self.path = os.fspath(path)
        self._longest_row = longest_row
        self._raw: BufferedReader | None = None
        self._position = 0

    @property
    def size(self) -> int:
        """The size of the file on disk, in bytes. Raise FeedError if the file cannot be accessed."""
        try:
            return os.stat(self.path).st_size
        except OSError as error:
            raise self.error(None, error.strerror or str(error)) from error

    @property
    def position(self) -> int:
        """The number of bytes that the latest iteration has read so far, for a progress bar."""
        return self._position if self._raw is None else self._raw.tell()

    def error(self, row: int | None, problem: str) -> FeedError:
        """Return an error that includes the path to this file."""
        return FeedError(self.path, row, problem)

    def rows(self) -> Generator[tuple[int, str]]:
        """Yield the number and text of each row. Numbers start at 1, and the text has no line ending.

        Empty rows at the end of the file are skipped. Raise FeedError if the file is missing, empty,
        unreadable, damaged, or not text. An empty row anywhere else also raises FeedError.
        """
        with closing(self.parsed(_Unparsed())) as blocks:
            for first, [texts] in blocks:
                yield from enumerate(texts, first)

    def parsed(self, reader: RowReader) -> Generator[tuple[int, Columns]]:
        """Yield the rows in blocks, as (first row number, columns).

        Empty rows and file errors are handled as in `rows`. If a row is bad, first yield the rows above it,
        and then raise FeedError.
        """
        empty = 0  # the first empty row after the latest row with fields, or 0
        with closing(self.blocks()) as blocks:
            for first, block in blocks:
                columns = None if empty else reader.columns(block)
                if columns is not None:
                    yield first, columns
                    continue
                rows: list[tuple[str, ...]] = []
                problem: FeedError | None = None
                try:
                    for row, text in self._split(first, block):
                        if not text.strip():
                            empty = empty or row
                            continue
                        if empty:
                            raise self.error(empty, "must not be empty")
                        fields = reader.read(row, text)
                        if fields is None:
                            first = row + 1  # noqa: PLW2901 - the columns begin below the header
                        else:
                            rows.append(fields)
                except FeedError as error:
                    problem = error  # after the rows above the bad row
                if rows:
                    yield first, tuple(zip(*rows, strict=True))
                if problem is not None:
                    raise problem

    def lines(self) -> Generator[tuple[int, str]]:
        """Yield the same as `rows`, but also the empty rows.

        Raise FeedError if the file is missing, blank, unreadable, damaged, or not text.
        """
        with closing(self.blocks()) as blocks:
            for first, block in blocks:
                yield from self._split(first, block)

    def _split(self, first: int, block: str) -> Iterator[tuple[int, str]]:
        for row, text in enumerate(block[:-1].split("\n"), first):
            if not text.isascii() and _UNDECODED.search(text):
                raise self.error(row, "must be UTF-8 text")
            yield row, text.removesuffix("\r")

    def blocks(self) -> Generator[tuple[int, str]]:
        """Yield (first row number, text of one or more rows). Every row ends with a newline.

        Invalid UTF-8 is decoded to surrogates, so that the rows above it can still be read. Raise FeedError
        if the file is missing, blank, unreadable, or damaged.
        """
        blank = True
        with self._open() as stream:
            for row, raw in self._raw_blocks(stream):
                block = raw.decode(errors="surrogateescape")
                if row == 1:
                    block = block.removeprefix("\ufeff")  # the byte-order mark that some editors add
                blank = blank and block.isspace()
                yield row, block
        if blank:
            raise self.error(None, "the file is empty")

    def _raw_blocks(self, stream: BufferedReader) -> Generator[tuple[int, bytes]]:
        row = 1
        pieces: list[bytes] = []  # of an incomplete row
        while chunk := self._read(stream, row):
            end = chunk.rfind(b"\n") + 1
            self._check_length(row, pieces, chunk)
            if end:
                yield row, b"".join((*pieces, chunk[:end]))
                row += chunk.count(b"\n")
                pieces = []
            pieces.append(chunk[end:])
        if any(pieces):
            yield row, b"".join((*pieces, b"\n"))

    def _check_length(self, row: int, pieces: list[bytes], chunk: bytes) -> None:
        """Raise FeedError if the row that begins with these pieces is too long.

        Later rows in the chunk cannot be longer than the chunk itself.
        """
        length = chunk.find(b"\n")
        length = len(chunk) if length < 0 else length
        if sum(map(len, pieces)) + length >= self._longest_row:
            raise self.error(row, f"must have fewer than {self._longest_row:,} bytes")

    def _read(self, stream: BufferedReader, row: int) -> bytes:
        try:
            return stream.read1(min(_CHUNK, self._longest_row))
        except MemoryError:
            raise
        except Exception as error:  # each decompression library has its own errors
            raise self.error(row, f"the file is damaged: {error}") from error

    @contextmanager
    def _open(self) -> Generator[BufferedReader]:
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


class _Unparsed:
    """A parser that returns each row unparsed, as a single column."""

    def columns(self, _: str) -> None:
        return None

    def read(self, _: int, text: str) -> tuple[str]:
        return (text,)


class Column(NamedTuple):
    """The name of a column, the pattern that its values match, and a description of valid values.

    The pattern must not match commas.
    """

    name: str
    pattern: str
    allowed: str


class RowFormat:
    """The columns that a row must have.

    A single pattern matches a whole row, which is fast. The column patterns are only for error messages.

    >>> row_format = RowFormat(Column("id", INTEGER, "an integer"), Column("side", "bid|ask", "bid or ask"))
    >>> row_format.problem("7,up")
    "side must be bid or ask, not 'up'"

    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._pattern = re.compile(",".join(f"({column.pattern})" for column in columns), re.ASCII)
        row = ",".join(f"(?>{column.pattern})" for column in columns)  # much faster than with groups
        self._rows = re.compile(rf"(?:{row}\r?+\n)*+", re.ASCII)
        self.header = ",".join(column.name for column in columns)

    def read(self, file: TextFile, row: int, text: str) -> tuple[str, ...]:
        """Split a row into its columns. Raise FeedError if the row does not have the expected format."""
        fields = self.split(text)
        if fields is None:
            raise file.error(row, self.problem(text))
        return fields

    def split(self, text: str) -> tuple[str, ...] | None:
        """Split a row into its columns, or return None if the row does not have the expected format."""
        match = self._pattern.fullmatch(text)
        return None if match is None else match.groups()

    def columns(self, block: str) -> Columns | None:
        r"""Split a block of rows into its columns, or return None if a row does not have the expected format.

        >>> RowFormat(Column("id", INTEGER, "an integer"), Column("side", "bid|ask", "")).columns(
        ...     "7,bid\n8,ask\n"
        ... )
        [['7', '8'], ['bid', 'ask']]

        """
        if self._rows.fullmatch(block) is None:
            return None
        fields = block[:-1].replace("\r", "").replace("\n", ",").split(",")
        count = len(self._columns)
        return [fields[index::count] for index in range(count)]

    def fits(self, text: str) -> bool:
        """Return True if the row has the right number of columns."""
        return text.count(",") + 1 == len(self._columns)

    def read_header(self, file: TextFile, row: int, text: str) -> None:
        """Raise FeedError if the header differs from the column names."""
        if text != self.header:
            raise file.error(row, f"the header must be {self.header}, not {reprlib.repr(text)}")

    def problem(self, text: str) -> str:
        """Explain why a row does not have the expected format."""
        values = text.split(",")
        if len(values) != len(self._columns):
            return f"must have {len(self._columns)} columns, not {len(values)}"
        for column, value in zip(self._columns, values, strict=True):
            if not re.fullmatch(column.pattern, value, re.ASCII):
                return f"{column.name} must be {column.allowed}, not {reprlib.repr(value)}"
        raise AssertionError(f"the row matches its format: {text!r}")


class Streamed:
    """The base class for recordings and captures. It reports the progress of the latest iteration."""

    def __init__(self, file: TextFile) -> None:
        self._file = file

    @property
    def path(self) -> str:
        """The path to the file."""
        return self._file.path

    @property
    def size(self) -> int:
        """The size of the file, in bytes. Raise FeedError if the file cannot be accessed."""
        return self._file.size

    @property
    def position(self) -> int:
        """The number of bytes read so far. To show progress, divide it by `size`."""
        return self._file.position
