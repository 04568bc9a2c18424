"""A synthetic trading session from a seeded random number generator. It is the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from oms import InsufficientLiquidityError, OrderManagement, Side
from oms.feeds import ASK, BID

__all__ = ["SYMBOL", "write_session"]

SYMBOL = "DEMO"
_CENT = 100  # ticks of 0.0001
_OPENING = 34_200 * 10**9  # 09:30 in nanoseconds after midnight
_FIRST_PRICE = 100 * 100 * _CENT
_DIRECTION = {ASK: -1, BID: 1}  # of the resting order, in LOBSTER's format


def write_session(folder: Path, rows: int = 30_000, seed: int = 2012) -> Path:
    """Write a session with at least `rows` messages in LOBSTER's format, and return its path."""
    path = folder / f"{SYMBOL}_2012-06-21_34200000_57600000_message_50.csv"
    session = _Session(seed)
    with path.open("w", encoding="ascii", newline="\n") as file:
        written = 0
        while written < rows:
            for row in session.step():
                file.write(row)
                written += 1
    return path


class _Session:
    """A simulated market in which orders are added, reduced, canceled, and filled."""

    def __init__(self, seed: int) -> None:
        # random() is the only Random method that returns the same numbers in every Python version.
        self._random = Random(seed).random  # noqa: S311 - a repeatable session, not a secret
        self._om = OrderManagement()
        self._ids: list[int] = []
        self._next_id = 1
        self._time = _OPENING

    def step(self) -> Iterator[str]:
        """Simulate one event, and yield its rows. A trade has one row per fill, and some events have none."""
        self._time += 1 + self._below(1_000_000_000)
        side = BID if self._random() < 0.5 else ASK
        chance = self._random()
        if chance < 0.53 or len(self._om) < 200:
            yield self._submit(side)
        elif chance < 0.58:
            yield from self._reduce()
        elif chance < 0.94:
            yield self._delete()
        else:
            yield from self._trade(side)

    def _below(self, end: int) -> int:
        return int(self._random() * end)

    def _mostly_small(self, end: int) -> int:
        return int(self._random() * self._random() * end)

    def _submit(self, side: Side) -> str:
        away = (1 + self._mostly_small(60)) * _CENT
        opposite = self._om.best_price(SYMBOL, side.opposite) or _FIRST_PRICE
        price = max(_CENT, opposite + away if side is ASK else opposite - away)
        amount = 10 * (1 + self._mostly_small(50))
        order_id, self._next_id = self._next_id, self._next_id + 1
        self._om.add_order(order_id, SYMBOL, side, amount, price)
        self._ids.append(order_id)
        return self._row(1, order_id, amount, price, side)

    def _reduce(self) -> Iterator[str]:
        order = self._om.get_order(self._ids[self._random_index()])
        if order.amount > 1:
            reduction = 1 + self._below(order.amount - 1)
            self._om.amend_order(order.order_id, amount=order.amount - reduction)
            yield self._row(2, order.order_id, reduction, order.price, order.side)

    def _delete(self) -> str:
        order = self._om.get_order(self._drop(self._random_index()))
        self._om.remove_order(order.order_id)
        return self._row(3, order.order_id, order.amount, order.price, order.side)

    def _trade(self, side: Side) -> Iterator[str]:
        try:
            trade = self._om.place_trade(SYMBOL, side, 5 * (1 + self._mostly_small(200)))
        except InsufficientLiquidityError:
            return
        for fill in trade.fills:
            yield self._row(4, fill.order_id, fill.amount, fill.price, side)

    def _random_index(self) -> int:
        """Return the index of a random resting order. Drop any filled orders drawn along the way."""
        while True:
            index = self._below(len(self._ids))
            if self._ids[index] in self._om:
                return index
            self._drop(index)

    def _drop(self, index: int) -> int:
        self._ids[index], self._ids[-1] = self._ids[-1], self._ids[index]
        return self._ids.pop()

    def _row(self, kind: int, order_id: int, amount: int, price: int, side: Side) -> str:
        seconds, nanoseconds = divmod(self._time, 10**9)
        return f"{seconds}.{nanoseconds:09},{kind},{order_id},{amount},{price},{_DIRECTION[side]}\n"
