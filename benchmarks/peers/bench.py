"""Time each operation of the workload for one driver with one book, in nanoseconds.

Of several repeats the fastest counts, because noise on a shared machine can only add time. A question right
after a change cannot be repeated, so there the median counts, minus the time of reading the clock. Every
figure includes one call of a Python method of the driver. For peers that assign their own ids, it also
includes a dict that translates the ids.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns as now

from peers.driver import CannotAnswerError, Driver
from peers.workload import (
    BATCH,
    DEPTHS,
    SIZE,
    TOP_ASKS,
    TOP_BIDS,
    TRADE,
    Resting,
    Source,
    amount_of_best,
    consumed,
)

Figures = dict[str, float]
"""Nanoseconds by operation."""

REPEATS = 3
REPEAT_NS = 10_000_000
"""The target duration of one repeat of a quote."""
CHANGED_NS = 60_000_000
"""The time limit for the questions right after changes, for each k, changes included."""


class Bench:
    """A driver that holds the workload's book."""

    def __init__(self, kind: type[Driver]) -> None:
        self._driver = kind()
        self._source = Source(seed=1)
        self._orders = self._source.draw(SIZE)
        for order in self._orders:
            self._driver.add(*order)

    def quotes(self) -> Figures:
        """Time quotes on a book that nobody changes."""
        return {f"quote {k}": ns for k in DEPTHS if (ns := self._quote(k)) is not None}

    def _quote(self, k: int) -> float | None:
        quote = self._driver.quote
        bought, sold = (amount_of_best(self._orders, buy, k) for buy in (True, False))
        try:
            one = min(self._pair(bought, sold) for _ in range(REPEATS))
        except CannotAnswerError:
            return None
        pairs = range(max(5, min(5_000, REPEAT_NS // one)))
        best = one * len(pairs)
        for _ in range(REPEATS):
            start = now()
            for _ in pairs:
                quote(True, bought)
                quote(False, sold)
            best = min(best, now() - start)
        return best / len(pairs) / 2

    def _pair(self, bought: int, sold: int) -> int:
        start = now()
        self._driver.quote(True, bought)
        self._driver.quote(False, sold)
        return now() - start

    def changed(self) -> Figures:
        """Time quotes right after a change at the best price."""
        return {f"changed {k}": ns for k in DEPTHS if (ns := self._changed(k)) is not None}

    def _changed(self, k: int) -> float | None:
        amounts = {buy: amount_of_best(self._orders, buy, k) for buy in (True, False)}
        best_price = {buy: consumed(self._orders, buy)[0].price for buy in (True, False)}
        after_add: list[int] = []
        after_remove: list[int] = []
        stop, buy = now() + CHANGED_NS, True
        while len(after_add) < 10 or (len(after_add) < 1_000 and now() < stop):
            (order,) = self._source.draw(1)
            change = Resting(order.order_id, not buy, 50, best_price[buy])
            try:
                added, removed = self._ask_after(change, buy, amounts[buy])
            except CannotAnswerError:
                self._driver.remove(change.order_id)
                return None
            after_add.append(added)
            after_remove.append(removed)
            buy = not buy
        return max(1.0, (median(after_add) + median(after_remove)) / 2 - clock_ns())

    def _ask_after(self, change: Resting, buy: bool, amount: int) -> tuple[int, int]:
        driver = self._driver
        quote = driver.quote
        driver.add(*change)
        start = now()
        quote(buy, amount)
        added = now() - start
        driver.remove(change.order_id)
        start = now()
        quote(buy, amount)
        return added, now() - start

    def orders(self) -> Figures:
        """Time a batch of adds and a batch of removals."""
        add, remove = self._driver.add, self._driver.remove
        adding, removing = [], []
        for _ in range(REPEATS):
            batch = self._source.draw(BATCH)
            ids = self._source.shuffled_ids(batch)
            start = now()
            for order_id, bid, amount, price in batch:
                add(order_id, bid, amount, price)
            adding.append(now() - start)
            start = now()
            for order_id in ids:
                remove(order_id)
            removing.append(now() - start)
        return {"add": min(adding) / BATCH, "remove": min(removing) / BATCH}

    def trades(self) -> Figures:
        """Time trades, twenty at a time, and refill the book. Call this last, because it changes the book."""
        trade, times = self._driver.trade, []
        try:
            for _ in range(2 * REPEATS):
                start = now()
                for _ in range(10):
                    trade(True, TRADE)
                    trade(False, TRADE)
                times.append(now() - start)
                for order in self._source.draw(200, TOP_BIDS, TOP_ASKS):
                    self._driver.add(*order)
        except CannotAnswerError:
            return {}
        return {"trade": min(times) / 20}


def clock_ns() -> float:
    """Return the time of reading the clock twice."""
    pairs = []
    for _ in range(1_000):
        start = now()
        pairs.append(now() - start)
    return median(pairs)
