"""Measure memory per resting order: how much the process grows while orders are added."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from peers.driver import Driver
from peers.workload import Source


def bytes_per_order(kind: type[Driver], orders: int) -> dict[str, float]:
    """Return bytes per order, including the ids and amounts that the caller passes in."""
    if not Path("/proc/self/statm").exists():
        return {}
    source, driver = Source(seed=3, first_id=1_000_000), kind()
    before = resident()
    for _ in range(orders // 1_000):
        for order in source.draw(1_000):
            driver.add(*order)
    grown = resident() - before
    driver.close()
    return {"bytes": grown / orders}


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
