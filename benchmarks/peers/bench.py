"""One driver with one book: how long each operation of the workload takes, in ns.

Of repeats the fastest counts, since noise on a shared machine only ever adds; of single questions (those
right after a change) the median, less what reading the clock takes. Every figure includes one call of a
Python method of the driver, and a dict for peers that give out ids of their own.
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
"""How long a repeat of a quote should take."""
CHANGED_NS = 60_000_000
"""How long the questions right after changes may take for each k, changes included."""


class Bench:
    """A driver that holds the workload's book."""

    def __init__(self, kind: type[Driver]) -> None:
        self._driver = kind()
        self._source = Source(seed=1)
        self._orders = self._source.draw(SIZE)
        for order in self._orders:
            self._driver.add(*order)

    def quotes(self) -> Figures:
        """On a book that nobody changes."""
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
        """Right after a change at the best price."""
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
        """Adds and removals, a batch of each."""
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
        """Twenty at a time; what they ate is put back. Comes last: it changes the book."""
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
    """What reading the clock twice takes."""
    pairs = []
    for _ in range(1_000):
        start = now()
        pairs.append(now() - start)
    return median(pairs)
