"""What a tick and a lot are: decimal text to exact integers and back, never through a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from oms.errors import InvalidOrderError
from oms.models import MAX_INT

__all__ = ["Instrument", "MOST_DIGITS", "TICKS_AND_LOTS", "decimals_of", "ratio"]

MOST_DIGITS = 40
"""How many digits a decimal may have before its point, and behind it."""

_DECIMAL = re.compile(rf"(\d{{1,{MOST_DIGITS}}})(?:\.(\d{{1,{MOST_DIGITS}}}))?", re.ASCII)
_PLAIN = "a plain decimal such as 12.5"


class _Unit:
    """A decimal that others are multiples of: `step` of the last of its `decimals`."""

    __slots__ = ("decimals", "size", "step")

    def __init__(self, name: str, size: str) -> None:
        whole, fraction = _split(name, size)
        self.size = size
        self.step = int(whole + fraction)
        self.decimals = len(fraction)
        if not self.step:
            raise InvalidOrderError(name, size, f"{_PLAIN}, above 0")

    def count(self, name: str, text: str) -> int:
        """Say how many units a text is; raises InvalidOrderError."""
        whole, fraction = _split(name, text)
        step, surplus = self.step, len(fraction) - self.decimals
        if surplus > 0:
            fraction = fraction.rstrip("0")
            step *= 10 ** max(0, len(fraction) - self.decimals)
        units, rest = divmod(int(whole + fraction.ljust(self.decimals, "0")), step)
        if rest:
            raise InvalidOrderError(name, text, f"a multiple of {self.size}")
        if units > MAX_INT:
            raise InvalidOrderError(name, text, f"at most {self.text(MAX_INT)}")
        return units

    def text(self, units: int) -> str:
        """Write so many units as a plain decimal."""
        digits = str(units * self.step).rjust(self.decimals + 1, "0")
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else digits


def _split(name: str, text: object) -> tuple[str, str]:
    match = _DECIMAL.fullmatch(text) if type(text) is str else None
    if match is None:
        raise InvalidOrderError(name, text, _PLAIN)
    return match[1], match[2] or ""


def decimals_of(text: str) -> int:
    """How many decimals a text needs, zeros at its end apart; 0 for what is no plain decimal.

    >>> decimals_of("5.1500"), decimals_of("7"), decimals_of("1e-8")
    (2, 0, 0)

    """
    match = _DECIMAL.fullmatch(text) if type(text) is str else None
    return len((match[2] or "").rstrip("0")) if match else 0


@dataclass(frozen=True)
class Instrument:
    """What 1 in a price (`tick_size`) and 1 in an amount (`lot_size`) stand for, as decimal text.

    Raises InvalidOrderError for a size that is no plain decimal above 0. Every method is O(digits).

    >>> instrument = Instrument(tick_size="0.5", lot_size="0.001")
    >>> instrument.to_ticks("20.5"), instrument.to_lots("1.5")
    (41, 1500)
    >>> instrument.price_text(41), instrument.amount_text(1500), instrument.tick * 41
    ('20.5', '1.500', Decimal('20.5'))
    >>> instrument.to_ticks("20.75")
    Traceback (most recent call last):
        ...
    oms.errors.InvalidOrderError: price must be a multiple of 0.5, not '20.75' (str)

    """

    tick_size: str = "1"
    lot_size: str = "1"

    def __post_init__(self) -> None:
        _ = self._price, self._amount  # a size of no use must not wait for its first use

    @cached_property
    def _price(self) -> _Unit:
        return _Unit("tick_size", self.tick_size)

    @cached_property
    def _amount(self) -> _Unit:
        return _Unit("lot_size", self.lot_size)

    @classmethod
    def of_decimals(cls, price: int, amount: int) -> Instrument:
        """Make the instrument whose tick and lot are 1 of the last of so many decimals.

        >>> Instrument.of_decimals(price=2, amount=0)
        Instrument(tick_size='0.01', lot_size='1')

        """
        return cls(f"{Decimal((0, (1,), -price)):f}", f"{Decimal((0, (1,), -amount)):f}")

    @property
    def tick(self) -> Decimal:
        """What 1 in a price stands for."""
        return Decimal(self.tick_size)

    @property
    def lot(self) -> Decimal:
        """What 1 in an amount stands for."""
        return Decimal(self.lot_size)

    # ------------------------------------------------------------------ exact, for machines

    def to_ticks(self, text: str) -> int:
        """Read a price as ticks.

        Raises InvalidOrderError for what is no plain decimal (a sign, a blank, an exponent, NaN), no
        multiple of the tick, or more ticks than a price can have.
        """
        return self._price.count("price", text)

    def to_lots(self, text: str) -> int:
        """Read an amount as lots; raises InvalidOrderError as `to_ticks` does."""
        return self._amount.count("amount", text)

    def price_text(self, ticks: int) -> str:
        """Write a price with as many decimals as the tick; raises InvalidOrderError for no int >= 0."""
        return self._price.text(_checked("ticks", ticks))

    def amount_text(self, lots: int) -> str:
        """Write an amount with as many decimals as the lot; raises InvalidOrderError for no int >= 0."""
        return self._amount.text(_checked("lots", lots))

    # ------------------------------------------------------------------ grouped, for people

    def show_price(self, ticks: int) -> str:
        """A price, or a difference of prices, with its thousands apart."""
        return _grouped(ticks * self._price.step, self._price.decimals)

    def show_amount(self, lots: int) -> str:
        """An amount, with its thousands apart."""
        return _grouped(lots * self._amount.step, self._amount.decimals)

    def show_total(self, total: int) -> str:
        """Ticks times lots.

        >>> Instrument("0.01", "0.00000001").show_total(23647 * 178_855_669)
        '422.9400004843'

        """
        price, amount = self._price, self._amount
        return _grouped(total * price.step * amount.step, price.decimals + amount.decimals)

    def show_average(self, total: int, lots: int) -> str:
        """The average price of so many lots, rounded two decimals beyond a tick."""
        price = self._price
        return ratio(total * price.step, lots * 10**price.decimals, price.decimals + 2)

    def describe(self) -> str:
        """What 1 tick and 1 lot are."""
        return f"1 tick = {self.tick_size}, 1 lot = {self.lot_size}"


TICKS_AND_LOTS = Instrument()
"""For those who count in ticks and lots themselves."""


def _checked(name: str, value: object) -> int:
    if type(value) is not int or value < 0:
        raise InvalidOrderError(name, value, "an int >= 0")
    return value


def ratio(numerator: int, denominator: int, decimals: int) -> str:
    """A quotient, correctly rounded (half to even) without a float.

    >>> ratio(2, 3, 4), ratio(1, 8, 2), ratio(3, 8, 2)
    ('0.6667', '0.12', '0.38')

    """
    quotient, rest = divmod(numerator * 10**decimals, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return _grouped(quotient, decimals)


def _grouped(value: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
