"""A recorded session, converted to steps once, so that every driver does the same work.

A LOBSTER message has a time, type, order id, size, price, and direction (1 for a bid). Type 1 submits an
order. Types 2 (partly canceled), 3 (deleted), and 4 (executed) reduce a resting order. Drivers can only
add and remove orders, so a reduced order is removed and its remainder is added again. Other types are
ignored, and so are messages about orders from before the recording.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter_ns as now
from typing import NamedTuple

from peers.driver import Driver, UnsupportedError
from peers.workload import Resting

QUOTED = (90, 900, 5_000)


class Step(NamedTuple):
    """The changes of one message, and the side of the quotes after it (None if the book is too shallow)."""

    removed: int | None
    added: Resting | None
    asking: bool | None


def digest(recording: Path, messages: int) -> list[Step]:
    """Convert the first messages of a recording to steps."""
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
            remaining = removed.amount - message.amount
            added = removed._replace(amount=remaining) if remaining > 0 else None
        if added:
            live[added.order_id] = added
            resting[added.bid] += added.amount
        buy = turn % 2 == 1
        asking = buy if resting[not buy] >= max(QUOTED) else None
        steps.append(Step(removed and removed.order_id, added, asking))
    return steps


def read(recording: Path) -> Iterator[tuple[int, Resting]]:
    """Yield the type and the order of each message, with prices in cents."""
    with gzip.open(recording, "rt", newline="") as lines:
        for _, kind, order_id, size, price, direction, *_ in csv.reader(lines):
            yield int(kind), Resting(int(order_id), direction == "1", int(size), int(price) // 100)


def replay(kind: type[Driver], steps: list[Step]) -> dict[str, float]:
    """Return nanoseconds per message, without and with the quotes."""
    try:
        return {"message": run(kind, steps, ask=False), "message + 3 quotes": run(kind, steps, ask=True)}
    except UnsupportedError:
        return {}


def run(kind: type[Driver], steps: list[Step], ask: bool) -> float:
    """Replay the steps once and return nanoseconds per message."""
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
    duration = now() - start
    driver.close()
    return duration / len(steps)
