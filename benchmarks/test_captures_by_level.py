"""The time of replaying a capture by level, compared with parsing its JSON into bare dicts of levels.

The reference is the same in every version of the project: it decodes each line with `json`, and stores the
text of each amount in a dict by the text of its price. It converts, sorts, and verifies nothing.

`earlier` is the ratio of a version that converted every number again and changed one order after another. It
was measured with the same code on Python 3.11. The target is half of it, and each test allows for noise and
other versions of Python. Captures of short messages miss the target, because reading the lines takes half of
their time.
"""

from __future__ import annotations

import gc
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

import pytest

from oms import OrderManagement
from oms.feeds import Capture, open_capture, replay_levels
from oms.feeds.levels.messages import LevelFeedName
from support.naive_exchange import Format, NaiveExchange
from support.recordings import BITGET, OKX, needs_recordings

ROUNDS = 7
FIELDS = {"asks": "asks", "a": "asks", "as": "asks", "bids": "bids", "b": "bids", "bs": "bids"}
BareBooks = defaultdict[str, dict[str, str]]


def bare_books(path: Path) -> BareBooks:
    """Return the levels of each side of each symbol as dicts of text."""
    books: BareBooks = defaultdict(dict)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for symbol, changes in _changes(line):
                for field, side in FIELDS.items():
                    if field in changes:
                        _store(books[f"{symbol} {side}"], changes[field])
    return books


def _changes(line: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the symbol and the changes of each book in a line."""
    if line.startswith("["):
        _, *parts, _, symbol = json.loads(line)
        return [(symbol, part) for part in parts]
    _, brace, rest = line.partition("{")
    try:
        message = json.loads(brace + rest)
    except ValueError:
        return []  # a note of the recorder
    symbol = message.get("arg", {}).get("instId")
    data = message.get("data", [])
    return [(symbol or changes["symbol"], changes) for changes in data if isinstance(changes, dict)]


def _store(book: dict[str, str], levels: list[Any]) -> None:
    for level in levels:
        price, amount = level.values() if isinstance(level, dict) else level[:2]
        if float(amount):
            book[price] = amount
        else:
            book.pop(price, None)


def ratio(capture: Capture) -> float:
    """Return the median of the replay's time divided by the reference's time, in interleaved rounds."""
    path = Path(capture.path)
    report = replay_levels(capture, OrderManagement())
    assert report.checksums_ok
    assert report.agrees
    assert len(bare_books(path)) == 2 * len(report.symbols)
    return median(
        processor_time(lambda: replay_levels(capture, OrderManagement()))
        / processor_time(lambda: bare_books(path))
        for _ in range(ROUNDS)
    )


def processor_time(call: Callable[[], object]) -> float:
    """Return the processor time of a call in seconds, which does not depend on other programs' load."""
    gc.collect()
    gc.disable()
    try:
        start = thread_time()
        call()
        return thread_time() - start
    finally:
        gc.enable()


def random_capture(path: Path, form: Format, messages: int, most_changes: int) -> Path:
    """Write a snapshot and updates of up to `most_changes` levels, most of them near the best prices."""
    rng = random.Random(3)
    exchange = NaiveExchange(form, depth=100)

    def change() -> tuple[int, str, str]:
        side, distance = rng.randrange(2), 1 + int(rng.expovariate(1 / 60))
        price = 300_000 + distance if side == 0 else 300_000 - distance
        return side, f"{price / 10:.1f}", "0" if rng.random() < 0.4 else f"{rng.randint(1, 10**9) / 1e8:.8f}"

    for side, price, amount in (change() for _ in range(600)):
        exchange.books[side][price] = amount
        if amount == "0":
            del exchange.books[side][price]
    updates = ([change() for _ in range(rng.randint(1, most_changes))] for _ in range(messages))
    path.write_text("\n".join([exchange.snapshot(), *map(exchange.update, updates)]))
    return path


@needs_recordings
@pytest.mark.parametrize(
    ("path", "feed", "earlier"),
    [(OKX, "okx", 16.0), (BITGET[0], "bitget", 16.2), (BITGET[1], "bitget", 17.7)],
)
def test_a_recorded_capture_is_replayed_in_about_half_the_time_of_an_earlier_version(
    path: Path, feed: LevelFeedName, earlier: float
) -> None:
    measured = ratio(open_capture(path, feed))
    print(f"{feed}: {measured:.2f} times the reference, {earlier / measured:.2f} times as fast as before")
    assert measured < earlier / 1.8


@pytest.mark.parametrize(("form", "earlier"), [("kraken1", 19.0), ("kraken2", 15.2)])
def test_a_capture_of_short_messages_is_replayed_faster_than_by_an_earlier_version(
    form: Format, earlier: float, tmp_path: Path
) -> None:
    path = random_capture(tmp_path / "capture", form, messages=2_000, most_changes=5)
    measured = ratio(open_capture(path))
    print(f"{form}: {measured:.2f} times the reference, {earlier / measured:.2f} times as fast as before")
    assert measured < earlier / 1.5
