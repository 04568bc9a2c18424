"""The time of each operation of the workload for one driver with one book, in nanoseconds.

The fastest of several repeats counts, because noise on a shared machine can only add time. A quote right
after a change cannot be repeated, so the median of many changes counts, minus the time of reading the clock.
Every figure includes one call of a Python method of the driver. For peers that assign their own ids, the
figure also includes a dict that translates the ids.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns as now

from peers.driver import Driver, UnsupportedError
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
"""Nanoseconds by name of the operation."""

REPEATS = 3
REPEAT_NS = 10_000_000
"""The target duration of one repeat of a quote."""
CHANGED_NS = 60_000_000
"""The time limit for the quotes right after changes, for each k. The time of the changes is included."""


class Bench:
    """A driver with the book of the workload."""

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
        buy_amount, sell_amount = (amount_of_best(self._orders, buy, k) for buy in (True, False))
        try:
            one = min(self._pair(buy_amount, sell_amount) for _ in range(REPEATS))
        except UnsupportedError:
            return None
        pairs = range(max(5, min(5_000, REPEAT_NS // one)))
        best = one * len(pairs)
        for _ in range(REPEATS):
            start = now()
            for _ in pairs:
                quote(True, buy_amount)
                quote(False, sell_amount)
            best = min(best, now() - start)
        return best / len(pairs) / 2

    def _pair(self, buy_amount: int, sell_amount: int) -> int:
        start = now()
        self._driver.quote(True, buy_amount)
        self._driver.quote(False, sell_amount)
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
                ns_after_add, ns_after_remove = self._quote_after(change, buy, amounts[buy])
            except UnsupportedError:
                self._driver.remove(change.order_id)
                return None
            after_add.append(ns_after_add)
            after_remove.append(ns_after_remove)
            buy = not buy
        return max(1.0, (median(after_add) + median(after_remove)) / 2 - clock_ns())

    def _quote_after(self, change: Resting, buy: bool, amount: int) -> tuple[int, int]:
        driver = self._driver
        quote = driver.quote
        driver.add(*change)
        start = now()
        quote(buy, amount)
        ns_after_add = now() - start
        driver.remove(change.order_id)
        start = now()
        quote(buy, amount)
        return ns_after_add, now() - start

    def orders(self) -> Figures:
        """Time a batch of adds, a batch of replacements, and a batch of removals."""
        add, replace, remove = self._driver.add, self._driver.replace, self._driver.remove
        adding, replacing, removing = [], [], []
        for _ in range(REPEATS):
            batch = self._source.draw(BATCH)
            ids = self._source.shuffled_ids(batch)
            start = now()
            for order_id, bid, amount, price in batch:
                add(order_id, bid, amount, price)
            adding.append(now() - start)
            replacements = self._source.replacements(batch)
            start = now()
            for order_id, bid, amount, price in replacements:
                replace(order_id, bid, amount, price)
            replacing.append(now() - start)
            start = now()
            for order_id in ids:
                remove(order_id)
            removing.append(now() - start)
        times = {"add": adding, "replace": replacing, "remove": removing}
        return {name: min(ns) / BATCH for name, ns in times.items()}

    def trades(self) -> Figures:
        """Time trades in groups of twenty, and refill the book. Call this last: it changes the book."""
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
        except UnsupportedError:
            return {}
        return {"trade": min(times) / 20}


def clock_ns() -> float:
    """Return the median time between two readings of the clock."""
    pairs = []
    for _ in range(1_000):
        start = now()
        pairs.append(now() - start)
    return median(pairs)
