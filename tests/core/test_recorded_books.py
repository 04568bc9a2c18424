"""Replays of recorded sessions give the same books as an earlier design of the order book.

The digests come from a design with one sorted list of (price, order id) for each side.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from oms import OrderManagement
from oms.feeds import Unknown, open_recording, replay
from support.recordings import AAPL, AMZN, BITSTAMP, needs_recordings


@needs_recordings
@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "unknown", "digest", "state_hash"),
    [
        (AAPL, "seed", "75ee71befb2e90b3", "e506ca3f"),
        (AMZN, "skip", "169898c7fc373877", "78703215"),
        (BITSTAMP, "skip", "f36a3f96e0a5ec20", "71381581"),
    ],
    ids=["AAPL", "AMZN", "BTC/USD"],
)
def test_every_thousandth_state_of_a_recorded_session_equals_that_of_the_earlier_design(
    path: Path, unknown: Unknown, digest: str, state_hash: str
) -> None:
    om, events, states = OrderManagement(), 0, list[str]()

    def on_event(_: object) -> None:
        nonlocal events
        events += 1
        if events % 1000 == 0:
            states.append(sha256("".join(repr(tuple(order)) for order in om).encode()).hexdigest()[:8])

    replay(open_recording(path), om, symbol="X", unknown=unknown, on_event=on_event)
    assert sha256(",".join(states).encode()).hexdigest().startswith(digest)
    assert om.state_hash().startswith(state_hash)
