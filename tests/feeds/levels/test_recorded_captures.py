"""Captures give the same books and reports as an earlier version of the level feeds.

The earlier version converted every number again and changed one order after another. The expected values were
written down from it. Real recordings are not part of the project, so random captures are replayed, too.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import astuple
from pathlib import Path

import pytest

from oms import OrderManagement
from oms.feeds import Outcome, open_capture, replay_levels
from oms.feeds.levels.messages import LevelFeedName
from support.naive_exchange import Format, NaiveExchange
from support.recordings import BITGET, OKX, needs_recordings

EVERY = 20
"""The state hash is recorded after this many messages."""


def replayed(path: Path, feed: LevelFeedName) -> tuple[str, str, str]:
    """Return the digests of the intermediate state hashes and of the report, and the final state hash."""
    states: list[str] = []

    def record_state(om: OrderManagement, outcome: Outcome) -> None:
        if not outcome.message.row % EVERY:
            states.append(om.state_hash())

    om = OrderManagement()
    report = replay_levels(open_capture(path, feed), om, on_message=record_state)
    om._check()
    symbols = [
        (name, astuple(symbol.instrument)[:2], *astuple(symbol)[1:])  # the earlier version had only two sizes
        for name, symbol in report.symbols.items()
    ]
    return digest(states), digest([symbols, report.passed_over, report.first_rows]), om.state_hash()[:12]


def digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def random_capture(form: Format) -> str:
    """Return a capture of two symbols with random changes, a wrong checksum, and later snapshots."""
    rng = random.Random(form)
    depth = 10 if form.startswith("kraken") else 400
    exchanges = [NaiveExchange(form, symbol, depth) for symbol in ("ETH/USD", "XBT/USD")]
    lines = [exchange.snapshot() for exchange in exchanges]
    for number in range(300):
        changes = []
        for _ in range(rng.choice([1, 1, 2, 5, 60])):
            side = rng.randrange(2)
            distance = rng.randint(1, 400)
            price = f"{(1000 + distance if side == 0 else 1000 - distance) / 10:.1f}"
            amount = "0" if rng.random() < 0.4 else f"{rng.randint(1, 9_999) / 100:.2f}"
            changes.append((side, price, amount))
        lines.append(rng.choice(exchanges).update(changes, spoil=number == 100))
        if number == 120:
            lines += [exchange.snapshot() for exchange in exchanges]
    return "\n".join(lines)


@needs_recordings
@pytest.mark.parametrize(
    ("path", "feed", "expected"),
    [
        (OKX, "okx", ("63e102d161b2", "ed5058cdd727", "bad3b11b91bc")),
        (BITGET[0], "bitget", ("149411cfd154", "192456fbdcda", "4ffb786e662a")),
        (BITGET[1], "bitget", ("4e56df30c61e", "8ad05477a5d7", "02931babc5ef")),
    ],
)
def test_a_recorded_capture_gives_the_states_and_the_report_of_the_earlier_version(
    path: Path, feed: LevelFeedName, expected: tuple[str, str, str]
) -> None:
    assert replayed(path, feed) == expected


@pytest.mark.parametrize(
    ("form", "feed", "expected"),
    [
        ("okx", "okx", ("1abc05cb87f6", "60e663c87d44", "ce5e0146494d")),
        ("bitget", "bitget", ("8c4c0bd9745c", "9ea6a34cac19", "b7c946beeffd")),
        ("kraken1", "kraken", ("b91534d00c8c", "7697092d3597", "b94d4107bc0a")),
        ("kraken2", "kraken", ("b73745c0ad06", "46f3ae522225", "661ee7692e7a")),
    ],
)
def test_a_random_capture_gives_the_states_and_the_report_of_the_earlier_version(
    form: Format, feed: LevelFeedName, expected: tuple[str, str, str], tmp_path: Path
) -> None:
    path = tmp_path / "capture"
    path.write_text(random_capture(form))
    assert replayed(path, feed) == expected
