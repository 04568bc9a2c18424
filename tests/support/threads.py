"""Call something in another thread, and get what it returns or raises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_a_thread(call: Callable[[], T]) -> T:
    """Call in a thread of its own, for at most 10 seconds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(10)
