"""Settings of the Python interpreter that keep the pauses of a service short.

The problem: the garbage collector stops all threads while it looks for reference cycles in every object.
With 1,000,000 orders, this takes about a second. It does so again whenever the number of objects has grown
by a quarter. Also, a thread that wants to run waits for 5 ms until a busy thread makes room, and a request
needs several turns.

The solution: the collector ignores the objects that exist when the service starts, such as the orders from
the journal. Later, it looks at all other objects only rarely. Orders, trades, and messages contain no
cycles, so they are freed without it. The objects of closed connections do contain cycles, so the collector
is not switched off. Threads take turns more often.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["short_pauses"]

_THRESHOLDS = 10_000, 10, 50
_TURN = 0.0005  # seconds


@contextmanager
def short_pauses() -> Generator[None]:
    """Apply the settings during the block, and restore the former settings afterwards."""
    thresholds, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
