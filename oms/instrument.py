"""What a tick and a lot are: decimal text to exact integers and back, never through a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import TypeAlias

from oms.conversions import as_int, exact_text
from oms.errors import InvalidArgumentError
from oms.models import MAX_INT

__all__ = ["ExactNumber", "Instrument", "MOST_DIGITS", "TICKS_AND_LOTS", "decimals_of", "ratio"]

MOST_DIGITS = 40
"""How many digits a decimal may have before its point, and behind it."""

ExactNumber: TypeAlias = str | int | Decimal | Fraction
"""A number as text ("12.5", "1e-3"), an int, a Decimal or a Fraction: never a float, which is rounded."""

_DIGITS = rf"(\d{{1,{MOST_DIGITS}}})(?:\.(\d{{1,{MOST_DIGITS}}}))?"
_PLAIN = re.compile(_DIGITS, re.ASCII)
_DECIMAL = re.compile(_DIGITS + r"(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_SIZE = "decimal text above 0, such as '0.01'"
_TEXT = (
    f"a decimal >= 0 such as '12.5' or '1e-3', of at most {MOST_DIGITS} digits on either side of its point"
)
_EXACT = "exact: text such as '12.5', an int, a Decimal or a Fraction"


class _Unit:
    """A decimal that others are multiples of: `step` of the last of its `decimals`."""

    __slots__ = ("decimals", "size", "step")

    def __init__(self, name: str, size: object) -> None:
        match = _PLAIN.fullmatch(size) if type(size) is str else None
        if match is None:
            raise InvalidArgumentError(name, size, _SIZE, _as_size(size))
        whole, fraction = match[1], match[2] or ""
        self.size = match[0]
        self.step = int(whole + fraction)
        self.decimals = len(fraction)
        if not self.step:
            raise InvalidArgumentError(name, size, _SIZE)

    def count(self, name: str, value: object) -> int:
        """Return how many units a number is; raises InvalidArgumentError."""
        match = _PLAIN.fullmatch(value) if type(value) is str else None
        if match is not None:
            whole, fraction = match[1], match[2] or ""
        elif type(value) is int or type(value) is Fraction:
            return self._whole(
                name, value, value.numerator * 10**self.decimals, value.denominator * self.step
            )
        else:
            whole, fraction = _split(name, value)
        step, surplus = self.step, len(fraction) - self.decimals
        if surplus > 0:
            fraction = fraction.rstrip("0")
            step *= 10 ** max(0, len(fraction) - self.decimals)
        return self._whole(name, value, int(whole + fraction.ljust(self.decimals, "0")), step)

    def _whole(self, name: str, value: object, numerator: int, denominator: int) -> int:
        units, rest = divmod(numerator, denominator)
        if rest:
            raise InvalidArgumentError(name, value, f"a multiple of {self.size}")
        if not 0 <= units <= MAX_INT:
            allowed = f"at most {self.text(MAX_INT)}" if units > 0 else "0 or more"
            raise InvalidArgumentError(name, value, allowed)
        return units

    def text(self, units: int) -> str:
        """Write so many units as a plain decimal."""
        digits = str(units * self.step).rjust(self.decimals + 1, "0")
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else digits


def _split(name: str, value: object) -> tuple[str, str]:
    """Split a number into the digits before its point and those behind it; raises InvalidArgumentError."""
    text = _plain_text(value) if type(value) is Decimal else value
    if type(text) is not str:
        raise InvalidArgumentError(name, value, _EXACT, _as_exact(name, value))
    digits = _digits(text)
    if digits is None:
        raise InvalidArgumentError(name, value, _TEXT)
    return digits


def _digits(text: str) -> tuple[str, str] | None:
    """Split decimal text at its point, its exponent worked in; None is text of another form, or too long."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match[1], match[2] or ""
    if match[3]:  # at most three digits, so that writing it out cannot fill the memory
        point = len(whole) + int(match[3])
        digits = (whole + fraction).rjust(len(whole + fraction) + max(0, 1 - point), "0")
        point = max(1, point)
        whole = digits.ljust(point, "0")[:point].lstrip("0") or "0"
        fraction = digits[point:].rstrip("0")
        if max(len(whole), len(fraction)) > MOST_DIGITS:
            return None
    return whole, fraction


def _plain_text(value: Decimal) -> str:
    """Write a Decimal without an exponent; as it is, where that would be long, and no instrument takes it."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), abs(value.adjusted())) > MOST_DIGITS:
        return f"{type(value).__name__} out of range"
    return f"{value:f}"


def _as_size(size: object) -> str:
    """Return the call that makes a size out of another type, or out of text with an exponent."""
    digits = _digits(exact_text(size))
    if digits is None:
        return ""
    text = ".".join(part for part in digits if part)
    return f"write {text!r}"


def _as_exact(name: str, value: object) -> str:
    text = exact_text(value)
    call = "to_ticks" if name == "price" else "to_lots"
    return as_int(name, value) or (f"convert with {call}({text!r})" if text else "")


def decimals_of(text: str) -> int:
    """Return how many decimals a text needs, zeros at its end apart; 0 for what is no decimal.

    >>> decimals_of("5.1500"), decimals_of("7"), decimals_of("1e-8"), decimals_of("no number")
    (2, 0, 8, 0)

    """
    digits = _digits(text) if type(text) is str else None
    return len(digits[1].rstrip("0")) if digits else 0


@dataclass(frozen=True)
class Instrument:
    """What 1 in a price (`tick_size`) and 1 in an amount (`lot_size`) stand for, as decimal text.

    Raises InvalidArgumentError for a size that is no plain decimal above 0. Every method is O(digits).

    >>> instrument = Instrument(tick_size="0.5", lot_size="0.001")
    >>> instrument.to_ticks("20.5"), instrument.to_lots("1.5")
    (41, 1500)
    >>> instrument.price_text(41), instrument.amount_text(1500), instrument.tick * 41
    ('20.5', '1.500', Decimal('20.5'))
    >>> [instrument.to_ticks(price) for price in (Decimal("20.5"), Fraction(41, 2), 20, "2e1")]
    [41, 41, 40, 40]
    >>> instrument.to_ticks("20.75")
    Traceback (most recent call last):
        ...
    oms.errors.InvalidArgumentError: price must be a multiple of 0.5, not '20.75' (str)

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

    def finer(self, other: Instrument) -> Instrument:
        """Return the coarsest instrument in which both count in whole ticks and lots: itself, if it is one.

        >>> Instrument("0.01", "1").finer(Instrument("0.001", "10"))
        Instrument(tick_size='0.001', lot_size='1')
        >>> Instrument("0.05", "1").finer(Instrument("0.02", "1")).tick_size
        '0.01'

        """
        tick, lot = _common(self._price, other._price), _common(self._amount, other._amount)
        return self if (tick, lot) == (self.tick_size, self.lot_size) else Instrument(tick, lot)

    @property
    def tick(self) -> Decimal:
        """What 1 in a price stands for."""
        return Decimal(self.tick_size)

    @property
    def lot(self) -> Decimal:
        """What 1 in an amount stands for."""
        return Decimal(self.lot_size)

    # ------------------------------------------------------------------ exact, for machines

    def to_ticks(self, price: ExactNumber) -> int:
        """Return a price as ticks.

        Text may have an exponent, as in "1e-3". Raise InvalidArgumentError for a float, for a number that is
        negative, infinite or not a multiple of the tick, for text that is not a number, and for more ticks
        than a price can have.
        """
        return self._price.count("price", price)

    def to_lots(self, amount: ExactNumber) -> int:
        """Return an amount as lots; raises InvalidArgumentError as `to_ticks` does."""
        return self._amount.count("amount", amount)

    def price_text(self, ticks: int) -> str:
        """Write a price with as many decimals as the tick; raises InvalidArgumentError for no int >= 0."""
        return self._price.text(_checked("ticks", ticks))

    def amount_text(self, lots: int) -> str:
        """Write an amount with as many decimals as the lot; raises InvalidArgumentError for no int >= 0."""
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


def _common(one: _Unit, other: _Unit) -> str:
    """Return the largest size of which both sizes are multiples."""
    decimals = max(one.decimals, other.decimals)
    steps = [unit.step * 10 ** (decimals - unit.decimals) for unit in (one, other)]
    step = gcd(*steps)
    for unit, its_step in zip((one, other), steps, strict=True):
        if its_step == step:
            return unit.size  # in its own letters
    digits = str(step).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def _checked(name: str, value: object) -> int:
    if type(value) is not int or value < 0:
        raise InvalidArgumentError(name, value, "an int >= 0", as_int(name, value))
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
