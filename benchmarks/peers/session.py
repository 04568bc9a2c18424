"""A recorded session, digested once so that every driver does the same work, and replayed.

LOBSTER messages: time, type, order id, size, price, direction (1 = a bid). Type 1 submits; 2 (partly
cancelled), 3 (deleted) and 4 (executed) take from a resting order, and drivers know only add and remove: so
a remainder is removed and added anew. Other types, and messages about orders that rested before the
recording began, change nothing here.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter_ns as now
from typing import NamedTuple

from peers.driver import CannotAnswerError, Driver
from peers.workload import Resting

QUOTED = (90, 900, 5_000)


class Step(NamedTuple):
    """What one message does, and whether a buyer asks afterwards (None: the book is too shallow)."""

    removed: int | None
    added: Resting | None
    asking: bool | None


def digest(recording: Path, messages: int) -> list[Step]:
    """The first messages of a recording as steps."""
    live: dict[int, Resting] = {}
    resting = {True: 0, False: 0}
    steps = []
    for turn, (kind, message) in enumerate(islice(read(recording), messages)):
        removed = added = None
        if kind == 1:
            added = message
        elif kind in (2, 3, 4) and message.order_id in live:
            removed = live.pop(message.order_id)
            resting[removed.bid] -= removed.amount
            left = removed.amount - message.amount
            added = removed._replace(amount=left) if left > 0 else None
        if added:
            live[added.order_id] = added
            resting[added.bid] += added.amount
        buy = turn % 2 == 1
        asking = buy if resting[not buy] >= max(QUOTED) else None
        steps.append(Step(removed and removed.order_id, added, asking))
    return steps


def read(recording: Path) -> Iterator[tuple[int, Resting]]:
    """Type and order of each message, prices in cents."""
    with gzip.open(recording, "rt", newline="") as lines:
        for _, kind, order_id, size, price, direction, *_ in csv.reader(lines):
            yield int(kind), Resting(int(order_id), direction == "1", int(size), int(price) // 100)


def replay(kind: type[Driver], steps: list[Step]) -> dict[str, float]:
    """Nanoseconds per message, without and with the quotes."""
    try:
        return {"message": run(kind, steps, ask=False), "message + 3 quotes": run(kind, steps, ask=True)}
    except CannotAnswerError:
        return {}


def run(kind: type[Driver], steps: list[Step], ask: bool) -> float:
    """Nanoseconds per message over one replay."""
    driver = kind()
    add, remove, quote = driver.add, driver.remove, driver.quote
    start = now()
    for removed, added, asking in steps:
        if removed is not None:
            remove(removed)
        if added is not None:
            add(*added)
        if ask and asking is not None:
            for amount in QUOTED:
                quote(asking, amount)
    took = now() - start
    driver.close()
    return took / len(steps)
