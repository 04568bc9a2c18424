"""A disk for SQLite that fails on demand. When it crashes, unsynced writes are lost or truncated.

The disk is an SQLite VFS, so tests run the same SQL statements as the journal. It writes to real files. In
memory, it records the content at the last sync and each later write, to know what would survive a crash.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from oms.journal import connection
from oms.journal.connection import Connect

SECTOR = 512
_numbers = itertools.count()


@contextmanager
def connections_made_by(connect: Connect) -> Generator[None]:
    """Let the journal open its SQLite connections with `connect` until the block ends."""
    before, connection.connector = connection.connector, connect
    try:
        yield
    finally:
        connection.connector = before


def _ignore_error(*_: object) -> None:
    """Ignore an error that SQLite ignores too, for example a failure while it closes a file."""


class _File(apsw.VFSFile):
    excepthook = staticmethod(_ignore_error)  # type: ignore[assignment]  # apsw declares it as a method

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = str(name.filename() if isinstance(name, apsw.URIFilename) else name)
        disk.opened(self._path)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # the name is SQLite's
        def write_part(size: int) -> None:
            super(_File, self).xWrite(bytes(data[:size]), offset)
            self._disk.wrote(self._path, offset, bytes(data[:size]))

        self._disk.step("write", lambda: write_part(len(data) // 2))
        write_part(len(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802  # the name is SQLite's
        self._disk.step("truncate")
        super().xTruncate(size)
        self._disk.wrote(self._path, size, None)

    def xSync(self, flags: int) -> None:  # noqa: N802  # the name is SQLite's
        self._disk.step("sync")
        super().xSync(flags)
        self._disk.synced(self._path)


class _Vfs(apsw.VFS):
    excepthook = staticmethod(_ignore_error)  # type: ignore[assignment]  # apsw declares it as a method

    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802  # the name is SQLite's
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # the name is SQLite's
        self._disk.step("delete")
        super().xDelete(filename, syncdir)
        self._disk.deleted(filename, synced=syncdir)


class Disk:
    """A faulty disk. Step number `fail_at` fails, and `how` is the kind of failure (see `step`)."""

    def __init__(self) -> None:
        self.name = f"faulty{next(_numbers)}"
        self._vfs = _Vfs(self, self.name)
        self.steps = self.syncs = 0
        self.fail_at = 0
        self.how = "crash"
        self.failed = False
        self._safe: dict[str, bytes | None] = {}  # what survives a crash; None if there is no file
        self._pending: dict[str, list[tuple[int, bytes | None]]] = {}
        self._deleted: set[str] = set()
        self.on_sync: Callable[[], object] = bool

    def connect(self, uri: str) -> Connection:
        return Connection(uri, self.name)

    def step(self, what: str, half: Callable[[], object] = bool) -> None:
        """Count a step, and fail if its number is `fail_at`.

        "full" and "io" fail once, "short" fails after half of a write, and "crash" fails from then on.
        """
        self.steps += 1
        if self.steps == self.fail_at:
            self.failed = True
            if self.how == "short":
                half()
            raise (apsw.FullError if self.how == "full" else apsw.IOError)(f"{what} fails")
        if self.failed and self.how == "crash":
            raise apsw.IOError("the disk has crashed")

    # ------------------------------------------------------------------ what would survive a crash

    def opened(self, path: str) -> None:
        if path not in self._safe or self._safe[path] is None:
            self._safe[path] = Path(path).read_bytes()
            self._pending[path] = []
        elif path in self._deleted:
            self._pending[path] = [(0, None)]  # before the next sync, a crash may restore the old file
        self._deleted.discard(path)

    def wrote(self, path: str, offset: int, data: bytes | None) -> None:
        self._pending[path].append((offset, data))

    def synced(self, path: str) -> None:
        self._safe[path] = _apply(self._safe[path] or b"", self._pending[path])
        self._pending[path] = []
        self.syncs += 1
        self.on_sync()

    def deleted(self, path: str, *, synced: bool) -> None:
        if synced or path not in self._safe:
            self._safe[path] = None
        self._pending[path] = []
        self._deleted.add(path)

    def survive(self, folder: Path, rng: random.Random) -> None:
        """Write the files as a crash would leave them, with all, part, or none of each unsynced write."""
        for path, safe in self._safe.items():
            if safe is not None and not path.endswith("-shm"):
                writes = [torn for write in self._pending[path] for torn in _tear(write, rng)]
                (folder / Path(path).name).write_bytes(_apply(safe, writes))


def _tear(write: tuple[int, bytes | None], rng: random.Random) -> Iterator[tuple[int, bytes | None]]:
    offset, data = write
    fate = rng.random()
    if fate < 0.35 or data is None:
        if fate < 0.7:
            yield write
    elif fate < 0.7:
        for at in range(0, len(data), SECTOR):
            if rng.random() < 0.5:
                yield offset + at, data[at : at + SECTOR]


def _apply(content: bytes, writes: Iterable[tuple[int, bytes | None]]) -> bytes:
    image = bytearray(content)
    for offset, data in writes:
        if data is None:
            del image[offset:]
        else:
            image.extend(bytes(max(0, offset - len(image))))
            image[offset : offset + len(data)] = data
    return bytes(image)


class Connection:
    """A connection for the journal that uses apsw, with the same methods and errors as sqlite3."""

    def __init__(self, uri: str, vfs: str) -> None:
        flags = apsw.SQLITE_OPEN_URI
        flags |= apsw.SQLITE_OPEN_READONLY if "mode=ro" in uri else apsw.SQLITE_OPEN_READWRITE
        self._is_read_only = bool(flags & apsw.SQLITE_OPEN_READONLY)
        flags |= apsw.SQLITE_OPEN_CREATE if "mode=rwc" in uri else 0
        self._connection = _with_sqlite3_errors(lambda: apsw.Connection(uri, flags=flags, vfs=vfs))
        self._connection.set_busy_timeout(0)

    @property
    def total_changes(self) -> int:
        return int(self._connection.total_changes())

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        return Rows(_with_sqlite3_errors(lambda: self._connection.execute(sql, tuple(parameters)).fetchall()))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        return _with_sqlite3_errors(lambda: self._connection.executemany(sql, parameters).fetchall())

    def backup(self, target: Connection) -> None:
        def copy() -> None:
            work = target._connection.backup("main", self._connection, "main")
            try:
                work.step(-1)
            finally:
                try:
                    work.close(True)
                    len("")  # the next call of a C function raises an error that apsw left pending
                except (apsw.Error, SystemError):
                    pass

        _with_sqlite3_errors(copy)

    def close(self) -> None:
        try:
            _with_sqlite3_errors(lambda: self._connection.close(True))
        except sqlite3.OperationalError:
            # The last connection to close needs an exclusive lock, which a read-only file cannot give. SQLite
            # ignores this failure, but apsw raises it.
            if not self._is_read_only:
                raise


class Rows(list[Any]):
    """All rows of a result."""

    def fetchall(self) -> list[Any]:
        rest = list(self)
        self.clear()
        return rest


def _with_sqlite3_errors(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except apsw.Error as error:
        translated = sqlite3.OperationalError(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
        raise translated from error
