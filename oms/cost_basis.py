"""The position of one owner in one symbol, and the entry prices of its open lots.

The problem: a position is opened and closed in many fills, at different prices. The position and the cash are
simple sums over the fills. But the realized profit depends on which of the open lots a fill closes.

Two rules are common. With FIFO, a fill closes the lots that were opened first. With average cost, all open
lots have the same entry price, which is the average. A closing fill does not change this average.

Everything is exact. With FIFO, all numbers are integers. With average cost, the average is a fraction in
lowest terms. Its denominator gets longer with each fill that opens lots after others were closed, until the
position becomes flat or switches sides.

Invariants:

- The realized profit is cash + cost, where cost is the sum of amount x entry price over the open lots. So a
  state does not need to store the realized profit: the cost follows from the open lots, or from their average
  entry price.
- A state never changes, except for the items from `end` on in its list of lots. The next state shares this
  list, and appends to it. So if the booking of fills is interrupted, the old state is still valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from fractions import Fraction
from math import gcd
from typing import NamedTuple, Self

from oms.fees import FeeSchedule, as_exact
from oms.fills import BookedFill
from oms.positions import Position

__all__ = ["CostBasis", "Holding"]

_UNUSED = 64  # closed lots are dropped only if there are more than this many


class CostBasis(StrEnum):
    """The rule for the entry price of the lots that a fill closes.

    >>> CostBasis.FIFO
    <CostBasis.FIFO: 'FIFO'>

    """

    FIFO = "FIFO"
    """First in, first out: a fill closes the lots that were opened first."""
    AVERAGE = "AVERAGE"
    """All open lots have the average entry price. A fill that closes lots does not change it."""


class Fifo(NamedTuple):
    """The sums of all fills, and the open lots, oldest first.

    A lot is a pair of its amount (negative for a short position) and its price. The open lots are
    `lots[start:end]`, and `cost` is the sum of amount x price over them. `closed` is the part of the first
    open lot that has been closed (negative for a short position).
    """

    amount: int
    cash: int
    bought: int
    cost: int
    lots: list[tuple[int, int]]
    start: int
    end: int
    closed: int

    def after(self, fills: Iterable[BookedFill]) -> Fifo:
        """Return the state after fills. Amortized O(m) for m fills."""
        position, cash, bought, cost, lots, start, end, closed = self
        if start > _UNUSED and 2 * start > end:
            lots, start = lots[start:end], 0
        else:
            del lots[end:]  # left over from a booking that was interrupted
        for amount, price, _ in fills:
            value = amount * price
            cash -= value
            if amount > 0:
                bought += amount
            if position * amount >= 0:
                position += amount
                cost += value
                lots.append((amount, price))
                continue
            position += amount
            left = amount
            while left:
                if start == len(lots):  # the fill closes the position, and opens one on the other side
                    cost += left * price
                    lots.append((left, price))
                    break
                lot, entry_price = lots[start]
                open_lots = lot - closed
                rest = open_lots + left
                if open_lots * rest > 0:
                    cost += left * entry_price
                    closed -= left
                    break
                cost -= open_lots * entry_price
                left, closed = rest, 0
                start += 1
        return Fifo(position, cash, bought, cost, lots, start, len(lots), closed)

    def open_cost(self) -> int:
        """Return the sum of amount x entry price over the open lots. O(1)."""
        return self.cost

    def copy(self) -> Fifo:
        """Return a state that shares no list with this one. O(m) for m open lots."""
        lots = self.lots[self.start : self.end]
        return self._replace(lots=lots, start=0, end=len(lots))


class Average(NamedTuple):
    """The sums of all fills, and the average entry price `top` / `bottom`, in lowest terms."""

    amount: int
    cash: int
    bought: int
    top: int
    bottom: int

    def after(self, fills: Iterable[BookedFill]) -> Average:
        """Return the state after fills. O(m d) for m fills and d digits of the fraction."""
        position, cash, bought, top, bottom = self
        for amount, price, _ in fills:
            cash -= amount * price
            if amount > 0:
                bought += amount
            before, position = position, position + amount
            if before * amount > 0:
                # One argument of each gcd() is short, so gcd() is fast even if the fraction is long. The
                # result is in lowest terms if top / bottom is in lowest terms.
                shared = gcd(before, bottom)
                bottom //= shared
                top = top * (before // shared) + amount * price * bottom
                shared = gcd(top, position) if position > 0 else -gcd(top, position)
                top, bottom = top // shared, bottom * (position // shared)
            elif position and before * position <= 0:
                top, bottom = price, 1
        return Average(position, cash, bought, top, bottom) if position else Average(0, cash, bought, 0, 1)

    def open_cost(self) -> int | Fraction:
        """Return the sum of amount x entry price over the open lots. O(d) for d digits."""
        return as_exact(self.amount * self.top, self.bottom)

    def copy(self) -> Average:
        """Return this state, which is immutable. O(1)."""
        return self


class Holding(NamedTuple):
    """The open lots, the fees, and the traded volume of one owner in one symbol.

    The unit of `fees` is 1 / denominator of the fee schedule. `volume` decides which tier applies.
    """

    lots: Fifo | Average
    fees: int
    volume: int

    @classmethod
    def flat(cls, cost_basis: CostBasis) -> Self:
        """Return the state before the first fill."""
        return cls(Fifo(0, 0, 0, 0, [], 0, 0, 0) if cost_basis is CostBasis.FIFO else _FLAT, 0, 0)

    def after(self, fills: Sequence[BookedFill], schedule: FeeSchedule) -> Holding:
        """Return the state after fills. O(m) for m fills, and more for average cost. See Average."""
        charged, volume = schedule.charge(fills, self.volume)
        return Holding(self.lots.after(fills), self.fees + charged, volume)

    def position(
        self, owner: str | None, symbol: str, schedule: FeeSchedule, last_price: int | None
    ) -> Position:
        """Return the position, with its exact profit and fees."""
        amount, cash, bought = self.lots[:3]
        cost = self.lots.open_cost()
        average = as_exact(cost.numerator, cost.denominator * amount) if amount else None
        fees = as_exact(self.fees, schedule.denominator)
        return Position(
            owner, symbol, amount, cash, average, cash + cost, fees, bought, bought - amount, last_price
        )

    def copy(self) -> Holding:
        """Return a state that shares no list with this one. O(m) for m open lots."""
        return self._replace(lots=self.lots.copy())


_FLAT = Average(0, 0, 0, 0, 1)
