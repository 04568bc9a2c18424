"""The values that an Account returns: positions, and the points of a curve of profits."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, TypeAlias, cast

from oms.conversions import as_number
from oms.errors import InvalidArgumentError

__all__ = ["Exact", "Position", "ProfitPoint"]

Exact: TypeAlias = int | Fraction
"""An exact number: an int, or a Fraction if it is not whole."""


class Position(NamedTuple):
    """The position, the profit, and the fees of one owner in one symbol.

    `amount` is the position in lots. It is negative if the owner is short. `cash` is what the owner received
    for sales minus what was paid, in ticks times lots, without fees. `average_entry` is the average entry
    price of the open lots in ticks, or None if the position is flat. `realized` is the profit of the lots
    that were closed, in ticks times lots, without fees. `fees` are the fees that the owner paid, in ticks
    times lots. They are negative if rebates were larger. `bought` and `sold` are the traded amounts in lots.
    `last_price` is the price of the last fill in this symbol, in ticks, or None if there was none.

    All numbers are exact: an int, or a Fraction if a number is not whole.

    >>> position = Position("Ann", "JPM", 20, -200, 10, 0, Fraction(1, 2), 20, 0, 12)
    >>> position.unrealized(), position.profit()
    (40, Fraction(79, 2))
    >>> position.unrealized(mark=9)
    -20

    """

    owner: str | None
    symbol: str
    amount: int
    cash: int
    average_entry: Exact | None
    realized: Exact
    fees: Exact
    bought: int
    sold: int
    last_price: int | None

    def unrealized(self, mark: Exact | None = None) -> Exact:
        """Return the profit of the open lots at a price, in ticks times lots, without fees.

        `mark` is a price in ticks: an int, or a Fraction such as a mid price. By default, it is the price of
        the symbol's last fill. O(1).

        Raises InvalidArgumentError if the mark is neither an int nor a Fraction.
        """
        if mark is None:
            mark = self.last_price
        elif type(mark) is not int and type(mark) is not Fraction:
            allowed = "an int or a Fraction, in ticks"
            raise InvalidArgumentError("mark", mark, allowed, as_number("price", mark))
        if self.average_entry is None:
            return 0
        profit = self.amount * (cast("Exact", mark) - self.average_entry)
        return _exact(profit)

    def profit(self, mark: Exact | None = None) -> Exact:
        """Return the total profit, realized + unrealized - fees, in ticks times lots.

        The result is equal to cash + amount x mark - fees, where the amount is the position in lots. `mark`
        works as in `unrealized`. O(1).
        """
        return _exact(self.realized + self.unrealized(mark) - self.fees)


class ProfitPoint(NamedTuple):
    """The profits of one owner in one symbol after an event.

    `sequence` and `time` are the event's sequence number and timestamp. `amount` is the position in lots, and
    `price` is the price of the symbol's last fill in ticks. `unrealized` is the profit of the open lots at
    this price. `realized`, `unrealized`, and `fees` are in ticks times lots. See Position.
    """

    sequence: int
    time: int | None
    amount: int
    price: int
    realized: Exact
    unrealized: Exact
    fees: Exact

    @property
    def profit(self) -> Exact:
        """The total profit, realized + unrealized - fees, in ticks times lots."""
        return _exact(self.realized + self.unrealized - self.fees)


def _exact(value: Exact) -> Exact:
    """Return a whole Fraction as an int."""
    return value.numerator if value.denominator == 1 else value
