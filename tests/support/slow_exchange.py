"""A naive exchange that publishes its session in the LOBSTER format, without using any code of `oms`.

The book is a plain list of orders, which is searched completely at every step. Messages and order-book rows
show only the best `LEVELS` price levels of each side. Therefore orders can enter the view, leave it, and be
canceled without a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from random import Random

LEVELS = 4
ASK, BID = -1, 1  # the direction of a resting order, as LOBSTER writes it
NO_LEVEL = 9_999_999_999
SUBMIT, REDUCE, DELETE, EXECUTE, HIDDEN, CROSS, HALT = range(1, 8)


@dataclass
class Resting:
    """A resting order, and the facts about it that a reader of the recording knows."""

    order_id: int
    direction: int
    size: int
    price: int
    submitted_in_view: bool = False
    must_be_seen: bool = False
    """True if the order was at the best price. Then a replay needs every later message about the order."""

    @property
    def priority(self) -> tuple[int, int]:
        return (-self.direction * self.price, self.order_id)


class SlowExchange:
    """A random session. `rows` and `book` are the rows of its files. Other fields are expected results."""

    def __init__(self, seed: int, rows: int) -> None:
        self.random = Random(seed)
        self.resting: list[Resting] = []
        self.rows: list[str] = []
        self.book: list[str] = []
        self.sweeps: list[bool] = []
        """One bool per sweep: True if it executed the orders by price-time priority."""
        self.never_submitted_ids: set[int] = set()
        """The ids of orders that appear in messages, but that no message submits."""
        self.canceled_out_of_view_ids: set[int] = set()
        """The ids of orders that a message submitted, but that were canceled without a message."""
        self.reused_ids = 0
        self._submitted: set[int] = set()
        self._free_ids: list[int] = []
        self._next_id = 1
        self._time = 34_200 * 10**9
        self._last: tuple[int, int, int] | None = None
        for _ in range(30):
            self._add_out_of_view()
        self._mark_best()
        while len(self.rows) < rows:
            self._step()
        self._delete_orders_without_submission()

    @property
    def distinct_book(self) -> list[str]:
        """Return the order-book rows, without consecutive rows that have the same best levels."""
        best = groupby(self.book, key=lambda row: row.split(",")[:4])
        return [next(rows) for _, rows in best]

    @property
    def states(self) -> int:
        return len(self.distinct_book)

    @property
    def visible_orders(self) -> list[tuple[int, int, int, int]]:
        """Return the orders that were submitted by a message and are resting at the end."""
        return sorted(
            (order.order_id, order.direction, order.size, order.price)
            for order in self.resting
            if order.submitted_in_view
        )

    # ------------------------------------------------------------------ steps of the session

    def _step(self) -> None:
        if self.random.random() < 0.8:  # otherwise, this step has the same timestamp as the one before
            self._time += self.random.randint(1, 10**9)
        chance = self.random.random()
        if chance < 0.40:
            self._submit(self.random.choice((1, 1, 1, 2, 3, 5)))
        elif chance < 0.56:
            self._add_out_of_view()
            self._submit(1)  # this order is in view, so a reader sees the latest id
        elif chance < 0.63:
            self._reduce()
        elif chance < 0.88:
            self._delete()
        elif chance < 0.97:
            for _ in range(
                self.random.choice((1, 1, 1, 2, 3))
            ):  # several sweeps at the same time, on either side
                self._sweep(self.random.choice((ASK, BID)))
        elif chance < 0.985:
            self._write(
                HIDDEN, 0, self.random.randint(1, 50), self._random_price(), self.random.choice((ASK, BID))
            )
        elif chance < 0.995:
            self._write(CROSS, -1, 500, self._random_price(), ASK)
        else:
            self._write(HALT, 0, 0, self.random.choice((-1, 0, 1)), -1)

    def _submit(self, away: int) -> None:
        """Submit an order if its price is in view. Sometimes reuse the id of a removed order."""
        order = self._new_order(away)
        self.resting.append(order)
        if not self._in_view(order):
            self.resting.remove(order)
            return
        if self._free_ids and self.random.random() < 0.03:
            order.order_id = self._free_ids.pop(self.random.randrange(len(self._free_ids)))
            self.reused_ids += 1
            order.must_be_seen = True  # a reader that ignored this id would ignore both orders
        order.submitted_in_view = True
        self._submitted.add(order.order_id)
        self._write(SUBMIT, order.order_id, order.size, order.price, order.direction)

    def _add_out_of_view(self) -> None:
        """Add an order without a message, if its price is out of view."""
        order = self._new_order(self.random.randint(1, 30))
        self.resting.append(order)
        if self.rows and self._in_view(order):
            self.resting.remove(order)

    def _new_order(self, away: int) -> Resting:
        direction = self.random.choice((ASK, BID))
        opposite = self._queue(-direction)
        price = (opposite[0].price if opposite else self._random_price()) - direction * away
        self._next_id += self.random.randint(1, 3)
        return Resting(self._next_id, direction, self.random.randint(1, 9) * 10, max(1, price))

    def _reduce(self) -> None:
        order = self._random_order()
        if order is None or order.size < 2 or not self._may_be_reduced(order, REDUCE):
            return
        size = self.random.randint(1, order.size - 1)
        order.size -= size
        if self._in_view(order):
            self._write(REDUCE, order.order_id, size, order.price, order.direction)

    def _delete(self) -> None:
        order = self._random_order()
        if order is None or not self._may_be_reduced(order, DELETE):
            return
        in_view = self._in_view(order)
        self.resting.remove(order)
        if in_view:
            self._free_id(order)
            self._write(DELETE, order.order_id, order.size, order.price, order.direction)
        elif order.submitted_in_view:
            self.canceled_out_of_view_ids.add(order.order_id)

    def _may_be_reduced(self, order: Resting, kind: int) -> bool:
        """Return True if a replay can still be correct after this reduction."""
        if self._in_view(order):
            return True
        if order.must_be_seen:
            return False
        return not order.submitted_in_view or (kind == DELETE and self.random.random() < 0.3)

    def _sweep(self, direction: int) -> None:
        queue = self._queue(direction)
        total = sum(order.size for order in queue)
        remaining = min(total, self.random.choice((5, 20, 60, 200)))
        if self.random.random() < 0.01:
            remaining = total  # this side is empty afterwards
        while remaining:
            queue = self._queue(direction)
            at_best = [order for order in queue if order.price == queue[0].price]
            order = self.random.choice(at_best) if self.random.random() < 0.03 else at_best[0]
            size = min(remaining, order.size)
            remaining -= size
            order.size -= size
            if not order.size:
                self.resting.remove(order)
                self._free_id(order)
            self._write(EXECUTE, order.order_id, size, order.price, direction, order is at_best[0])
            if self.random.random() < 0.05:
                self._write(HIDDEN, 0, self.random.randint(1, 50), order.price, direction)

    def _delete_orders_without_submission(self) -> None:
        while waiting := [o for o in self.resting if o.must_be_seen and not o.submitted_in_view]:
            order = self._queue(waiting[0].direction)[0]
            self.resting.remove(order)
            self._time += 1
            self._write(DELETE, order.order_id, order.size, order.price, order.direction)

    # ------------------------------------------------------------------ the view of a reader

    def _queue(self, direction: int) -> list[Resting]:
        side = [order for order in self.resting if order.direction == direction]
        return sorted(side, key=lambda order: order.priority)

    def _levels(self, direction: int) -> list[tuple[int, int]]:
        levels = groupby(self._queue(direction), key=lambda order: order.price)
        return [(price, sum(order.size for order in orders)) for price, orders in levels]

    def _in_view(self, order: Resting) -> bool:
        return order.price in [price for price, _ in self._levels(order.direction)[:LEVELS]]

    def _random_order(self) -> Resting | None:
        return self.random.choice(self.resting) if self.resting else None

    def _random_price(self) -> int:
        return self.random.randint(480, 520)

    def _free_id(self, order: Resting) -> None:
        if order.submitted_in_view:
            self._free_ids.append(order.order_id)

    def _mark_best(self) -> None:
        for direction in (ASK, BID):
            queue = self._queue(direction)
            for order in queue:
                order.must_be_seen |= order.price == queue[0].price

    def _write(
        self, kind: int, order_id: int, size: int, price: int, direction: int, in_priority: bool = True
    ) -> None:
        self._mark_best()
        if kind in (REDUCE, DELETE, EXECUTE) and order_id not in self._submitted:
            self.never_submitted_ids.add(order_id)
        if kind == EXECUTE and self._last == (kind, self._time, direction):
            self.sweeps[-1] &= in_priority
        elif kind == EXECUTE:
            self.sweeps.append(in_priority)
        self._last = (kind, self._time, direction)
        seconds, nanoseconds = divmod(self._time, 10**9)
        self.rows.append(f"{seconds}.{nanoseconds:09},{kind},{order_id},{size},{price},{direction}")
        self.book.append(",".join(self._book_row()))

    def _book_row(self) -> Iterator[str]:
        asks, bids = (self._levels(direction)[:LEVELS] for direction in (ASK, BID))
        for depth in range(LEVELS):
            ask = asks[depth] if depth < len(asks) else (NO_LEVEL, 0)
            bid = bids[depth] if depth < len(bids) else (-NO_LEVEL, 0)
            yield f"{ask[0]},{ask[1]},{bid[0]},{bid[1]}"
