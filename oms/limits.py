"""The risk limits that a MatchingEngine applies to the orders of each owner in each symbol."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from oms import display
from oms.errors import InvalidArgumentError

__all__ = ["CollarReference", "Limits"]

_FROM_ZERO = frozenset({"collar", "collar_bps"})


class CollarReference(StrEnum):
    """The reference price from which a price collar is measured."""

    BEST_PRICE = "BEST_PRICE"
    """The best price of the other side. If the other side is empty, it is the last price."""
    LAST_PRICE = "LAST_PRICE"
    """The price of the last trade. Before the first trade, it is the best price of the other side."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Limits:
    """The risk limits for the orders that each owner submits in each symbol. None means no limit.

    - `max_amount` (lots) is the largest amount of an order.
    - `max_notional` (ticks times lots) is the largest notional of an order: its amount times the highest
      price at which it could trade. For a BUY order, this is its price. For a SELL order, it is its price or
      the best bid, whichever is higher. For a BUY market order, it is the worst price at which the order
      could trade.
    - `max_open_orders` and `max_open_amount` (lots) limit an owner's open orders per symbol: resting orders
      with their hidden lots, and untriggered stop orders. Only the part of an incoming order that would stay
      open counts. If nothing would stay open, these limits do not apply.
    - `collar` (ticks) or `collar_bps` (basis points) sets a price collar. A BUY order may be at most this
      much above the reference price, and a SELL order at most this much below. With both, the narrower one
      applies. `collar_reference` says which price is the reference. Without a reference price, the collar
      allows every price. For a market order, the check uses the worst price at which it could trade.
    - `max_submissions` in each `interval` (nanoseconds of the engine's clock) limits the rate of `submit` and
      `replace`. Set both or neither.

    For an untriggered stop order, all checks use the stop price where they would otherwise use the best price
    or the last price. So the stop price is the collar's reference price, and the notional of a stop order
    without a limit price is its amount times its stop price. A triggered order is not checked again.

    Raises InvalidArgumentError unless each number is None or an int of at least 1. The collars can be 0.

    >>> from oms import MatchingEngine, Side
    >>> limits = Limits(max_amount=100, collar_bps=500)
    >>> limits
    Limits(max_amount=100, collar_bps=500)
    >>> engine = MatchingEngine(limits=limits)
    >>> _ = engine.submit(1, "JPM", Side.SELL, 20, 100)
    >>> engine.submit(2, "JPM", Side.BUY, 20, 106)
    Traceback (most recent call last):
        ...
    oms.errors.PriceCollarError: JPM: the price 106 is above the price collar; submit 105 or lower

    """

    max_amount: int | None = None
    max_notional: int | None = None
    max_open_orders: int | None = None
    max_open_amount: int | None = None
    collar: int | None = None
    collar_bps: int | None = None
    collar_reference: CollarReference = CollarReference.BEST_PRICE
    max_submissions: int | None = None
    interval: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "collar_reference":
                if type(value) is not CollarReference:
                    raise InvalidArgumentError(name, value, "a member of CollarReference")
            elif value is not None and not (type(value) is int and value >= (name not in _FROM_ZERO)):
                least = 0 if name in _FROM_ZERO else 1
                raise InvalidArgumentError(name, value, f"an int >= {least}, or None")
        if (self.max_submissions is None) != (self.interval is None):
            allowed = "an int if max_submissions is set, and None otherwise"
            raise InvalidArgumentError("interval", self.interval, allowed, "pass both or neither")

    def __repr__(self) -> str:
        texts = [(each.name, getattr(self, each.name)) for each in fields(self)]
        defaults = {each.name: each.default for each in fields(self)}
        return display.as_text(
            type(self).__name__,
            [(name, display.bounded(value)) for name, value in texts if value != defaults[name]],
        )

    def worst_price(self, reference: int, sign: int) -> int | None:
        """Return the worst price (ticks) inside the collar of a reference price, or None without a collar.

        `sign` is 1 for a BUY order and -1 for a SELL order. O(1).

        >>> Limits(collar=5, collar_bps=100).worst_price(399, -1)  # 1 % of 399 is 3.99, so 3 ticks
        396

        """
        widths = [] if self.collar is None else [self.collar]
        if self.collar_bps is not None:
            widths.append(self.collar_bps * reference // 10_000)
        return reference + sign * min(widths) if widths else None
