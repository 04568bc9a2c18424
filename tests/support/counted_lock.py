"""A lock that counts what is read while it is held, and lets the books change whenever it is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import RLock
from typing import Any

import pytest

from oms.facade import Facade
from oms.order_book import OrderBook
from oms.price_sums import PriceSums


class CountedLock:
    """Replaces the lock of some books. `reads` contains the number of orders and levels read for each hold.

    `change` is called before the lock is acquired again. What it reads is not counted.
    """

    def __init__(self, books: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
        self.change: Callable[[], object] = lambda: None
        self.reads: list[int] = []
        self._lock: Any = RLock()
        self._depth = 0
        self._is_changing = False
        monkeypatch.setattr(books._ledger, "lock", self)
        monkeypatch.setattr(books, "_lock", self)
        for name in ("rows", "rows_after", "levels_after", "amounts"):
            monkeypatch.setattr(OrderBook, name, self._counting(getattr(OrderBook, name)))
        monkeypatch.setattr(PriceSums, "grow", self._counting_growth(PriceSums.grow))

    def acquire(self) -> bool:
        if self._depth == 0 and not self._is_changing:
            if self.reads:
                self._is_changing = True
                self.change()
                self._is_changing = False
            self.reads.append(0)
        self._depth += not self._is_changing
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._depth -= not self._is_changing
        self._lock.release()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def _count(self, number: int) -> None:
        if self._depth and not self._is_changing:
            self.reads[-1] += number

    def _counting(self, method: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        def iterate(book: OrderBook, *arguments: Any) -> Iterator[Any]:
            for each in method(book, *arguments):
                self._count(1)
                yield each

        return iterate

    def _counting_growth(self, method: Callable[..., int]) -> Callable[..., int]:
        def grow(sums: PriceSums, levels: Iterable[int], amount: int) -> int:
            before = sums.covered_levels
            covered = method(sums, levels, amount)
            self._count(sums.covered_levels - before)
            return covered

        return grow
