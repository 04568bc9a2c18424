"""The values that methods accept and return: sides, orders, fills, price levels, quotes, and trades.

Except for sides, they are all named tuples, because Python creates, hashes, and compares tuples in C. The
second half of the file contains the functions that check arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, cast

from oms import display
from oms.conversions import as_bool, as_int, as_number, as_side, as_text
from oms.errors import InvalidArgumentError, InvalidOrderError, PriceBoundError

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # for the default; the type checkers contain this module

    Id = TypeVar("Id", default=int)
else:
    from typing import TypeVar

    Id = TypeVar("Id")

__all__ = ["MAX_INT", "Order", "OrderFill", "PriceLevel", "Quote", "Side", "Trade"]

MAX_INT = 2**63 - 1
"""The largest order id, resting amount, and price: the largest signed 64-bit integer."""


class Side(StrEnum):
    """The side of a trade, and of the orders that it fills.

    A BUY trade fills orders in the BUY book, which are the asks. A SELL trade fills orders in the SELL book,
    which are the bids.

    >>> Side.BUY.opposite
    <Side.SELL: 'SELL'>

    """

    # A string enum hashes in C. A plain enum would call a Python function for each lookup of a book.
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The opposite side: SELL for BUY, and BUY for SELL."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for BUY and -1 for SELL. On both sides, the better price has the smaller `sign * price`.

        >>> sorted([21, 19, 20], key=lambda price: Side.SELL.sign * price)
        [21, 20, 19]

        """
        return 1 if self is Side.BUY else -1


class Order(NamedTuple):
    """A resting order of `amount` lots at `price` ticks.

    After a partial fill, `amount` is the remaining amount.

    >>> Order(1, "JPM", Side.BUY, 20, 20).amount
    20

    """

    order_id: int
    symbol: str
    side: Side
    amount: int
    price: int


OrderRow = tuple[int, str, Side, int, int]
"""The fields of an Order as a tuple. A plain tuple is four times as fast to create as an Order."""

new_order: Callable[[OrderRow], Order] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # the type in its stub is partly unknown
    Order,
)
"""Return the Order with these fields. This is twice as fast as calling `Order`."""


class OrderFill(NamedTuple, Generic[Id]):
    """The part of one order that a trade fills: `amount` lots at `price` ticks.

    `order_id` is an int. In an execution of a MatchingEngine, it is the submitter's own id: an int or a str.
    """

    order_id: Id
    amount: int
    price: int


new_fill: Callable[[tuple[int, int, int]], OrderFill] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    OrderFill,
)
"""Return the OrderFill with these fields. This is twice as fast as calling `OrderFill`."""


class PriceLevel(NamedTuple):
    """One price level of a book.

    `price` is in ticks. `amount` is the total amount resting at this price, in lots. `orders` is the number
    of resting orders at this price.
    """

    price: int
    amount: int
    orders: int


class Quote(NamedTuple):
    """The expected result of a trade of `requested` lots.

    The trade would fill `amount` lots for `total_price` (ticks times lots), and leave `shortfall` lots
    unfilled. It would fill orders at `levels` price levels, from `best_price` to `worst_price` (ticks).
    `fills` lists how much of each order the trade would fill, best price first.

    >>> quote = Quote("JPM", Side.BUY, 22, 22, 0, 442, 20, 21, 2, (OrderFill(1, 20, 20), OrderFill(4, 2, 21)))
    >>> quote.slippage  # 2 lots at 1 tick worse than the best price
    2
    >>> round(quote.average_price, 3), round(quote.slippage_bps, 1)
    (20.091, 45.5)

    """

    symbol: str
    side: Side
    requested: int
    amount: int
    shortfall: int
    total_price: int
    best_price: int
    worst_price: int
    levels: int
    fills: tuple[OrderFill, ...]

    @property
    def average_price(self) -> float:
        """The average price (VWAP) in ticks, total_price / amount, correctly rounded to a float."""
        return self.total_price / self.amount

    @property
    def slippage(self) -> int:
        """The exact slippage in ticks times lots, at least 0.

        It is the difference between `total_price` and what the whole amount would cost at the best price.
        """
        return abs(self.total_price - self.amount * self.best_price)

    @property
    def slippage_bps(self) -> float:
        """The slippage in basis points, correctly rounded to a float.

        It is relative to what the whole amount would cost at the best price.
        """
        return 10_000 * self.slippage / (self.amount * self.best_price)

    def slippage_against(self, reference: int | Fraction) -> Fraction:
        """Return the exact slippage against a reference price, in ticks times lots.

        `reference` is a price in ticks, such as the mid price `om.top(symbol).mid`. The slippage is the
        difference between `total_price` and what the whole amount would cost at this price. A positive
        slippage is always bad for the trade, and a negative one is good. With `best_price` as the reference,
        it is equal to `slippage`.

        Raises InvalidOrderError if the reference is neither an int nor a Fraction. O(1).

        >>> fills = (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
        >>> quote = Quote("JPM", Side.BUY, 22, 22, 0, 442, 20, 21, 2, fills)
        >>> quote.slippage_against(quote.best_price), quote.slippage_against(Fraction(39, 2))
        (Fraction(2, 1), Fraction(13, 1))

        """
        if type(reference) is not int and type(reference) is not Fraction:
            raise InvalidOrderError(
                "reference", reference, "an int or a Fraction", as_int("reference", reference)
            )
        return self.side.sign * (self.total_price - self.amount * Fraction(reference))

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        return display.bounded_fields(self._fields, self)

    def __repr__(self) -> str:
        return display.as_text(type(self).__name__, self.__rich_repr__())

    def _repr_html_(self) -> str:
        figures: list[tuple[str, str | int]] = [
            ("requested (lots)", self.requested),
            ("amount (lots)", self.amount),
            ("shortfall (lots)", self.shortfall),
            ("total price (ticks x lots)", self.total_price),
            ("average price (ticks)", f"{self.average_price:,.2f}"),
            ("best price (ticks)", self.best_price),
            ("worst price (ticks)", self.worst_price),
            ("price levels", self.levels),
            ("slippage (ticks x lots)", self.slippage),
            ("slippage (bps)", f"{self.slippage_bps:,.2f}"),
        ]
        return _as_html(f"Quote: {self.side} {self.symbol}", figures, self.fills)


class Trade(NamedTuple):
    """An executed trade of `amount` lots for `total_price` (ticks times lots).

    `fills` lists how much of each order the trade filled, best price first. An OrderManagement numbers its
    trades: the first has `trade_id` 1, the second 2, and so on.
    """

    trade_id: int
    symbol: str
    side: Side
    amount: int
    total_price: int
    fills: tuple[OrderFill, ...]

    @property
    def average_price(self) -> float:
        """The average price (VWAP) in ticks, total_price / amount, correctly rounded to a float."""
        return self.total_price / self.amount

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        return display.bounded_fields(self._fields, self)

    def __repr__(self) -> str:
        return display.as_text(type(self).__name__, self.__rich_repr__())

    def _repr_html_(self) -> str:
        figures: list[tuple[str, str | int]] = [
            ("amount (lots)", self.amount),
            ("total price (ticks x lots)", self.total_price),
            ("average price (ticks)", f"{self.average_price:,.2f}"),
        ]
        return _as_html(f"Trade {self.trade_id}: {self.side} {self.symbol}", figures, self.fills)


def _as_html(caption: str, figures: Sequence[tuple[str, str | int]], fills: Sequence[OrderFill]) -> str:
    rows = [(f"order {order_id}", amount, price) for order_id, amount, price in fills[: display.SHOWN]]
    return display.tables(caption, figures, ("", "amount (lots)", "price (ticks)"), rows, len(fills))


def check_order(order_id: object, symbol: object, side: object, amount: object, price: object) -> None:
    """Raise InvalidOrderError for the first field that is not allowed in a resting order."""
    # Calling a function for each field would take as long as adding the order to its book, so a single
    # condition checks all fields. The bitwise OR of integers is in 0..2^63-1 only if all of them are.
    if (
        type(order_id) is int
        and type(amount) is int
        and type(price) is int
        and amount
        and price
        and not (order_id | amount | price) >> 63
        and type(symbol) is str
        and symbol
        and symbol.isascii()
        and type(side) is Side
    ):
        return
    check_order_id(order_id)
    check_book(symbol, side)
    check_resting("amount", amount)
    check_resting("price", price)


# The checks compare exact types. With isinstance, a bool would pass as an int, and a numpy string as a str.


def check_order_id(order_id: object) -> None:
    """Raise InvalidOrderError unless the value is a valid order id."""
    if type(order_id) is not int or not 0 <= order_id <= MAX_INT:
        raise _not_an_int("order_id", order_id, f"an int in 0..{MAX_INT}")


def _not_an_int(
    field: str, value: object, allowed: str, error: type[InvalidArgumentError] = InvalidOrderError
) -> InvalidArgumentError:
    return error(field, value, allowed, as_number(field, value))


def check_book(symbol: object, side: object) -> None:
    """Raise InvalidOrderError unless the symbol and the side are valid."""
    check_symbol(symbol)
    check_side(side)


def check_symbol(symbol: object) -> None:
    """Raise InvalidOrderError unless the symbol is a non-empty string that UTF-8 can encode."""
    if not is_text(symbol):
        raise InvalidOrderError(
            "symbol", symbol, "a non-empty str of valid Unicode", as_text("symbol", symbol)
        )


def is_text(value: object) -> bool:
    """Return True if the value is a non-empty string that UTF-8 can encode."""
    return type(value) is str and bool(value) and (value.isascii() or _encodes(value))


def check_side(side: object) -> None:
    """Raise InvalidOrderError unless the side is a member of Side."""
    if type(side) is not Side:
        raise InvalidOrderError("side", side, "Side.BUY or Side.SELL", as_side(side))


def check_resting(field: str, value: object) -> None:
    """Raise InvalidOrderError unless the value is a valid amount or price of a resting order."""
    if type(value) is not int or not 1 <= value <= MAX_INT:
        raise _not_an_int(field, value, f"an int in 1..{MAX_INT}")


def check_amendment(amount: object, price: object) -> None:
    """Raise InvalidOrderError unless each argument is None or valid, and at least one of them is not None."""
    if type(amount) is int and type(price) is int and amount and price and not (amount | price) >> 63:
        return
    if amount is None and price is None:
        raise InvalidOrderError("amount or price", None, "an int", "pass amount, price, or both")
    for field, value in (("amount", amount), ("price", price)):
        if value is not None:
            check_resting(field, value)


def check_positive(field: str, value: object, error: type[InvalidArgumentError] = InvalidOrderError) -> None:
    """Raise an error unless the value is an int of at least 1. There is no upper limit.

    Pass InvalidArgumentError as `error` if the value is not part of an order or a query.
    """
    if type(value) is not int or value < 1:
        raise _not_an_int(field, value, "an int >= 1", error)


def as_amounts(amounts: object) -> list[int]:
    """Return the amounts as a list. Raise InvalidOrderError unless each is an int of at least 1."""
    if not isinstance(amounts, Iterable):
        remedy = "" if amounts is None else "write [amount]"
        raise InvalidOrderError("amounts", amounts, "an iterable of int >= 1", remedy)
    values = list(cast("Iterable[int]", amounts))
    if list(map(type, values)).count(int) < len(values) or min(values, default=1) < 1:
        check_positive("amounts", next(each for each in values if type(each) is not int or each < 1))
    return values


def check_slippage(max_slippage_bps: object) -> None:
    """Raise InvalidOrderError unless the value is an int of at least 0."""
    if type(max_slippage_bps) is not int or max_slippage_bps < 0:
        raise _not_an_int("max_slippage_bps", max_slippage_bps, "an int >= 0")


def check_fill(amount: object, limit_price: object, allow_partial: object) -> None:
    """Raise InvalidOrderError for the first invalid argument of a quote or a trade."""
    check_positive("amount", amount)
    check_limit(limit_price)
    if type(allow_partial) is not bool:
        remedy = as_bool("allow_partial", allow_partial)
        raise InvalidOrderError("allow_partial", allow_partial, "True or False", remedy)


def check_limit(limit_price: object) -> None:
    """Raise InvalidOrderError unless the limit price is None or an int of at least 1."""
    if limit_price is not None:
        check_positive("limit_price", limit_price)


def check_selection(symbol: object, side: object) -> None:
    """Raise InvalidOrderError unless each argument is None or valid. None selects everything."""
    if symbol is not None:
        check_symbol(symbol)
    if side is not None:
        check_side(side)


def check_bounds(side: Side, max_total_price: object, min_total_price: object) -> None:
    """Raise InvalidOrderError if a bound is not an int of at least 1, or is meant for the other side."""
    check_side(side)
    for field, bound, bounded_side, other_field in (
        ("max_total_price", max_total_price, Side.BUY, "min_total_price"),
        ("min_total_price", min_total_price, Side.SELL, "max_total_price"),
    ):
        if bound is not None:
            check_positive(field, bound)
            if side is not bounded_side:
                raise InvalidOrderError(field, bound, f"None for a {side} trade", f"use {other_field}")


def check_total_price(total: int, max_total_price: int | None, min_total_price: int | None) -> None:
    """Raise PriceBoundError if the total price is above the maximum or below the minimum."""
    if max_total_price is not None and total > max_total_price:
        raise PriceBoundError("max_total_price", max_total_price, total)
    if min_total_price is not None and total < min_total_price:
        raise PriceBoundError("min_total_price", min_total_price, total)


def check_note(note: object) -> None:
    """Raise InvalidArgumentError unless the note is None or a string that UTF-8 can encode."""
    if note is not None and not (type(note) is str and _encodes(note)):
        raise InvalidArgumentError("note", note, "a str of valid Unicode, or None", as_text("note", note))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which files, databases, and terminals reject
        return False
    return True
