"""A server program with a journal on disk, whose syncs can take a fixed time longer.

The program prints its port, and serves until it is killed. `GET /commits` returns how many commits the
journal has made. Each commit syncs the journal's file once.

The delay is in the SQLite connection: a statement that syncs the file sleeps before it returns. The journal
holds everything that it holds during a real sync, and like a real sync, the sleep lets other threads run.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oms import Order, Side

LEVELS = 100
"""The number of price levels on each side. LEVELS is the best price of both the asks and the bids."""


class SlowDisk(sqlite3.Connection):
    """A connection that counts commits. Each commit and each checkpoint takes `delay` seconds longer."""

    delay = 0.0
    commits = 0

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:  # type: ignore[override]  # sqlite3's stub also allows a mapping
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT":
            SlowDisk.commits += 1
        if sql == "COMMIT" or sql.startswith("PRAGMA wal_checkpoint"):
            time.sleep(SlowDisk.delay)
        return cursor


def connect(uri: str) -> SlowDisk:
    """Connect as the journal does, but to a slow disk."""
    return sqlite3.connect(
        uri, uri=True, timeout=5, isolation_level=None, check_same_thread=False, factory=SlowDisk
    )


def resting_orders(count: int) -> Generator[Order]:
    """Yield orders of 10 lots that rest on all levels of both sides."""
    for number in range(count):
        side = Side.BUY if number % 2 else Side.SELL
        level = number // 2 % LEVELS
        yield Order(number, "JPM", side, 10, LEVELS + level if side is Side.BUY else LEVELS - level)


def serve(file: Path, orders: int, delay: float) -> None:
    """Serve books with this number of resting orders."""
    from oms import journal  # noqa: PLC0415  # only the server process needs the server's libraries
    from oms.api import Settings, create_app, server  # noqa: PLC0415  # as above
    from oms.journal import connection  # noqa: PLC0415  # as above

    connection.connector = connect
    om = journal.open(file, durability="full")
    if orders:
        om.add_orders(resting_orders(orders))
    app = create_app(om, Settings(checks_host=True))

    @app.get("/commits")
    async def commits() -> dict[str, int]:
        return {"commits": SlowDisk.commits}

    SlowDisk.delay = delay
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(app, listening)


@contextmanager
def slow_service(file: Path, orders: int, delay: float) -> Generator[tuple[subprocess.Popen[str], int]]:
    """Run the server, yield the process and its port, and kill the process at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "support.slow_disk", str(file), str(orders), str(delay)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
