"""Exact conversion between decimal numbers and whole numbers of ticks or lots, without floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, cast, overload

from oms import display
from oms.conversions import as_int, as_text
from oms.decimal_orders import decimal_orders
from oms.errors import InvalidArgumentError
from oms.frames import Frame
from oms.models import Order, Side, is_text
from oms.sides import SUBMITTER_SIDES
from oms.size import MOST_DIGITS, ExactNumber, Rounding, Size, common_size, exact_decimal

__all__ = ["Instrument", "TICKS_AND_LOTS", "ratio"]


@dataclass(frozen=True)
class Instrument:
    """The tick size and the lot size of a symbol, with exact conversions to and from ticks and lots.

    `tick_size` is the price of one tick, and `lot_size` is the amount of one lot. Both are positive decimal
    strings, and "1" by default. `name` and `currency` (such as "USD") are only for display. `price_decimals`
    is the number of decimal places with which prices are shown, by default as many as the tick size has.
    Raises InvalidArgumentError if an argument is invalid, or if prices need more decimal places than
    `price_decimals`. Each conversion of one number takes O(d) for d digits.

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
    >>> share = Instrument("0.01", name="JPM", currency="USD")
    >>> share.show_money(41_156_639)
    '411,566.39 USD'

    """

    tick_size: str = "1"
    lot_size: str = "1"
    name: str | None = field(default=None, kw_only=True)
    currency: str | None = field(default=None, kw_only=True)
    price_decimals: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _ = self._price, self._amount  # raise the error for an invalid size now, not at the first use
        for argument, value in (("name", self.name), ("currency", self.currency)):
            if value is not None and not is_text(value):
                allowed = "a non-empty str of valid Unicode, or None"
                raise InvalidArgumentError(argument, value, allowed, as_text(argument, value))
        decimals, least = self.price_decimals, self._price.decimals
        if decimals is not None and not (type(decimals) is int and least <= decimals <= MOST_DIGITS):
            allowed = f"an int in {least}..{MOST_DIGITS}, or None"
            raise InvalidArgumentError(
                "price_decimals", decimals, allowed, as_int("price_decimals", decimals)
            )

    def __repr__(self) -> str:
        sizes = [("tick_size", self.tick_size), ("lot_size", self.lot_size)]
        texts = [(name, getattr(self, name)) for name in ("name", "currency", "price_decimals")]
        return display.as_text(type(self).__name__, sizes + [each for each in texts if each[1] is not None])

    def __getstate__(self) -> dict[str, object]:
        # The cached sizes are derived from the fields, and older pickle protocols cannot pickle them.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def _price(self) -> Size:
        return Size("tick_size", self.tick_size)

    @cached_property
    def _amount(self) -> Size:
        return Size("lot_size", self.lot_size)

    @cached_property
    def _decimals(self) -> int:
        return self._price.decimals if self.price_decimals is None else self.price_decimals

    @classmethod
    def of_decimals(cls, price: int, amount: int) -> Instrument:
        """Return an instrument whose prices and amounts have these numbers of decimal places.

        Raises InvalidArgumentError unless both are ints in 0..40. O(d) for d decimal places.

        >>> Instrument.of_decimals(price=2, amount=0)
        Instrument(tick_size='0.01', lot_size='1')

        """
        for name, value in (("price", price), ("amount", amount)):
            if type(value) is not int or not 0 <= value <= MOST_DIGITS:
                raise InvalidArgumentError(name, value, f"an int in 0..{MOST_DIGITS}", as_int(name, value))
        return cls(f"{Decimal((0, (1,), -price)):f}", f"{Decimal((0, (1,), -amount)):f}")

    def finer(self, other: Instrument) -> Instrument:
        """Return the instrument with the largest sizes that can express all prices and amounts of both.

        If this instrument can already express all of them, it is the result. Otherwise, the result has the
        name and the currency of this instrument. Its `price_decimals` grow if a tick needs more of them.
        Raises InvalidArgumentError unless `other` is an Instrument.

        >>> Instrument("0.01", "1").finer(Instrument("0.001", "10"))
        Instrument(tick_size='0.001', lot_size='1')
        >>> Instrument("0.05", "1").finer(Instrument("0.02", "1")).tick_size
        '0.01'

        """
        if not isinstance(cast("object", other), Instrument):
            raise InvalidArgumentError("other", other, "an Instrument")
        tick, lot = common_size(self._price, other._price), common_size(self._amount, other._amount)
        if (tick, lot) == (self.tick_size, self.lot_size):
            return self
        decimals = self.price_decimals
        if decimals is not None:
            decimals = max(decimals, Size("tick_size", tick).decimals)
        return replace(self, tick_size=tick, lot_size=lot, price_decimals=decimals)

    @property
    def tick(self) -> Decimal:
        """The tick size as a Decimal."""
        return Decimal(self.tick_size)

    @property
    def lot(self) -> Decimal:
        """The lot size as a Decimal."""
        return Decimal(self.lot_size)

    # ------------------------------------------------------------------ exact conversions

    @overload
    def to_ticks(self, price: ExactNumber) -> int: ...
    @overload
    def to_ticks(self, price: ExactNumber | float, *, off_tick: Rounding) -> int: ...
    def to_ticks(self, price: ExactNumber | float, *, off_tick: Rounding | None = None) -> int:
        """Return a price as a number of ticks.

        `price` is a decimal string, an int, a Decimal, or a Fraction. A string may have an exponent, as in
        "1e-3". With `off_tick`, the price may also be a float, and `off_tick` says what to do with a price
        between two ticks: "raise" an error, or round to the "nearest" tick (half to even), "down", or "up". A
        float becomes the nearest tick if it differs from this tick by at most 1e-9 times its value, and one
        of two conditions is true: it differs by at most 1 % of the tick size, or it is the float that is
        nearest to the tick's price. Any other float is taken at its exact binary value.

        Raises InvalidArgumentError for a string that is not a number, and for a number that is negative, not
        finite, or more than 2^63-1 ticks. Without `off_tick`, it also raises it for a float. Without
        `off_tick`, or with "raise", it also raises it for a number that is not a multiple of the tick size.

        >>> share = Instrument("0.01")
        >>> int(20.40 * 100), share.to_ticks(20.40, off_tick="raise")
        (2039, 2040)
        >>> [share.to_ticks("20.405", off_tick=way) for way in ("nearest", "down", "up")]
        [2040, 2040, 2041]

        """
        size = self._price
        return size.count(price) if off_tick is None else size.rounded(price, off_tick, size.keyword)

    @overload
    def to_lots(self, amount: ExactNumber) -> int: ...
    @overload
    def to_lots(self, amount: ExactNumber | float, *, off_lot: Rounding) -> int: ...
    def to_lots(self, amount: ExactNumber | float, *, off_lot: Rounding | None = None) -> int:
        """Return an amount as a number of lots.

        The rules and errors are the same as for `to_ticks`, and `off_lot` is the counterpart of `off_tick`.

        >>> Instrument("0.01", "0.001").to_lots(1.2345, off_lot="down")
        1234

        """
        size = self._amount
        return size.count(amount) if off_lot is None else size.rounded(amount, off_lot, size.keyword)

    def to_price(self, ticks: int | Fraction) -> Decimal:
        """Return a price in ticks, or a price difference, as an exact Decimal.

        `ticks` may be negative, and may be a Fraction, such as a mid price. The result does not depend on the
        decimal context. Raises InvalidArgumentError for any other type, and for a Fraction such as 1/3, which
        has no exact Decimal. The same applies to `to_amount` and `to_money`.

        >>> share = Instrument("0.01", "10")
        >>> share.to_price(2040), share.to_price(Fraction(4081, 2)), share.to_price(-5)
        (Decimal('20.40'), Decimal('20.405'), Decimal('-0.05'))
        >>> share.to_amount(30), share.to_money(2040 * 30)
        (Decimal('300'), Decimal('6120.00'))

        """
        return _as_decimal("ticks", ticks, self._price.step, self._price.decimals)

    def to_amount(self, lots: int | Fraction) -> Decimal:
        """Return an amount in lots, or a difference of amounts, as an exact Decimal."""
        return _as_decimal("lots", lots, self._amount.step, self._amount.decimals)

    def to_money(self, total: int | Fraction) -> Decimal:
        """Return a total price (ticks times lots), a slippage, or a profit as an exact Decimal."""
        price, amount = self._price, self._amount
        return _as_decimal("total", total, price.step * amount.step, price.decimals + amount.decimals)

    def price_text(self, ticks: int) -> str:
        """Return a price in ticks as a decimal string, with as many decimal places as the tick size.

        Raises InvalidArgumentError if `ticks` is not an int of at least 0.
        """
        return self._price.text(_checked("ticks", ticks, 0))

    def amount_text(self, lots: int) -> str:
        """Return an amount in lots as a decimal string, with as many decimal places as the lot size.

        Raises InvalidArgumentError if `lots` is not an int of at least 0.
        """
        return self._amount.text(_checked("lots", lots, 0))

    def orders(
        self,
        columns: Mapping[str, object] | Frame,
        *,
        symbol: str | None = None,
        side: Side | str | int | None = None,
        rounding: Rounding = "raise",
        sides: Mapping[Any, Side] = SUBMITTER_SIDES,
    ) -> tuple[Order, ...]:
        """Return orders from columns with decimal prices and amounts, for `OrderManagement.add_orders`.

        `columns` is a mapping of columns, a pandas or polars data frame, or an Arrow table. Its columns have
        the names of the fields of Order. If all orders have the same symbol or side, pass `symbol` or `side`
        instead of a column. Prices and amounts are floats, text, or exact numbers. `rounding` says what to do
        with a number between two ticks or two lots, as `off_tick` does in `to_ticks`.

        `sides` maps the sides in the data to Side. The default, `oms.SUBMITTER_SIDES`, is for market data, in
        which "buy" is a resting order to buy. Such an order is a bid, so its Side is SELL. A Side in the data
        is not changed. If the data contains the names of Sides, pass `sides=Side.__members__`.

        Raises InvalidOrderError for the first invalid or missing value, with its column and its row, counted
        from 0. Raises InvalidArgumentError if `rounding` or `sides` is invalid. O(m) for m orders.

        >>> share = Instrument("0.01", "1")
        >>> columns = {"order_id": [1, 2], "side": ["ask", "bid"]}
        >>> columns |= {"amount": [20, 15], "price": [20.01, 19.98]}
        >>> for order in share.orders(columns, symbol="JPM"):
        ...     print(order)
        Order(order_id=1, symbol='JPM', side=<Side.BUY: 'BUY'>, amount=20, price=2001)
        Order(order_id=2, symbol='JPM', side=<Side.SELL: 'SELL'>, amount=15, price=1998)

        """
        sizes, constants = (self._amount, self._price), {"symbol": symbol, "side": side}
        return decimal_orders(sizes, columns, constants, rounding, sides)

    # ------------------------------------------------------------------ text for display

    def show_price(self, ticks: int) -> str:
        """Return a price or a price difference in ticks as text with thousands separators.

        The text has `price_decimals` decimal places. Raises InvalidArgumentError unless `ticks` is an int,
        which may be negative.
        """
        value = _checked("ticks", ticks) * self._price.step
        return _grouped(value * 10 ** (self._decimals - self._price.decimals), self._decimals)

    def show_amount(self, lots: int) -> str:
        """Return an amount in lots as text with thousands separators.

        Raises InvalidArgumentError unless `lots` is an int, which may be negative.
        """
        return _grouped(_checked("lots", lots) * self._amount.step, self._amount.decimals)

    def show_total(self, total: int) -> str:
        """Return a total price (ticks times lots) as text with thousands separators.

        All totals have the same number of decimal places: those of a price plus those of an amount. Raises
        InvalidArgumentError unless `total` is an int, which may be negative.

        >>> Instrument("0.01", "0.00000001").show_total(23647 * 178_855_669)
        '422.9400004843'

        """
        value = _checked("total", total) * self._price.step * self._amount.step
        value *= 10 ** (self._decimals - self._price.decimals)
        return _grouped(value, self._decimals + self._amount.decimals)

    def show_money(self, total: int | Fraction) -> str:
        """Return a total price, a profit, or a fee as exact text with thousands separators and the currency.

        `total` is in ticks times lots: an int, or a Fraction with finitely many decimal places. It may be
        negative. The text has as many decimal places as a price, and more only if the total needs them.
        Raises InvalidArgumentError if `total` is anything else.

        >>> Instrument("0.01", "0.001", currency="USD").show_money(2_040_000)
        '20.40 USD'
        >>> Instrument("0.01", "0.001").show_money(2_040_001)
        '20.40001'

        """
        if type(total) is Fraction:
            whole, _, digits = f"{self.to_money(total):,f}".partition(".")
            text = f"{whole}.{digits.rstrip('0').ljust(self._decimals, '0')}".removesuffix(".")
        else:
            text = self.show_total(cast("int", total))
            surplus = self._amount.decimals
            digits = text[len(text) - surplus :].rstrip("0")
            text = (text[: len(text) - surplus] + digits).removesuffix(".")
        return text if self.currency is None else f"{text} {self.currency}"

    def show_average(self, total: int, lots: int) -> str:
        """Return the average price of `lots` lots that cost `total` (ticks times lots), as text.

        The text has two more decimal places than a price. Raises InvalidArgumentError unless `total` is an
        int and `lots` is an int of at least 1.
        """
        price = self._price
        _checked("lots", lots, 1)
        return ratio(_checked("total", total) * price.step, lots * 10**price.decimals, self._decimals + 2)

    def describe(self) -> str:
        """Return the name, the two sizes, and the currency as text.

        >>> Instrument("0.01").describe(), Instrument("0.01", name="JPM", currency="USD").describe()
        ('1 tick = 0.01, 1 lot = 1', 'JPM: 1 tick = 0.01 USD, 1 lot = 1')

        """
        name = "" if self.name is None else f"{self.name}: "
        currency = "" if self.currency is None else f" {self.currency}"
        return f"{name}1 tick = {self.tick_size}{currency}, 1 lot = {self.lot_size}"


TICKS_AND_LOTS = Instrument()
"""The default instrument, with a tick size and a lot size of 1."""


def _checked(name: str, value: object, least: int | None = None) -> int:
    if type(value) is not int or (least is not None and value < least):
        allowed = "an int" if least is None else f"an int >= {least}"
        raise InvalidArgumentError(name, value, allowed, as_int(name, value))
    return value


def _as_decimal(name: str, value: object, step: int, decimals: int) -> Decimal:
    """Return value * step / 10^decimals. A Fraction adds as few decimal places as possible."""
    if type(value) is not int and type(value) is not Fraction:
        raise InvalidArgumentError(name, value, "an int or a Fraction", as_int(name, value))
    denominator = value.denominator
    places = next((n for n in range(denominator.bit_length()) if 10**n % denominator == 0), None)
    if places is None:
        allowed = "a number with finitely many decimal places"
        raise InvalidArgumentError(name, value, allowed, f"round it with round({name})")
    return exact_decimal(value.numerator * (10**places // denominator) * step, decimals + places)


def ratio(numerator: int, denominator: int, decimals: int) -> str:
    """Return a quotient as a string, rounded half to even, without floats.

    Raises InvalidArgumentError unless all three are ints, `denominator` is at least 1, and `decimals` is at
    least 0.

    >>> ratio(2, 3, 4), ratio(1, 8, 2), ratio(3, 8, 2)
    ('0.6667', '0.12', '0.38')

    """
    _checked("denominator", denominator, 1)
    scale = 10 ** _checked("decimals", decimals, 0)
    quotient, rest = divmod(_checked("numerator", numerator) * scale, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return _grouped(quotient, decimals)


def _grouped(value: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
