"""The fees of fills, with exact rates for makers and takers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import NamedTuple, TypeAlias, cast

from oms import display
from oms.conversions import as_int
from oms.errors import InvalidArgumentError
from oms.fills import BookedFill

__all__ = [
    "FeeRounding",
    "FeeSchedule",
    "FeeTier",
    "FeeVolume",
    "Rate",
    "as_exact",
    "checked_schedule",
]

Rate: TypeAlias = str | int | Decimal | Fraction
"""A fee rate: a number as text such as "0.25" or "-1", an int, a Decimal, or a Fraction. Never a float."""


class FeeRounding(StrEnum):
    """The rule for rounding a fill's fee to a multiple of `round_to`."""

    NEAREST = "NEAREST"
    """To the nearest multiple. A fee halfway between two multiples is rounded to the even one."""
    UP = "UP"
    """To the next higher multiple: a higher fee, or a smaller rebate."""
    DOWN = "DOWN"
    """To the next lower multiple: a lower fee, or a larger rebate."""


class FeeVolume(StrEnum):
    """The measure of the traded volume, which decides which tier applies."""

    AMOUNT = "AMOUNT"
    """The traded amount, in lots."""
    TOTAL_PRICE = "TOTAL_PRICE"
    """The total price of the fills, in ticks times lots."""


class _Rates(NamedTuple):
    """The rates of one tier for makers and takers, as multiples of 1 / denominator.

    `value` applies to the total price, and `amount` applies to each lot. Both are pairs (maker, taker).
    """

    value: tuple[int, int]
    amount: tuple[int, int]


@dataclass(frozen=True)
class FeeTier:
    """The fee rates that apply once an owner has traded a certain volume.

    `volume` is an int of at least 1. Its unit depends on the schedule's `tier_by`. See FeeSchedule for the
    rates. Raises InvalidArgumentError if an argument is invalid.

    >>> FeeTier(1_000_000, maker_bps="-0.5", taker_bps=4)
    FeeTier(volume=1000000, maker_bps='-0.5', taker_bps=4)

    """

    volume: int
    maker_bps: Rate = 0
    taker_bps: Rate = 0
    maker_per_lot: Rate = 0
    taker_per_lot: Rate = 0

    def __post_init__(self) -> None:
        _check_count("volume", self.volume)
        _check_rates(self)

    def __repr__(self) -> str:
        return _as_text(self)


@dataclass(frozen=True)
class FeeSchedule:
    """The fees of a venue for each fill, as exact rates for makers and for takers.

    The maker is the resting order, and the taker is the incoming order. The fee of a fill is the sum of two
    parts. `maker_bps` and `taker_bps` are in basis points of the total price of a fill (its notional value:
    price times amount). `maker_per_lot` and `taker_per_lot` are in ticks per lot. A negative rate is a
    rebate, which the owner receives. A rate is a decimal string, an int, a Decimal, or a Fraction. A decimal
    number's exponent is from -1,000 to 1,000.

    Each of the `tiers` replaces all rates of the schedule once an owner has traded its `volume`. The volume
    is what one owner has traded in one symbol, as maker and as taker. `tier_by` says whether the volume is an
    amount or a total price. A fill is never split between tiers: the volume before the fill decides which
    rates apply. So a tier begins with the first fill after its `volume` has been reached.

    By default, fees are exact fractions of ticks times lots. With `round_to` (an int, in ticks times lots),
    the fee of each fill is rounded to a multiple of `round_to`. `rounding` says how.

    Raises InvalidArgumentError if an argument is invalid.

    >>> schedule = FeeSchedule(maker_bps="-0.5", taker_bps=5, tiers=[FeeTier(1000, taker_bps=4)])
    >>> schedule.fee(20, 2005, is_taker=True)  # 5 basis points of 20 x 2005
    Fraction(401, 20)
    >>> schedule.fee(20, 2005, is_taker=False), schedule.fee(20, 2005, is_taker=True, volume=1000)
    (Fraction(-401, 200), Fraction(401, 25))
    >>> FeeSchedule(taker_bps=5, round_to=1, rounding=FeeRounding.UP).fee(20, 2005, is_taker=True)
    21

    """

    maker_bps: Rate = 0
    taker_bps: Rate = 0
    maker_per_lot: Rate = 0
    taker_per_lot: Rate = 0
    tiers: Sequence[FeeTier] = ()
    tier_by: FeeVolume = FeeVolume.AMOUNT
    round_to: int | None = None
    rounding: FeeRounding = FeeRounding.NEAREST

    def __post_init__(self) -> None:
        _check_rates(self)
        object.__setattr__(self, "tiers", _checked_tiers(self.tiers))
        for name, kind in (("tier_by", FeeVolume), ("rounding", FeeRounding)):
            if type(getattr(self, name)) is not kind:
                raise InvalidArgumentError(name, getattr(self, name), f"a member of {kind.__name__}")
        if self.round_to is not None:
            _check_count("round_to", self.round_to)

    def __repr__(self) -> str:
        return _as_text(self)

    def __getstate__(self) -> dict[str, object]:
        return {each.name: getattr(self, each.name) for each in fields(self)}  # without the cached rates

    def fee(self, amount: int, price: int, *, is_taker: bool, volume: int = 0) -> int | Fraction:
        """Return the fee of one fill of `amount` lots at `price` ticks, in ticks times lots.

        `volume` is the volume that the owner traded in the symbol before this fill, in the unit of `tier_by`.
        A negative fee is a rebate.

        Raises InvalidArgumentError unless `amount` and `price` are ints of at least 1. O(log t) for t tiers.
        """
        _check_count("amount", amount)
        _check_count("price", price)
        fees, _ = self.charge([(amount, price, is_taker)], volume)
        return as_exact(fees, self.denominator)

    def _all_tiers(self) -> Iterator[FeeTier | FeeSchedule]:
        yield self
        yield from self.tiers

    @cached_property
    def denominator(self) -> int:
        """The common denominator of all rates."""
        rates = (rate for tier in self._all_tiers() for rate in _fractions(tier))
        return lcm(*(rate.denominator for rate in rates))

    @cached_property
    def _tier_rates(self) -> list[_Rates]:
        """The rates of all tiers, as multiples of 1 / denominator."""
        return [_whole(tier, self.denominator) for tier in self._all_tiers()]

    @cached_property
    def _starts(self) -> list[int]:
        return [tier.volume for tier in self.tiers]

    @cached_property
    def is_free(self) -> bool:
        """True if no fill ever has a fee."""
        return not any(rate for tier in self._all_tiers() for rate in _fractions(tier))

    def charge(self, fills: Iterable[BookedFill], volume: int) -> tuple[int, int]:
        """Return the sum of the fees of fills, as a multiple of 1 / denominator, and the new volume.

        `volume` is the volume before the fills. O(m log t) for m fills and t tiers.
        """
        if self.is_free:
            return 0, volume
        if self.tiers or self.round_to is not None:
            return self._charge_each(fills, volume)
        (of_value, of_amount), total = self._tier_rates[0], 0
        for amount, price, is_taker in fills:
            fee = amount * (price * of_value[is_taker] + of_amount[is_taker])
            total += fee if amount > 0 else -fee
        return total, volume

    def _charge_each(self, fills: Iterable[BookedFill], volume: int) -> tuple[int, int]:
        total, starts, tiers = 0, self._starts, self._tier_rates
        by_amount = self.tier_by is FeeVolume.AMOUNT
        for signed, price, is_taker in fills:
            amount = abs(signed)
            of_value, of_amount = tiers[bisect_right(starts, volume)]
            total += self._rounded(amount * (price * of_value[is_taker] + of_amount[is_taker]))
            volume += amount if by_amount else amount * price
        return total, volume

    def _rounded(self, fee: int) -> int:
        if self.round_to is None:
            return fee
        step = self.round_to * self.denominator
        down, rest = divmod(fee, step)
        if self.rounding is FeeRounding.UP:
            down += rest > 0
        elif self.rounding is FeeRounding.NEAREST:
            down += 2 * rest > step or (2 * rest == step and down % 2 == 1)
        return down * step


def as_exact(numerator: int, denominator: int) -> int | Fraction:
    """Return a quotient as an int if it is whole, and as a Fraction otherwise.

    >>> as_exact(6, 3), as_exact(3, 6)
    (2, Fraction(1, 2))

    """
    whole, rest = divmod(numerator, denominator)
    return Fraction(numerator, denominator) if rest else whole


def checked_schedule(name: str, schedule: object) -> FeeSchedule:
    """Return a schedule. Raise InvalidArgumentError unless it is a FeeSchedule."""
    if type(schedule) is not FeeSchedule:
        remedy = "write FeeSchedule(maker_bps=1, taker_bps=5)"
        raise InvalidArgumentError(name, schedule, "a FeeSchedule", remedy)
    return schedule


_RATES = ("maker_bps", "taker_bps", "maker_per_lot", "taker_per_lot")
_LARGEST_EXPONENT = 1_000
_ALLOWED = "an exact number: decimal text, an int, a Decimal, or a Fraction"


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise InvalidArgumentError(name, value, "an int >= 1", as_int(name, value))


def _check_rates(tier: FeeTier | FeeSchedule) -> None:
    for name in _RATES:
        value: object = getattr(tier, name)
        try:
            if type(value) not in (str, int, Decimal, Fraction):
                raise ValueError  # noqa: TRY301  # the same error as for text that is not a number
            _fraction(cast("Rate", value))
        except (ValueError, ArithmeticError):
            remedy = f"write {str(value)!r}" if type(value) is float else as_int(name, value)
            raise InvalidArgumentError(name, value, _ALLOWED, remedy) from None


def _checked_tiers(tiers: object) -> tuple[FeeTier, ...]:
    allowed = "an iterable of FeeTiers with ascending volumes"
    if not isinstance(tiers, Iterable):
        raise InvalidArgumentError("tiers", tiers, allowed, "write [FeeTier(volume, ...)]")
    items = tuple(cast("Iterable[FeeTier]", tiers))
    if any(type(tier) is not FeeTier for tier in items):
        raise InvalidArgumentError("tiers", items, allowed)
    volumes = [tier.volume for tier in items]
    if volumes != sorted(set(volumes)):
        raise InvalidArgumentError("tiers", items, allowed, "sort them by volume, and write each volume once")
    return items


def _fraction(rate: Rate) -> Fraction:
    number = Decimal(rate) if type(rate) is str else rate
    if isinstance(number, Decimal) and abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError  # its fraction could have so many digits that computing it takes minutes
    return Fraction(number)


def _fractions(tier: FeeTier | FeeSchedule) -> list[Fraction]:
    """Return the exact rates: maker and taker for the total price, then maker and taker per lot."""
    maker_bps, taker_bps, maker, taker = (_fraction(getattr(tier, name)) for name in _RATES)
    return [maker_bps / 10_000, taker_bps / 10_000, maker, taker]


def _whole(tier: FeeTier | FeeSchedule, denominator: int) -> _Rates:
    maker_value, taker_value, maker, taker = (int(rate * denominator) for rate in _fractions(tier))
    return _Rates((maker_value, taker_value), (maker, taker))


def _as_text(value: FeeTier | FeeSchedule) -> str:
    """Return a repr without the fields that have their default values."""
    shown = [(each.name, getattr(value, each.name)) for each in fields(value)]
    defaults = {each.name: each.default for each in fields(value)}
    return display.as_text(type(value).__name__, [pair for pair in shown if pair[1] != defaults[pair[0]]])
