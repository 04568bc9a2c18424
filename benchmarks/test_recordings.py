"""The time to replay a recording by order, compared with a bare program.

The bare program reads the rows with `csv`, converts them with `int`, and stores the orders in a dict and a
SortedList for each side. It checks nothing, places no trades, and adds no unknown orders.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time

from sortedcontainers import SortedList

from oms import OrderManagement
from oms.feeds import Report, Unknown, open_recording, replay
from support.recordings import AAPL, AAPL_BOOK, BITSTAMP, needs_recordings

pytestmark = needs_recordings

ROUNDS = 5
Row = tuple[str, str, int, int, int]
"""What happened, the side, and the order id, price, and amount."""


def lobster_rows(path: Path) -> Iterable[Row]:
    actions = {"1": "add", "2": "reduce", "3": "delete", "4": "reduce", "5": "hidden"}
    with gzip.open(path, "rt") as lines:
        for time, kind, order_id, size, price, direction in csv.reader(lines):
            assert int(time.replace(".", "")) > 0
            yield actions[kind], direction, int(order_id), int(price), int(size)


def bitstamp_rows(path: Path) -> Iterable[Row]:
    actions = {"created": "add", "changed": "set", "deleted": "delete"}
    with gzip.open(path, "rt") as lines:
        rows = csv.reader(lines)
        next(rows)
        for order_id, time, _, price, volume, action, direction in rows:
            assert int(time) > 0
            ticks = int(price.replace(".", "").ljust(5, "0"))
            yield actions[action], direction, int(order_id), ticks, int(volume)


def book_rows(path: Path) -> Iterator[tuple[int, ...]]:
    with gzip.open(path, "rt") as lines:
        for row in csv.reader(lines):
            yield tuple(map(int, row))


def bare_replay(rows: Iterable[Row], book: Iterable[tuple[int, ...]] = ()) -> int:
    """Apply the rows, compare the best prices after each with a book row, and count the rows."""
    orders: dict[int, tuple[str, int, int]] = {}
    sides: dict[str, SortedList[tuple[int, int]]] = {}
    published = iter(book)
    count = equal = 0
    for action, side, order_id, price, amount in rows:
        count += 1
        if action == "add" and order_id not in orders:
            orders[order_id] = side, price, amount
            sides.setdefault(side, SortedList()).add((price, order_id))
        elif order_id in orders:
            own_side, own_price, resting = orders[order_id]
            remaining = {"reduce": resting - amount, "set": amount, "delete": 0}.get(action, resting)
            if remaining > 0:
                orders[order_id] = own_side, own_price, remaining
            else:
                del orders[order_id]
                sides[own_side].remove((own_price, order_id))
        best = {end[0] for queue in sides.values() if queue for end in (queue[0], queue[-1])}
        row = next(published, None)
        equal += row is not None and best.issuperset((row[0], row[2]))
    return count


def oms_replay(path: Path, unknown: Unknown, book: Path | None = None) -> Report:
    return replay(open_recording(path), OrderManagement(), symbol="X", unknown=unknown, book=book)


def ratio_of(ours: Callable[[], object], bare: Callable[[], object]) -> float:
    """Return the median ratio of the times of interleaved rounds."""
    ratios: list[float] = []
    for _ in range(ROUNDS):
        times: list[float] = []
        for run in (ours, bare):
            start = thread_time()
            run()
            times.append(thread_time() - start)
        ratios.append(times[0] / times[1])
    return median(ratios)


def test_a_lobster_replay_with_its_book_file_takes_less_than_four_times_as_long_as_a_bare_program() -> None:
    ours = partial(oms_replay, AAPL, "seed", AAPL_BOOK)
    ratio = ratio_of(ours, lambda: bare_replay(lobster_rows(AAPL), book_rows(AAPL_BOOK)))
    print(f"LOBSTER with a book file: {ratio:.2f} times the bare program")
    assert ratio < 4


def test_a_bitstamp_replay_takes_less_than_three_times_as_long_as_a_bare_program() -> None:
    ratio = ratio_of(partial(oms_replay, BITSTAMP, "skip"), lambda: bare_replay(bitstamp_rows(BITSTAMP)))
    print(f"Bitstamp: {ratio:.2f} times the bare program")
    assert ratio < 3


def test_reading_messages_takes_less_than_twice_as_long_as_bare_rows() -> None:
    ratio = ratio_of(lambda: sum(1 for _ in open_recording(AAPL)), lambda: sum(1 for _ in lobster_rows(AAPL)))
    print(f"reading LOBSTER messages: {ratio:.2f} times the bare rows")
    assert ratio < 2
