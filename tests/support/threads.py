"""Call something in another thread, or let no thread start."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

T = TypeVar("T")

STARTERS = ("_start_new_thread", "_start_joinable_thread")
"""What `threading` starts a thread with: one of these, by the version of Python."""


def in_a_thread(call: Callable[[], T]) -> T:
    """Call in a thread of its own, for at most 10 seconds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(10)


def let_no_thread_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise RuntimeError at each start of a thread, as a system without a free thread does."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    for name in STARTERS:
        monkeypatch.setattr(threading, name, fail, raising=False)
        monkeypatch.setattr(_thread, name.removeprefix("_"), fail, raising=False)
