"""The time of a replay of recorded market data, with a new OrderManagement for each recording.

The data is recorded at exchanges. It is not part of the project, so a recording that is missing is skipped.
The same calls exist in the older version of oms, so both versions are measured by this file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time_ns as now

from peers.process import ROOT
from peers.targets import BITGET_MESSAGE, BITSTAMP_EVENT, LOBSTER_EVENT, OKX_MESSAGE

from oms import OrderManagement
from oms.feeds import open_capture, open_recording, replay, replay_levels

DATA = ROOT.parent / "shared/data"
SESSION = DATA / "lobster_AAPL_L50_30min"
LOBSTER = SESSION / "AAPL_2012-06-21_34200000_36000000_message_50.csv.gz"
LOBSTER_BOOK = SESSION / "AAPL_2012-06-21_34200000_36000000_orderbook_1.csv.gz"
BITSTAMP = DATA / "bitstamp_L3_2015/orders.csv.gz"
OKX = DATA / "okx_L2_crc32/OKX.ws.1.0.gz"
BITGET = DATA / "bitget_L2_crc32/BITGET.ws.1.0.gz"


def replays() -> dict[str, float]:
    """Return nanoseconds per event or message of each recording that is present."""
    measurements: dict[str, tuple[Path, Callable[[Path], int]]] = {
        LOBSTER_EVENT: (LOBSTER, lobster_events),
        BITSTAMP_EVENT: (BITSTAMP, bitstamp_events),
        OKX_MESSAGE: (OKX, capture_messages),
        BITGET_MESSAGE: (BITGET, capture_messages),
    }
    figures = {}
    for name, (path, replayed) in measurements.items():
        if path.exists():
            start = now()
            number = replayed(path)
            figures[name] = (now() - start) / number
    return figures


def lobster_events(path: Path) -> int:
    """Replay a recording by order, compare it with its book file, and return the number of events."""
    return replay(open_recording(path), OrderManagement(), symbol="X", book=LOBSTER_BOOK).events


def bitstamp_events(path: Path) -> int:
    """Replay a recording by order and return the number of events."""
    return replay(open_recording(path), OrderManagement(), symbol="X", unknown="skip").events


def capture_messages(path: Path) -> int:
    """Replay a capture by level, verify its checksums, and return the number of messages."""
    return replay_levels(open_capture(path), OrderManagement()).messages
