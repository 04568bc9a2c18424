"""Replays of recorded sessions give the same messages, books, and reports as an earlier, slower replay.

The digests come from a replay that read row by row, and changed the books only with public methods.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oms import OrderManagement
from oms.feeds import Message, Unknown, open_recording, replay
from support.recordings import (
    AAPL,
    AAPL_BOOK,
    AAPL_L10,
    AAPL_L10_BOOK,
    AMZN,
    AMZN_2021,
    AMZN_BOOK,
    BITSTAMP,
    BITSTAMP_TRADES,
    needs_recordings,
)

pytestmark = [needs_recordings, pytest.mark.slow]


def digest(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("path", "unknown", "compared", "expected"),
    [
        (AAPL, "seed", {"book": AAPL_BOOK}, ("35f252895dc1", "e0badd3de98b", "2c165c68de4d")),
        (AAPL, "skip", {"book": AAPL_BOOK}, ("35f252895dc1", "80c31a2e8bb6", "c3298d5ffe50")),
        (AAPL_L10, "seed", {"book": AAPL_L10_BOOK}, ("1fcfb0570a5a", "b20e4aca8717", "10d35019ba54")),
        (AMZN, "seed", {"book": AMZN_BOOK}, ("3c463647cac0", "da5a3c0b6b4b", "f6440276f811")),
        (AMZN_2021, "seed", {}, ("06b215cb131d", "f165faa7ec9c", "a70bf049a4c9")),
        (BITSTAMP, "skip", {"trades": BITSTAMP_TRADES}, ("06a55a777579", "42000be34cb3", "aaf5f4857d34")),
    ],
    ids=["AAPL", "AAPL, skip", "AAPL, 10 levels", "AMZN", "AMZN 2021", "BTC/USD"],
)
def test_a_recorded_session_gives_the_messages_the_states_and_the_report_of_the_slower_replay(
    path: Path, unknown: Unknown, compared: dict[str, Any], expected: tuple[str, ...]
) -> None:
    om, events, states, messages = OrderManagement(), 0, list[str](), sha256()

    def on_event(event: tuple[Message, ...]) -> None:
        nonlocal events
        events += 1
        messages.update(repr([tuple(message) for message in event]).encode())
        if events % 1000 == 0:
            states.append(om.state_hash())

    report = replay(open_recording(path), om, symbol="X", unknown=unknown, on_event=on_event, **compared)
    om._check()
    states.append(om.state_hash())
    assert (messages.hexdigest()[:12], digest(states), digest(report)) == expected
