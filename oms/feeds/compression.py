"""A reader of files that may be compressed, as a stream of bytes in bounded memory.

The first bytes of the file decide, not its name, which may be out of date.
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

_ZSTD_MODULES = (
    "compression.zstd",
    "backports.zstd",
)  # the standard library's from Python 3.14 on, else its backport
_LONGEST_MAGIC = 262


class UnreadableError(Exception):
    """A file that this module cannot read until another tool unpacks or repairs it."""


@contextmanager
def unpacked(raw: io.BufferedReader) -> Generator[BinaryIO]:
    """Open the content of a file, unpacked if it is gz, bz2, xz, zst, or a zip with one member.

    Raises UnreadableError for any other known compressed, archive, or binary format, and for a damaged
    beginning. Damage further on raises the error of the library that unpacks.

    >>> import gzip, io
    >>> with unpacked(io.BufferedReader(io.BytesIO(gzip.compress(b"34200.5,1,7")))) as stream:
    ...     stream.readline()
    b'34200.5,1,7'

    """
    form = _form(raw)
    if form is None:
        yield raw
    elif form.open is None:
        raise UnreadableError(f"{form.name}: unpack it first")
    else:
        with form.open(raw) as inner, io.BufferedReader(inner) as stream:
            try:
                twice = _form(stream)
            except MemoryError:
                raise
            except Exception as error:  # each library that unpacks has errors of its own
                raise UnreadableError(f"the file is damaged: {error}") from error
            if twice is not None:
                raise UnreadableError(f"{twice.name} inside {form.name}: unpack it first")
            yield stream


def _form(stream: io.BufferedReader) -> _Form | None:
    beginning = stream.peek(_LONGEST_MAGIC)
    return next((form for form in _FORMS if beginning.startswith(form.magic, form.offset)), None)


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
            raise UnreadableError(f"a zip archive with {len(members):,} members, not 1: unpack it first")
        if members[0].compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            # For any other method zipfile unpacks a whole block at once, which does not bound the memory.
            raise UnreadableError("a zip archive not compressed with deflate: unpack it first")
        try:
            member = archive.open(members[0])
        except (BadZipFile, RuntimeError) as error:  # a password, or a header that differs from the directory
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
        "a zst file: unpack it first, or add backports.zstd (the extra zstd of this project), which reads it"
    )


class _Form(NamedTuple):
    """A file format: its name, its magic bytes, their offset, and the function that opens it."""

    name: str
    magic: bytes
    open: Callable[[BinaryIO], Any] | None = None
    offset: int = 0


_FORMS = (
    _Form("a gz file", b"\x1f\x8b", gzip.open),
    _Form("a bz2 file", b"BZh", bz2.open),
    _Form("an xz file", b"\xfd7zXZ\0", lzma.open),
    _Form("a zst file", b"\x28\xb5\x2f\xfd", _zstd),
    _Form("a zip archive", b"PK\x03\x04", _only_member),
    _Form("an empty zip archive", b"PK\x05\x06"),
    _Form("a part of a zip archive", b"PK\x07\x08"),
    _Form("a 7z archive", b"7z\xbc\xaf\x27\x1c"),
    _Form("a rar archive", b"Rar!\x1a\x07"),
    _Form("a tar archive", b"ustar", offset=257),
    _Form("an lz4 file", b"\x04\x22\x4d\x18"),
    _Form("an lzip file", b"LZIP"),
    _Form("an lzop file", b"\x89LZO"),
    _Form("an lzma file", b"\x5d\0\0"),
    _Form("a compress (.Z) file", b"\x1f\x9d"),
    _Form("a snappy file", b"\xff\x06\0\0sNaPpY"),
    _Form("a Parquet file", b"PAR1"),
    _Form("an HDF5 file", b"\x89HDF\r\n"),
)
