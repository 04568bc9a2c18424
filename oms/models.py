"""The values that go in and come out: frozen, compared by content, built of exact integers.

They are named tuples because those are built, hashed and compared in C, and pickle as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, cast

from oms import display
from oms.conversions import as_bool, as_number, as_order, as_side, as_text
from oms.errors import InvalidArgumentError, InvalidOrderError, PriceBoundError

__all__ = ["MAX_INT", "Order", "OrderFill", "PriceLevel", "Quote", "Side", "Trade"]

MAX_INT = 2**63 - 1
"""The largest order id, resting amount and price: what a signed 64-bit column holds."""


class Side(StrEnum):
    """The trade that an order serves: BUY trades consume BUY orders, SELL trades SELL orders.

    So the BUY book is what a market-data feed calls asks, the SELL book its bids.

    >>> Side.BUY.opposite
    <Side.SELL: 'SELL'>

    """

    # A string enum hashes and compares in C; a plain one calls Python on every look-up of a book.
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for BUY and -1 for SELL: of two prices, the better one times the sign is the smaller number.

        This is the one place that knows that the SELL book counts backwards.

        >>> sorted([21, 19, 20], key=lambda price: Side.SELL.sign * price)
        [21, 20, 19]

        """
        return 1 if self is Side.BUY else -1


class Order(NamedTuple):
    """A resting order: `amount` lots (what still rests, not what first came) at `price` ticks.

    >>> Order(1, "JPM", Side.BUY, 20, 20).amount
    20

    """

    order_id: int
    symbol: str
    side: Side
    amount: int
    price: int


OrderRow = tuple[int, str, Side, int, int]
"""The fields of an Order in a plain tuple, which takes a quarter of the time to make. An Order is one too."""

new_order: Callable[[OrderRow], Order] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # its stub leaves the type open
    Order,
)
"""An Order of its fields, made in C: in half the time of a call by keywords or positions."""


class OrderFill(NamedTuple):
    """What a trade takes from one order: `amount` lots at `price` ticks."""

    order_id: int
    amount: int
    price: int


new_fill: Callable[[tuple[int, int, int]], OrderFill] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # as above
    OrderFill,
)
"""As new_order."""


class PriceLevel(NamedTuple):
    """All that rests at one `price` (ticks): `amount` lots in `orders` many orders."""

    price: int
    amount: int
    orders: int


class Quote(NamedTuple):
    """What a trade would be: the answer to "what would `requested` lots cost?".

    `amount` lots would be traded and `shortfall` not, for `total_price` (ticks times lots), at
    prices from `best_price` to `worst_price` (ticks) on `levels` many price levels, from the
    orders in `fills`, best first.

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
        """Ticks per lot (VWAP), for people to read: total_price / amount, correctly rounded."""
        return self.total_price / self.amount

    @property
    def slippage(self) -> int:
        """How much worse (ticks times lots) than the whole amount at the best price: exact, >= 0."""
        return abs(self.total_price - self.amount * self.best_price)

    @property
    def slippage_bps(self) -> float:
        """The slippage in basis points of the whole amount at the best price, correctly rounded."""
        return 10_000 * self.slippage / (self.amount * self.best_price)

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
    """An executed trade: `amount` lots for `total_price` (ticks times lots), best fill first.

    `trade_id` counts from 1 without gaps.
    """

    trade_id: int
    symbol: str
    side: Side
    amount: int
    total_price: int
    fills: tuple[OrderFill, ...]

    @property
    def average_price(self) -> float:
        """Ticks per lot (VWAP), for people to read: total_price / amount, correctly rounded."""
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
    shown = [(f"order {order_id}", amount, price) for order_id, amount, price in fills[: display.SHOWN]]
    more = len(fills) - len(shown)
    rest = f"<p>{more:,} more fills are not shown.</p>" if more else ""
    return (
        f"<div>{display.table(caption, ('', ''), figures)}"
        f"{display.table('Fills', ('', 'amount (lots)', 'price (ticks)'), shown)}{rest}</div>"
    )


def check_order(order_id: object, symbol: object, side: object, amount: object, price: object) -> None:
    """Raise InvalidOrderError for the first field that no book could hold."""
    # All at once, because a call for each field costs as much as the book itself; or-ed together,
    # integers are in 0..2^63-1 if each of them is.
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


def check_orders(orders: Sequence[object]) -> None:
    """Raise InvalidOrderError for the first that is no Order, or that no book could hold."""
    if not orders or (set(map(type, orders)) == {Order} and _are_sound(cast("Sequence[Order]", orders))):
        return
    for order in orders:
        if type(order) is not Order:
            raise InvalidOrderError("orders", order, "an iterable of Order", as_order(order))
        check_order(*order)


def _are_sound(orders: Sequence[Order]) -> bool:
    """Whether no order could be refused: column by column in C; any doubt is a no."""
    ids, symbols, sides, amounts, prices = (list(map(itemgetter(n), orders)) for n in range(5))
    return (
        set(map(type, chain(ids, amounts, prices))) == {int}
        and set(map(type, symbols)) == {str}
        and set(map(type, sides)) == {Side}
        and 0 <= min(ids) <= max(ids) <= MAX_INT
        and 0 < min(amounts) <= max(amounts) <= MAX_INT
        and 0 < min(prices) <= max(prices) <= MAX_INT
        and all(symbol and symbol.isascii() for symbol in set(symbols))
    )


# Types are compared exactly: to isinstance a bool is an int and a numpy string is a str.


def check_order_id(order_id: object) -> None:
    """Raise InvalidOrderError unless an order could have this id."""
    if type(order_id) is not int or not 0 <= order_id <= MAX_INT:
        raise _not_an_int("order_id", order_id, f"an int in 0..{MAX_INT}")


def _not_an_int(
    field: str, value: object, allowed: str, error: type[InvalidArgumentError] = InvalidOrderError
) -> InvalidArgumentError:
    return error(field, value, allowed, as_number(field, value))


def check_book(symbol: object, side: object) -> None:
    """Raise InvalidOrderError unless (symbol, side) could name a book."""
    check_symbol(symbol)
    check_side(side)


def check_symbol(symbol: object) -> None:
    """Raise InvalidOrderError unless the symbol is text that any file or screen can take."""
    if type(symbol) is not str or not symbol or not (symbol.isascii() or _encodes(symbol)):
        raise InvalidOrderError(
            "symbol", symbol, "a non-empty str of valid Unicode", as_text("symbol", symbol)
        )


def check_side(side: object) -> None:
    """Raise InvalidOrderError unless the side is a member of Side."""
    if type(side) is not Side:
        raise InvalidOrderError("side", side, "Side.BUY or Side.SELL", as_side(side))


def check_resting(field: str, value: object) -> None:
    """Raise InvalidOrderError unless the value could be the amount or the price of a resting order."""
    if type(value) is not int or not 1 <= value <= MAX_INT:
        raise _not_an_int(field, value, f"an int in 1..{MAX_INT}")


def check_positive(field: str, value: object, error: type[InvalidArgumentError] = InvalidOrderError) -> None:
    """Raise an error unless the value is an int >= 1, of any size.

    Pass InvalidArgumentError for a value that is not part of a question about orders.
    """
    if type(value) is not int or value < 1:
        raise _not_an_int(field, value, "an int >= 1", error)


def as_amounts(amounts: object) -> list[int]:
    """Return what may be an iterable of amounts as a list; raises InvalidOrderError for anything else."""
    if not isinstance(amounts, Iterable):
        remedy = "" if amounts is None else "write [amount]"
        raise InvalidOrderError("amounts", amounts, "an iterable of int >= 1", remedy)
    listed = list(cast("Iterable[int]", amounts))
    if set(map(type, listed)) != {int} or min(listed) < 1:
        for amount in listed:
            check_positive("amounts", amount)
    return listed


def check_slippage(max_slippage_bps: object) -> None:
    """Raise InvalidOrderError unless the value is an int >= 0 of basis points."""
    if type(max_slippage_bps) is not int or max_slippage_bps < 0:
        raise _not_an_int("max_slippage_bps", max_slippage_bps, "an int >= 0")


def check_fill(amount: object, limit_price: object, allow_partial: object) -> None:
    """Raise InvalidOrderError for what could not say how much to fill, and at what worst price."""
    check_positive("amount", amount)
    check_limit(limit_price)
    if type(allow_partial) is not bool:
        remedy = as_bool("allow_partial", allow_partial)
        raise InvalidOrderError("allow_partial", allow_partial, "True or False", remedy)


def check_limit(limit_price: object) -> None:
    """Raise InvalidOrderError unless it is None or could be a price."""
    if limit_price is not None:
        check_positive("limit_price", limit_price)


def check_selection(symbol: object, side: object) -> None:
    """Raise InvalidOrderError unless each is None, which selects all, or could be part of a book's name."""
    if symbol is not None:
        check_symbol(symbol)
    if side is not None:
        check_side(side)


def check_bounds(side: Side, max_total_price: object, min_total_price: object) -> None:
    """Raise InvalidOrderError for a bound that is no price, or that guards the wrong side."""
    check_side(side)
    for field, bound, guarded in (
        ("max_total_price", max_total_price, Side.BUY),
        ("min_total_price", min_total_price, Side.SELL),
    ):
        if bound is not None:
            check_positive(field, bound)
            if side is not guarded:
                allowed = f"left out for a {side} trade (it bounds a {guarded} trade)"
                raise InvalidOrderError(field, bound, allowed)


def check_total_price(total: int, max_total_price: int | None, min_total_price: int | None) -> None:
    """Raise PriceBoundError if a total price is beyond a bound."""
    if max_total_price is not None and total > max_total_price:
        raise PriceBoundError("max_total_price", max_total_price, total)
    if min_total_price is not None and total < min_total_price:
        raise PriceBoundError("min_total_price", min_total_price, total)


def check_note(note: object) -> None:
    """Raise InvalidArgumentError unless the note is None or text that any file can take."""
    if note is not None and not (type(note) is str and _encodes(note)):
        raise InvalidArgumentError("note", note, "a str of valid Unicode, or None", as_text("note", note))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: no file, database or terminal would take it
        return False
    return True
