"""Compare a journal of a million orders with its bare counterparts: the same rows, and the same hashes.

Each order is one event, and a thousand of them are one transaction. What "bare" does for each operation:

opening       reads the table of orders, and adds the rows to an OrderManagement.
verification  reads all events and orders, parses each body, and computes each hash, but compares nothing.
compaction    does that too, then copies the orders to the snapshot, drops the events, and shrinks the file.
state hash    formats the orders of a list, and hashes them.

Times are those of this thread, because other work on the machine changes the time of the clock.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from time import thread_time

import pytest

from oms import OrderManagement, Side, journal
from workloads import SYMBOL

RESTING = 1_000_000
BATCH = 1_000
ROUNDS = 3


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal of a million orders at a thousand prices."""
    path = tmp_path_factory.mktemp("journal") / "book.db"
    with journal.open(path, durability="off") as om:
        for start in range(0, RESTING, BATCH):
            with om.transaction():
                for order_id in range(start, start + BATCH):
                    om.add_order(order_id, SYMBOL, Side.BUY, 20, order_id % 1_000 + 1)
    return path


def ratio(name: str, whole: Callable[[], object], bare: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the time of one call divided by that of the other: the fastest of interleaved rounds."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for at, call in enumerate((bare, whole)):
            start = thread_time()
            call()
            best[at] = min(best[at], thread_time() - start)
    print(f"{name}: bare {best[0]:.2f} s, oms {best[1]:.2f} s, ratio {best[1] / best[0]:.2f}")
    return best[1] / best[0]


def bare_rows(connection: sqlite3.Connection) -> list[tuple[int, str, str, int, int]]:
    return connection.execute("SELECT order_id, symbol, side, amount, price FROM orders").fetchall()


def bare_open(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        rows = bare_rows(connection)
    columns = dict(
        zip(("order_id", "symbol", "side", "amount", "price"), zip(*rows, strict=True), strict=True)
    )
    om = OrderManagement()
    om.add_orders(columns)
    assert len(om) == RESTING


def whole_open(file: Path) -> None:
    with journal.open(file) as om:
        assert len(om) == RESTING


def bare_hashes(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA integrity_check").fetchall()
    last, total = bytes(32), 0
    for row in connection.execute("SELECT sequence, batch, kind, note, body FROM events ORDER BY sequence"):
        sequence, batch, kind, _, body = row
        json.loads(body)
        hashed = sha256(b"text\n" + body.encode()).digest()
        last = sha256(last + hashed + f"event\n{sequence}\n{batch}\n{kind}\n-".encode()).digest()
    for order_id, symbol, side, amount, price in bare_rows(connection):
        text = (
            f'{{"order_id":{order_id},"symbol":"{symbol}","side":"{side}","amount":{amount},"price":{price}}}'
        )
        total += int.from_bytes(sha256(b"text\n" + text.encode()).digest())


def bare_verify(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        bare_hashes(connection)


def bare_compact(file: Path) -> None:
    copied = shutil.copy(file, file.with_name("bare.db"))
    with closing(sqlite3.connect(copied, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        bare_hashes(connection)
        connection.execute("INSERT INTO snapshot SELECT * FROM orders")
        connection.execute("DELETE FROM events")
        connection.execute("COMMIT")
        connection.execute("VACUUM")


def whole_compact(file: Path) -> None:
    copied = shutil.copy(file, file.with_name("oms.db"))
    kept = journal.SqliteJournal(copied)
    assert kept.compact() == RESTING
    kept.close()


def test_opening_a_million_orders_beside_a_bare_select_and_add_orders(file: Path) -> None:
    assert ratio("opening", lambda: whole_open(file), lambda: bare_open(file)) < 2


def test_the_state_hash_beside_bare_hashing() -> None:
    om = OrderManagement()
    amounts, prices = [20] * RESTING, [order_id % 1_000 + 1 for order_id in range(RESTING)]
    ids = list(range(RESTING))
    om.add_orders({"order_id": ids, "symbol": SYMBOL, "side": Side.BUY, "amount": amounts, "price": prices})
    rows = list(om)

    def bare() -> None:
        digest = sha256(b"1 2\n")
        for order_id, _, _, amount, price in rows:
            digest.update(b"%d %d %d\n" % (order_id, amount, price))

    assert ratio("state hash", om.state_hash, bare) < 2


# Verification replays each event by its verb, so it cannot be as fast as hashing alone: see the diary in
# docs/explanation/performance.md. The bounds keep what was reached.


def test_verification_beside_bare_hashing(file: Path) -> None:
    assert ratio("verification", lambda: journal.verify(file), lambda: bare_verify(file)) < 4


def test_compaction_beside_bare_sqlite_and_hashing(file: Path) -> None:
    assert ratio("compaction", lambda: whole_compact(file), lambda: bare_compact(file), rounds=2) < 4
