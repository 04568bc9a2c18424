"""A reader that decompresses files as a byte stream, in bounded memory.

The reader detects the format from the first bytes of a file, because the file extension may be wrong.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

__all__ = ["UnreadableError", "unpacked"]

# The module in the standard library since Python 3.14, and its backport.
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")
_LONGEST_MAGIC = 262


class UnreadableError(Exception):
    """A file that you must unpack or repair with another tool first."""


@contextmanager
def unpacked(raw: io.BufferedReader) -> Generator[io.BufferedReader]:
    """Open a file, and decompress it if it is gz, bz2, xz, zst, or a zip archive with one member.

    Raise UnreadableError if the file has a different known binary format, or if its beginning is damaged.
    Damage further into the file raises the decompression library's own exception when you read that far.

    >>> import gzip, io
    >>> with unpacked(io.BufferedReader(io.BytesIO(gzip.compress(b"34200.5,1,7")))) as stream:
    ...     stream.readline()
    b'34200.5,1,7'

    """
    form = _format(raw)
    if form is None:
        yield raw
    elif form.open is None:
        raise UnreadableError(f"{form.name}: unpack it first")
    else:
        with form.open(raw) as inner, io.BufferedReader(inner) as stream:
            try:
                inner_form = _format(stream)
            except MemoryError:
                raise
            except Exception as error:  # each decompression library has its own exceptions
                raise UnreadableError(f"the file is damaged: {error}") from error
            if inner_form is not None:
                raise UnreadableError(f"{inner_form.name} inside {form.name}: unpack it first")
            yield stream


def _format(stream: io.BufferedReader) -> _Format | None:
    beginning = stream.peek(_LONGEST_MAGIC)
    return next((form for form in _FORMATS if beginning.startswith(form.magic, form.offset)), None)


@contextmanager
def _only_member(raw: BinaryIO) -> Generator[Any]:
    try:
        archive = ZipFile(raw)
    except (BadZipFile, OSError) as error:
        raise UnreadableError(f"the zip archive is damaged: {error}") from error
    with archive:
        members = [
            member
            for member in archive.infolist()
            if not (member.is_dir() or member.filename.startswith("__MACOSX/"))
        ]
        if len(members) != 1:
            raise UnreadableError(f"a zip archive must have 1 member, not {len(members):,}: unpack it first")
        if members[0].compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            # For other methods, zipfile unpacks a whole block at once, which can use any amount of memory.
            raise UnreadableError("a zip archive must be compressed with deflate: unpack it first")
        try:
            member = archive.open(members[0])
        except (BadZipFile, RuntimeError) as error:  # it needs a password or is inconsistent
            raise UnreadableError(f"the zip archive cannot be read: {error}") from error
        with member:
            yield member


def _zstd(raw: BinaryIO) -> Any:
    for name in _ZSTD_MODULES:
        try:
            module = import_module(name)
        except ImportError:
            continue
        return module.ZstdFile(raw)
    raise UnreadableError(
        "a zst file: unpack it first, or install backports.zstd (this project's zstd extra)"
    )


class _Format(NamedTuple):
    """A file format: its name, its magic bytes, their offset, and the function that opens it."""

    name: str
    magic: bytes
    open: Callable[[BinaryIO], Any] | None = None
    offset: int = 0


_FORMATS = (
    _Format("a gz file", b"\x1f\x8b", gzip.open),
    _Format("a bz2 file", b"BZh", bz2.open),
    _Format("an xz file", b"\xfd7zXZ\0", lzma.open),
    _Format("a zst file", b"\x28\xb5\x2f\xfd", _zstd),
    _Format("a zip archive", b"PK\x03\x04", _only_member),
    _Format("an empty zip archive", b"PK\x05\x06"),
    _Format("a part of a zip archive", b"PK\x07\x08"),
    _Format("a 7z archive", b"7z\xbc\xaf\x27\x1c"),
    _Format("a rar archive", b"Rar!\x1a\x07"),
    _Format("a tar archive", b"ustar", offset=257),
    _Format("an lz4 file", b"\x04\x22\x4d\x18"),
    _Format("an lzip file", b"LZIP"),
    _Format("an lzop file", b"\x89LZO"),
    _Format("an lzma file", b"\x5d\0\0"),
    _Format("a compress (.Z) file", b"\x1f\x9d"),
    _Format("a snappy file", b"\xff\x06\0\0sNaPpY"),
    _Format("a Parquet file", b"PAR1"),
    _Format("an HDF5 file", b"\x89HDF\r\n"),
)
