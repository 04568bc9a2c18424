"""Every error that `oms` raises, and what each one carries.

    OmsError (Exception)
    ├── InvalidArgumentError (ValueError)          an argument, a setting or a path that is not allowed
    │   └── InvalidOrderError                      an order, or a question about orders, that is not allowed
    ├── DuplicateOrderError (ValueError)           the id is taken already
    ├── OrderNotFoundError (LookupError)           no resting order has the id
    ├── InsufficientLiquidityError (ValueError)    the book cannot serve the whole request
    ├── PriceBoundError (ValueError)               it can, but not at the price that was asked for
    ├── OpenTransactionError (RuntimeError)        not while a transaction is open, or not like this
    └── JournalError (OSError)                     what happened could not be made durable, or read back

A verb that raises one of them itself has changed nothing (what a subscriber raises comes after the
change). Each is also the built-in error that a program which does not know `oms` would expect, and
survives pickling if the value that it carries does.
"""

from __future__ import annotations

import reprlib
from typing import Literal

__all__ = [
    "DuplicateOrderError",
    "InsufficientLiquidityError",
    "InvalidArgumentError",
    "InvalidOrderError",
    "JournalError",
    "OmsError",
    "OpenTransactionError",
    "OrderNotFoundError",
    "PriceBoundError",
]


_LONGEST_SYMBOL = 60


def _shown(value: object) -> str:
    """Any value as bounded text: a message must not fail, whatever it was given."""
    if type(value) is int and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"  # Python refuses to print very long ones
    try:
        return reprlib.repr(value).replace("\n", " ")
    except Exception:
        return f"<{type(value).__name__}>"


class OmsError(Exception):
    """Any refusal by `oms`.

    >>> from oms import OrderManagement
    >>> try:
    ...     OrderManagement().remove_order(7)
    ... except OmsError as error:
    ...     print(error)
    no order with id 7 is resting

    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class InvalidArgumentError(OmsError, ValueError):
    """An argument of the wrong type or out of range.

    `field` is the name of the argument, `value` the value that was given, and `allowed` a description of the
    values that are allowed. `remedy` is the call that helps, or "" if there is none.

    >>> print(InvalidArgumentError("path", "", "the path of a file"))
    path must be the path of a file, not '' (str)
    >>> print(InvalidArgumentError("tick_size", 0.01, "decimal text above 0", "write '0.01'"))
    tick_size must be decimal text above 0, not 0.01 (float); write '0.01'

    """

    def __init__(self, field: str, value: object, allowed: str, remedy: str = "") -> None:
        super().__init__(field, value, allowed, remedy)
        self.field = field
        self.value = value
        self.allowed = allowed
        self.remedy = remedy

    def __str__(self) -> str:
        given = f"{_shown(self.value)} ({type(self.value).__name__})"
        return f"{self.field} must be {self.allowed}, not {given}" + (
            f"; {self.remedy}" if self.remedy else ""
        )


class InvalidOrderError(InvalidArgumentError):
    """A field of an order, or an argument of a question about orders, that is not allowed.

    >>> print(InvalidOrderError("amount", 0, "an int in 1..9"))
    amount must be an int in 1..9, not 0 (int)
    >>> print(InvalidOrderError("side", "BUY", "Side.BUY or Side.SELL", "convert with Side('BUY')"))
    side must be Side.BUY or Side.SELL, not 'BUY' (str); convert with Side('BUY')

    """


class DuplicateOrderError(OmsError, ValueError):
    """An order with this id is resting already, or was, where an id is taken once; `order_id` says which.

    >>> print(DuplicateOrderError(7))
    order id 7 is taken already

    """

    def __init__(self, order_id: int) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"order id {self.order_id} is taken already"


class OrderNotFoundError(OmsError, LookupError):
    """No resting order has this id: it never came, or it was filled or removed.

    >>> print(OrderNotFoundError(7))
    no order with id 7 is resting

    """

    def __init__(self, order_id: int) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"no order with id {self.order_id} is resting"


class InsufficientLiquidityError(OmsError, ValueError):
    """The book of (`symbol`, `side`) holds less than was asked for.

    `unit` says what `requested` and `available` count: "amount" (lots), or "money" (ticks times
    lots) where a budget asks for more than the whole book raises. A symbol never seen has 0 available.

    >>> print(InsufficientLiquidityError("JPM", "BUY", 31, 30))
    JPM BUY: amount 31 requested, 30 available

    """

    def __init__(
        self,
        symbol: str,
        side: str,
        requested: int,
        available: int,
        unit: Literal["amount", "money"] = "amount",
    ) -> None:
        super().__init__(symbol, side, requested, available, unit)
        self.symbol = symbol
        self.side = side
        self.requested = requested
        self.available = available
        self.unit = unit

    def __str__(self) -> str:
        requested, available = _shown(self.requested), _shown(self.available)
        symbol = self.symbol if len(self.symbol) <= _LONGEST_SYMBOL else f"{self.symbol[:_LONGEST_SYMBOL]}…"
        return f"{symbol} {self.side}: {self.unit} {requested} requested, {available} available"


class PriceBoundError(OmsError, ValueError):
    """A trade would cost more than its max_total_price, or raise less than its min_total_price.

    `field` says which of the two it was, `bound` and `total_price` are in ticks times lots.

    >>> print(PriceBoundError("max_total_price", 440, 442))
    max_total_price 440 does not hold: the total price is 442

    """

    def __init__(self, field: str, bound: int, total_price: int) -> None:
        super().__init__(field, bound, total_price)
        self.field = field
        self.bound = bound
        self.total_price = total_price

    def __str__(self) -> str:
        bound, total = _shown(self.bound), _shown(self.total_price)
        return f"{self.field} {bound} does not hold: the total price is {total}"


class OpenTransactionError(OmsError, RuntimeError):
    """What was tried (`action`) does not go with a transaction or a what-if that is open.

    >>> print(OpenTransactionError("copying or pickling inside a transaction"))
    copying or pickling inside a transaction is not possible

    """

    def __init__(self, action: str) -> None:
        super().__init__(action)
        self.action = action

    def __str__(self) -> str:
        return f"{self.action} is not possible"


class JournalError(OmsError, OSError):
    """A journal could not be opened, written or read: `place` says where, `problem` what is wrong.

    A verb that raises it has changed nothing in memory. What the journal then holds of that one verb
    is nothing, unless `problem` says that it is unknown until the journal is opened again.

    >>> print(JournalError("book.db: events, sequence 7", "the hash does not fit what the row says"))
    book.db: events, sequence 7: the hash does not fit what the row says

    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.args = (place, problem)  # an OSError would take two for an errno and its text
        self.place = place
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"
