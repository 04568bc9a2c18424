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

QUOTE_AMOUNTS = (90, 900, 5_000)


class Step(NamedTuple):
    """The changes of one message, and the side of the quotes after it (None if the book is too shallow)."""

    removed_id: int | None
    new_order: Resting | None
    quotes_buy: bool | None


def digest(recording: Path, messages: int) -> list[Step]:
    """Convert the first messages of a recording to steps."""
    live: dict[int, Resting] = {}
    resting = {True: 0, False: 0}
    steps = []
    for turn, (kind, message) in enumerate(islice(read(recording), messages)):
        old_order = new_order = None
        if kind == 1:
            new_order = message
        elif kind in (2, 3, 4) and message.order_id in live:
            old_order = live.pop(message.order_id)
            resting[old_order.bid] -= old_order.amount
            remaining = old_order.amount - message.amount
            new_order = old_order._replace(amount=remaining) if remaining > 0 else None
        if new_order:
            live[new_order.order_id] = new_order
            resting[new_order.bid] += new_order.amount
        buy = turn % 2 == 1
        quotes_buy = buy if resting[not buy] >= max(QUOTE_AMOUNTS) else None
        steps.append(Step(old_order and old_order.order_id, new_order, quotes_buy))
    return steps


def read(recording: Path) -> Iterator[tuple[int, Resting]]:
    """Yield the type and the order of each message, with prices in cents."""
    with gzip.open(recording, "rt", newline="") as lines:
        for _, kind, order_id, size, price, direction, *_ in csv.reader(lines):
            yield int(kind), Resting(int(order_id), direction == "1", int(size), int(price) // 100)


def replay(kind: type[Driver], steps: list[Step]) -> dict[str, float]:
    """Return nanoseconds per message, without and with the quotes."""
    try:
        return {
            "message": run(kind, steps, with_quotes=False),
            "message + 3 quotes": run(kind, steps, with_quotes=True),
        }
    except UnsupportedError:
        return {}


def run(kind: type[Driver], steps: list[Step], with_quotes: bool) -> float:
    """Replay the steps once and return nanoseconds per message."""
    driver = kind()
    add, remove, quote = driver.add, driver.remove, driver.quote
    start = now()
    for removed_id, new_order, quotes_buy in steps:
        if removed_id is not None:
            remove(removed_id)
        if new_order is not None:
            add(*new_order)
        if with_quotes and quotes_buy is not None:
            for amount in QUOTE_AMOUNTS:
                quote(quotes_buy, amount)
    duration = now() - start
    driver.close()
    return duration / len(steps)
