"""The time of the journal, compared with plain SQLite statements that write the same rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Any

from oms import Order, OrderAdded, OrderManagement, Side, journal
from oms.journal import SqliteJournal
from workloads import SYMBOL, short_collections, timed

BODY = '{"order_id":%d,"symbol":"JPM","side":"BUY","amount":20,"price":2000}'
BATCH = 256


class Bare:
    """Plain SQLite statements that write events, orders, and a row of counters, without any checks."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE events (sequence INTEGER PRIMARY KEY, batch, kind, note, body, hash, time)",
            "CREATE TABLE orders (order_id INTEGER PRIMARY KEY, symbol, side, amount, price)",
            "CREATE TABLE heads (name TEXT PRIMARY KEY, sequence, trade, orders, sum, hash, seal, syncs)",
        ):
            self.connection.execute(statement).fetchall()

    def write(self, rows: Iterable[tuple[tuple[Any, ...], ...]]) -> None:
        events, orders = zip(*rows, strict=True)
        run = self.connection.execute
        run("BEGIN")
        if len(events) == 1:
            run("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", events[0])
            run("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", orders[0])
        else:
            self.connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", events)
            self.connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", orders)
        last = events[-1][0]
        head = ("now", last, 1, last, bytes(32), bytes(32), bytes(32), 0)
        run("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", head)
        run("COMMIT")


def rows(numbers: Iterable[int]) -> list[tuple[tuple[Any, ...], ...]]:
    return [
        ((n, n, "OrderAdded", None, BODY % n, bytes(32), time_ns()), (n, SYMBOL, "BUY", 20, 2000))
        for n in numbers
    ]


def best_of(turns: int, calls: dict[str, Callable[[int], object]]) -> dict[str, float]:
    """Return the seconds of the fastest turn of each call; each turn passes its number to the call."""
    best = dict.fromkeys(calls, float("inf"))
    with short_collections():
        for turn in range(turns):
            for name, call in calls.items():
                best[name] = min(best[name], timed(partial(call, turn)))
    return best


def test_a_single_durable_change_takes_little_longer_than_a_plain_insert_and_commit(tmp_path: Path) -> None:
    per_turn = 50
    bare, om = Bare(tmp_path / "bare.db"), journal.open(tmp_path / "book.db")

    def insert(turn: int) -> None:
        for n in range(turn * per_turn + 1, (turn + 1) * per_turn + 1):
            bare.write(rows([n]))

    def add(turn: int) -> None:
        for n in range(turn * per_turn + 1, (turn + 1) * per_turn + 1):
            om.add_order(n, SYMBOL, Side.BUY, 20, 2000)

    with closing(bare.connection), om:
        times = best_of(60, {"bare": insert, "oms": add})
    ratio = times["oms"] / times["bare"]
    print({name: f"{time / per_turn * 1e6:.0f} us" for name, time in times.items()}, f"ratio {ratio:.2f}")
    assert ratio < 1.5


def test_a_durable_batch_takes_at_most_twice_as_long_as_a_plain_executemany(tmp_path: Path) -> None:
    bare, journal_alone, om = (
        Bare(tmp_path / "bare.db"),
        SqliteJournal(tmp_path / "journal.db"),
        OrderManagement(),
    )
    durable_om = journal.open(tmp_path / "book.db")

    def numbers(turn: int) -> range:
        return range(turn * BATCH + 1, (turn + 1) * BATCH + 1)

    sql_rows = {turn: rows(numbers(turn)) for turn in range(40)}
    events = {
        turn: [OrderAdded(Order(n, SYMBOL, Side.BUY, 20, 2000), n, time=time_ns()) for n in numbers(turn)]
        for turn in range(40)
    }

    def add_orders(om: OrderManagement, turn: int) -> None:
        with om.transaction():
            for n in numbers(turn):
                om.add_order(n, SYMBOL, Side.BUY, 20, 2000)

    with closing(bare.connection), closing(journal_alone), durable_om:
        times = best_of(
            40,
            {
                "bare": lambda turn: bare.write(sql_rows[turn]),
                "append": lambda turn: journal_alone.append(events[turn]),
                "with a journal": partial(add_orders, durable_om),
                "without a journal": partial(add_orders, om),
            },
        )
    ratio = {
        "append": times["append"] / times["bare"],
        "added by the journal": (times["with a journal"] - times["without a journal"]) / times["bare"],
        "with a journal": times["with a journal"] / times["bare"],
    }
    print({name: f"{time * 1e6:.0f} us" for name, time in times.items()})
    print({name: f"ratio {value:.2f}" for name, value in ratio.items()})
    assert ratio["append"] < 2
    assert ratio["added by the journal"] < 2
