"""A disk for SQLite that fails when told to, and that forgets or tears at a crash what was not synced.

It is an SQLite VFS, so the very same statements run over it. It passes everything on to real files,
and keeps beside them what would survive: the content at the last sync, and each write since then.
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
def connecting_by(connect: Connect) -> Generator[None]:
    """Have the journal make its connections to SQLite by `connect`, until the end."""
    before, connection.connector = connection.connector, connect
    try:
        yield
    finally:
        connection.connector = before


def _unheard(*_: object) -> None:
    """What SQLite itself passes over, such as a failure while it closes, is no matter for Python either."""


class _File(apsw.VFSFile):
    excepthook = staticmethod(_unheard)  # type: ignore[assignment]  # its type is that of a hook, too

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = str(name.filename() if isinstance(name, apsw.URIFilename) else name)
        disk.opened(self._path)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's names
        def part(size: int) -> None:
            super(_File, self).xWrite(bytes(data[:size]), offset)
            self._disk.wrote(self._path, offset, bytes(data[:size]))

        self._disk.step("write", lambda: part(len(data) // 2))
        part(len(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802  # as SQLite has it
        self._disk.step("truncate")
        super().xTruncate(size)
        self._disk.wrote(self._path, size, None)

    def xSync(self, flags: int) -> None:  # noqa: N802  # as SQLite has it
        self._disk.step("sync")
        super().xSync(flags)
        self._disk.synced(self._path)


class _Vfs(apsw.VFS):
    excepthook = staticmethod(_unheard)  # type: ignore[assignment]  # its type is that of a hook, too

    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802  # as SQLite has it
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # as SQLite has it
        self._disk.step("delete")
        super().xDelete(filename, syncdir)
        self._disk.deleted(filename, synced=syncdir)


class Disk:
    """Counts what is done to it; `fail_at` says which step fails, `how` in which way: see `step`."""

    def __init__(self) -> None:
        self.name = f"faulty{next(_numbers)}"
        self._vfs = _Vfs(self, self.name)
        self.steps = self.syncs = 0
        self.fail_at = 0
        self.how = "crash"
        self.failed = False
        self._safe: dict[str, bytes | None] = {}  # the content that survives; None: the file is not there
        self._pending: dict[str, list[tuple[int, bytes | None]]] = {}
        self._deleted: set[str] = set()
        self.on_sync: Callable[[], object] = bool

    def connect(self, uri: str) -> Connection:
        return Connection(uri, self.name)

    def step(self, what: str, half: Callable[[], object] = bool) -> None:
        """Fail, if it is here: "full" and "io" once, "short" after half of a write, "crash" for ever."""
        self.steps += 1
        if self.steps == self.fail_at:
            self.failed = True
            if self.how == "short":
                half()
            raise (apsw.FullError if self.how == "full" else apsw.IOError)(f"{what} fails")
        if self.failed and self.how == "crash":
            raise apsw.IOError("nothing works any more")

    # ------------------------------------------------------------------ what would survive

    def opened(self, path: str) -> None:
        if path not in self._safe or self._safe[path] is None:
            self._safe[path] = Path(path).read_bytes()
            self._pending[path] = []
        elif path in self._deleted:
            self._pending[path] = [(0, None)]  # until a sync the old file may come back
        self._deleted.discard(path)

    def wrote(self, path: str, offset: int, data: bytes | None) -> None:
        self._pending[path].append((offset, data))

    def synced(self, path: str) -> None:
        self._safe[path] = _applied(self._safe[path] or b"", self._pending[path])
        self._pending[path] = []
        self.syncs += 1
        self.on_sync()

    def deleted(self, path: str, *, synced: bool) -> None:
        if synced or path not in self._safe:
            self._safe[path] = None
        self._pending[path] = []
        self._deleted.add(path)

    def survive(self, folder: Path, rng: random.Random) -> None:
        """Write into a folder what a crash leaves: of each write since a sync all, nothing or a part."""
        for path, safe in self._safe.items():
            if safe is not None and not path.endswith("-shm"):
                kept = [torn for write in self._pending[path] for torn in _torn(write, rng)]
                (folder / Path(path).name).write_bytes(_applied(safe, kept))


def _torn(write: tuple[int, bytes | None], rng: random.Random) -> Iterator[tuple[int, bytes | None]]:
    offset, data = write
    fate = rng.random()
    if fate < 0.35 or data is None:
        if fate < 0.7:
            yield write
    elif fate < 0.7:
        for at in range(0, len(data), SECTOR):
            if rng.random() < 0.5:
                yield offset + at, data[at : at + SECTOR]


def _applied(content: bytes, writes: Iterable[tuple[int, bytes | None]]) -> bytes:
    image = bytearray(content)
    for offset, data in writes:
        if data is None:
            del image[offset:]
        else:
            image.extend(bytes(max(0, offset - len(image))))
            image[offset : offset + len(data)] = data
    return bytes(image)


class Connection:
    """The seam of the journal over apsw: the same statements, the same errors."""

    def __init__(self, uri: str, vfs: str) -> None:
        flags = apsw.SQLITE_OPEN_URI
        flags |= apsw.SQLITE_OPEN_READONLY if "mode=ro" in uri else apsw.SQLITE_OPEN_READWRITE
        self._only_reads = bool(flags & apsw.SQLITE_OPEN_READONLY)
        flags |= apsw.SQLITE_OPEN_CREATE if "mode=rwc" in uri else 0
        self._connection = _translated(lambda: apsw.Connection(uri, flags=flags, vfs=vfs))
        self._connection.set_busy_timeout(0)

    @property
    def total_changes(self) -> int:
        return int(self._connection.total_changes())

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        return Rows(_translated(lambda: self._connection.execute(sql, tuple(parameters)).fetchall()))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        return _translated(lambda: self._connection.executemany(sql, parameters).fetchall())

    def backup(self, target: Connection) -> None:
        def copy() -> None:
            work = target._connection.backup("main", self._connection, "main")
            try:
                work.step(-1)
            finally:
                try:
                    work.close(True)
                    len("")  # a failure of the disk that apsw has not raised surfaces in the next call
                except (apsw.Error, SystemError):
                    pass

        _translated(copy)

    def close(self) -> None:
        try:
            _translated(lambda: self._connection.close(True))
        except sqlite3.OperationalError:
            # The last to close asks for an exclusive lock, which a file that is only read does not give.
            # SQLite passes over that. What it passes over, apsw raises.
            if not self._only_reads:
                raise


class Rows(list[Any]):
    """All rows of an answer."""

    def fetchall(self) -> list[Any]:
        rest = list(self)
        self.clear()
        return rest


def _translated(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except apsw.Error as error:
        same = sqlite3.OperationalError(str(error))
        same.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_IOERR)
        raise same from error
