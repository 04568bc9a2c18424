"""The values that a MatchingEngine accepts and returns: submissions, executions, and open orders."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple, TypeAlias

from oms.models import OrderFill, Side

__all__ = [
    "CancelReason",
    "EngineFill",
    "Execution",
    "OpenOrder",
    "OrderId",
    "PostOnly",
    "QueueAhead",
    "SelfTradePrevention",
    "Submission",
    "TimeInForce",
]

OrderId: TypeAlias = int | str
"""An id that the submitter chooses: any int of at most 256 bits, or any non-empty string."""


class TimeInForce(StrEnum):
    """The rule for how long an order stays open.

    >>> TimeInForce.IOC
    <TimeInForce.IOC: 'IOC'>

    """

    GTC = "GTC"
    """Good till canceled. The unfilled amount rests in the book."""
    IOC = "IOC"
    """Immediate or cancel. The unfilled amount is canceled."""
    FOK = "FOK"
    """Fill or kill. The whole amount is filled at once, or the order is canceled without a fill."""
    GTD = "GTD"
    """Good till date. The order rests until the time `expires`. See `MatchingEngine.expire`."""
    DAY = "DAY"
    """Good for the day. The order rests until `MatchingEngine.end_day`."""


class PostOnly(StrEnum):
    """The treatment of a post-only order that would trade at once."""

    REJECT = "REJECT"
    """The order is canceled."""
    SLIDE = "SLIDE"
    """The order rests at the best price that does not trade, one tick from the other side's best price."""


class SelfTradePrevention(StrEnum):
    """The treatment of an incoming and a resting order of the same owner that would trade with each other."""

    NONE = "NONE"
    """They trade with each other."""
    CANCEL_NEWEST = "CANCEL_NEWEST"
    """The unfilled amount of the incoming order is canceled."""
    CANCEL_OLDEST = "CANCEL_OLDEST"
    """The resting order is canceled, and the incoming order continues."""
    CANCEL_BOTH = "CANCEL_BOTH"
    """The resting order and the unfilled amount of the incoming order are canceled."""
    DECREMENT = "DECREMENT"
    """Both are reduced by the smaller of the two amounts. An order that reaches 0 is canceled."""


class CancelReason(StrEnum):
    """The reason why a part of an order was canceled."""

    NO_LIQUIDITY = "NO_LIQUIDITY"
    """The order is not allowed to rest, and nothing more was available at its price or better."""
    FILL_OR_KILL = "FILL_OR_KILL"
    """The whole amount was not available."""
    POST_ONLY = "POST_ONLY"
    """The order would have crossed the other side."""
    SELF_TRADE = "SELF_TRADE"
    """The order would have traded with an order of the same owner."""


class Submission(NamedTuple):
    """The terms of an incoming order, as `MatchingEngine.submit` takes them.

    `side` is the submitter's: a BUY submission buys, and rests as a bid. `amount` and `display` are in lots.
    `price` and `stop_price` are in ticks. `expires` is a time in nanoseconds since 1970.
    """

    order_id: OrderId
    symbol: str
    side: Side
    amount: int
    price: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: PostOnly | None = None
    owner: str | None = None
    display: int | None = None
    stop_price: int | None = None
    expires: int | None = None


Terms: TypeAlias = tuple[
    OrderId,
    str,
    Side,
    int,
    int | None,
    TimeInForce,
    PostOnly | None,
    str | None,
    int | None,
    int | None,
    int | None,
]
"""The fields of a Submission as a tuple."""

new_submission: Callable[[Terms], Submission] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    Submission,
)
"""Return the Submission with these fields. This is twice as fast as calling `Submission`."""


class Execution(NamedTuple):
    """The result of a submission: what was filled, what stays open, and what was canceled.

    The three parts add up: `requested` = `amount` + `resting` + `canceled`, all in lots. `amount` lots were
    filled for `total_price` (ticks times lots). `fills` contains the ids and prices of the resting orders
    that were filled, best price first. `resting` lots stay open: in the book, or waiting for the stop price.
    `reason` says why lots were canceled, or is None. If there were several reasons, it is the last one.
    """

    order_id: OrderId
    symbol: str
    side: Side
    requested: int
    amount: int
    total_price: int
    fills: tuple[OrderFill[OrderId], ...]
    resting: int
    canceled: int
    reason: CancelReason | None

    @property
    def average_price(self) -> float | None:
        """The average price (VWAP) in ticks, correctly rounded to a float, or None without a fill."""
        return self.total_price / self.amount if self.amount else None


new_execution: Callable[[tuple[object, ...]], Execution] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    Execution,
)
"""Return the Execution with these fields. This is twice as fast as calling `Execution`."""


class EngineFill(NamedTuple):
    """One fill, with both of its parties: the taker (incoming order) and the maker (resting order).

    `side` is the taker's. `amount` is in lots and `price` in ticks. The owner of an order can be None.
    """

    symbol: str
    side: Side
    amount: int
    price: int
    taker: OrderId
    taker_owner: str | None
    maker: OrderId
    maker_owner: str | None


class OpenOrder(NamedTuple):
    """An order that rests in the book or waits for its stop price.

    `filled` lots have been filled, and `remaining` lots are open. `displayed` is the part of `remaining` that
    is visible in the book: all of it, the tip of an iceberg order, or 0 while the order waits. `price` is the
    price at which the order rests, in ticks, or its limit while it waits.
    """

    order: Submission
    filled: int
    remaining: int
    displayed: int
    price: int | None

    @property
    def waiting(self) -> bool:
        """True while the order waits for its stop price."""
        return self.displayed == 0


new_open_order: Callable[[tuple[Submission, int, int, int, int]], OpenOrder] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    OpenOrder,
)
"""Return the OpenOrder with these fields. This is twice as fast as calling `OpenOrder`."""


class QueueAhead(NamedTuple):
    """The number and the total amount (lots) of the orders ahead of an order in the queue at its price."""

    orders: int
    amount: int
