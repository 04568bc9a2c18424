"""The exceptions that `oms` raises, and their attributes.

    OmsError (Exception)
    ├── InvalidArgumentError (ValueError)          an argument, a setting, or a path is invalid
    │   └── InvalidOrderError                      the same, for an order or a query about orders
    ├── DuplicateOrderError (ValueError)           the order id is already taken
    ├── OrderNotFoundError (LookupError)           no resting order has the id
    ├── InsufficientLiquidityError (ValueError)    the available amount is too small for the request
    ├── PriceBoundError (ValueError)               the total cost or proceeds are worse than the bound
    ├── LimitError (ValueError)                    a limit of a matching engine rejects an order
    │   ├── AmountLimitError                       the amount of the order
    │   ├── NotionalLimitError                     its price times its amount
    │   ├── PriceCollarError                       its price, compared with the market
    │   ├── OpenOrdersLimitError                   the number of the owner's open orders in the symbol
    │   ├── OpenAmountLimitError                   their total amount
    │   ├── RateLimitError                         the number of submissions in an interval
    │   └── KillSwitchError                        a kill switch is on
    ├── OpenTransactionError (RuntimeError)        the call conflicts with an open transaction
    └── JournalError (OSError)                     the journal could not be opened, written, or read

If a method raises one of these errors, nothing has changed. This does not apply to an error from a
subscriber, which is raised after the change. Each class also derives from a built-in exception, so code that
does not import `oms` can catch it. Errors can be pickled if their attributes can.
"""

from __future__ import annotations

import reprlib
from typing import Any, ClassVar, Literal

__all__ = [
    "AmountLimitError",
    "DuplicateOrderError",
    "InsufficientLiquidityError",
    "InvalidArgumentError",
    "InvalidOrderError",
    "JournalError",
    "KillSwitchError",
    "LimitError",
    "NotionalLimitError",
    "OmsError",
    "OpenAmountLimitError",
    "OpenOrdersLimitError",
    "OpenTransactionError",
    "OrderNotFoundError",
    "PriceBoundError",
    "PriceCollarError",
    "RateLimitError",
]


_LONGEST_SYMBOL = 60

_ID = reprlib.Repr()
_ID.maxstring = _ID.maxother = 60  # a UUID has 44 characters

_LONG = reprlib.Repr()
_LONG.maxother = 100  # an Instrument with a name and a currency has about 70 characters


class _Short(reprlib.Repr):
    """A short repr, except that both sizes of an Instrument are shown."""

    def repr_Instrument(self, value: object, level: int) -> str:  # noqa: N802  # Repr finds it by this name
        return _LONG.repr_instance(value, level)


_SHORT = _Short()


def _as_text(value: object, short: reprlib.Repr = _SHORT) -> str:
    """Return a short repr of a value, even if the value's own `__repr__` fails."""
    if type(value) is int and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"  # Python raises ValueError for the repr of a long int
    try:
        return short.repr(value).replace("\n", " ")
    except Exception:
        return f"<{type(value).__name__}>"


def _as_id(value: object) -> str:
    """Return the repr of an order id or of a key, shortened only if it is long."""
    return _as_text(value, _ID)


def _as_symbol(symbol: str) -> str:
    """Return a symbol, shortened only if it is long."""
    return symbol if len(symbol) <= _LONGEST_SYMBOL else f"{symbol[:_LONGEST_SYMBOL]}…"


class OmsError(Exception):
    """The base class of all exceptions that `oms` raises.

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
    """An argument that has the wrong type or is out of range.

    `field` is the argument's name, `value` is the value that was passed, and `allowed` describes the allowed
    values. `remedy` suggests a fix, or is "" if there is none.

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
        value = f"{_as_text(self.value)} ({type(self.value).__name__})"
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.field} must be {self.allowed}, not {value}{remedy}"


class InvalidOrderError(InvalidArgumentError):
    """An invalid field of an order, or an invalid argument of a query about orders.

    >>> print(InvalidOrderError("amount", 0, "an int in 1..9"))
    amount must be an int in 1..9, not 0 (int)
    >>> print(InvalidOrderError("side", "BUY", "Side.BUY or Side.SELL", "convert with Side('BUY')"))
    side must be Side.BUY or Side.SELL, not 'BUY' (str); convert with Side('BUY')

    """


class DuplicateOrderError(OmsError, ValueError):
    """The order id `order_id` is already taken.

    In an OrderManagement, an id is taken while its order is resting. The HTTP service also rejects ids that
    were used before. In an error from an IdMap, `order_id` is the key, which may have any type.

    >>> print(DuplicateOrderError(7))
    order id 7 is already taken

    """

    def __init__(self, order_id: Any) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"order id {_as_id(self.order_id)} is already taken"


class OrderNotFoundError(OmsError, LookupError):
    """No resting order has the id `order_id`.

    Either this id was never used, or the order has been filled or removed. If an IdMap raises the error,
    `order_id` may be one of its keys, which can be of any type.

    >>> print(OrderNotFoundError(7))
    no order with id 7 is resting

    """

    def __init__(self, order_id: Any) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"no order with id {_as_id(self.order_id)} is resting"


class InsufficientLiquidityError(OmsError, ValueError):
    """The book of `symbol` and `side` cannot fill the whole request.

    If `unit` is "amount", `requested` and `available` are amounts in lots. If `unit` is "money", they are
    total prices in ticks times lots. If the book is empty, `available` is 0.

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
        requested, available = _as_text(self.requested), _as_text(self.available)
        return (
            f"{_as_symbol(self.symbol)} {self.side}: {self.unit} {requested} requested, {available} available"
        )


class PriceBoundError(OmsError, ValueError):
    """The total price of a trade would be above `max_total_price` or below `min_total_price`.

    `field` is "max_total_price" or "min_total_price", and `bound` is its value. `total_price` is the
    total cost of the trade (for SELL, the proceeds). Both are in ticks times lots.

    >>> print(PriceBoundError("max_total_price", 440, 442))
    the total price 442 is above max_total_price 440

    """

    def __init__(self, field: str, bound: int, total_price: int) -> None:
        super().__init__(field, bound, total_price)
        self.field = field
        self.bound = bound
        self.total_price = total_price

    def __str__(self) -> str:
        bound, total = _as_text(self.bound), _as_text(self.total_price)
        worse = "above" if self.total_price > self.bound else "below"
        return f"the total price {total} is {worse} {self.field} {bound}"


_ABOVE, _BELOW = ("above", "lower"), ("below", "higher")


class LimitError(OmsError, ValueError):
    """The base class of errors about orders that a MatchingEngine's limits reject.

    `owner` and `symbol` are the order's owner and symbol. `limit` is the largest or the worst allowed value,
    and `value` is the value that the order has or would reach. See `Limits`.

    >>> from oms import Limits, MatchingEngine, Side
    >>> engine = MatchingEngine(limits=Limits(max_amount=100))
    >>> try:
    ...     engine.submit(1, "JPM", Side.BUY, 500, 20, owner="Ann")
    ... except LimitError as error:
    ...     print(type(error).__name__, error.owner, error.symbol, error.limit, error.value)
    AmountLimitError Ann JPM 100 500

    """

    _problem = "the value {value} is beyond the limit {limit}"

    def __init__(self, owner: str | None, symbol: str, limit: int, value: int) -> None:
        super().__init__(owner, symbol, limit, value)
        self.owner = owner
        self.symbol = symbol
        self.limit = limit
        self.value = value

    def __str__(self) -> str:
        owner = "" if self.owner is None else f", owner {_as_id(self.owner)}"
        texts = {name: _as_text(value) for name, value in vars(self).items()}
        texts |= zip(("word", "remedy"), _ABOVE if self.value > self.limit else _BELOW, strict=True)
        return f"{_as_symbol(self.symbol)}{owner}: {self._problem.format(**texts)}"


class AmountLimitError(LimitError):
    """The amount of an order, in lots, is above `Limits.max_amount`.

    >>> print(AmountLimitError("Ann", "JPM", 100, 500))
    JPM, owner 'Ann': the amount 500 is above max_amount 100; submit less

    """

    _problem = "the amount {value} is above max_amount {limit}; submit less"


class NotionalLimitError(LimitError):
    """The price of an order times its amount, in ticks times lots, is above `Limits.max_notional`.

    >>> print(NotionalLimitError("Ann", "JPM", 9_000, 10_000))
    JPM, owner 'Ann': the notional 10000 is above max_notional 9000; submit less

    """

    _problem = "the notional {value} is above max_notional {limit}; submit less"


class PriceCollarError(LimitError):
    """The price of an order, in ticks, is outside the price collar.

    `limit` is the worst price that the collar allows. For a market order, `value` is the worst price at which
    the order could trade.

    >>> print(PriceCollarError(None, "JPM", 105, 120))
    JPM: the price 120 is above the price collar; submit 105 or lower

    """

    _problem = "the price {value} is {word} the price collar; submit {limit} or {remedy}"


class OpenOrdersLimitError(LimitError):
    """The owner would have more open orders in the symbol than `Limits.max_open_orders`.

    >>> print(OpenOrdersLimitError("Ann", "JPM", 10, 11))
    JPM, owner 'Ann': 11 open orders would be above max_open_orders 10; cancel one

    """

    _problem = "{value} open orders would be above max_open_orders {limit}; cancel one"


class OpenAmountLimitError(LimitError):
    """The owner's open orders in the symbol would have more lots than `Limits.max_open_amount`.

    >>> print(OpenAmountLimitError("Ann", "JPM", 100, 120))
    JPM, owner 'Ann': the open amount 120 would be above max_open_amount 100; reduce it first

    """

    _problem = "the open amount {value} would be above max_open_amount {limit}; reduce it first"


class RateLimitError(LimitError):
    """The owner has submitted as many orders in the symbol as `Limits.max_submissions` currently allows.

    `retry_at` is the earliest time at which the engine accepts the next submission, in nanoseconds since 1970
    by the engine's clock.

    >>> print(RateLimitError("Ann", "JPM", 10, 11, 1_700_000_000_000_000_000))
    JPM, owner 'Ann': submission 11 is above max_submissions 10; submit at 1700000000000000000 or later

    """

    _problem = "submission {value} is above max_submissions {limit}; submit at {retry_at} or later"

    def __init__(self, owner: str | None, symbol: str, limit: int, value: int, retry_at: int) -> None:
        super().__init__(owner, symbol, limit, value)
        self.args = (owner, symbol, limit, value, retry_at)
        self.retry_at = retry_at


class KillSwitchError(LimitError):
    """A kill switch rejects the orders of the owner, of the symbol, or all orders.

    `limit` is 0, and `value` is the amount of the order.

    >>> print(KillSwitchError("Ann", "JPM", 0, 5))
    JPM, owner 'Ann': a kill switch is on; lift it with lift_kill()

    """

    _problem = "a kill switch is on; lift it with lift_kill()"


class OpenTransactionError(OmsError, RuntimeError):
    """The call conflicts with an open transaction or an open what-if.

    `problem` describes the conflict, and `remedy` says how to avoid it.

    >>> print(OpenTransactionError("the transaction has already ended", "begin a new one"))
    the transaction has already ended; begin a new one

    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class JournalError(OmsError, OSError):
    """A journal could not be opened, written, or read.

    `place` names the file, and often the part of the file. `problem` describes what is wrong. If a method
    raises this error, nothing has changed in memory. The change is not in the journal either, unless
    `problem` begins with the text `OUTCOME_UNKNOWN`. See `Journal.append`.

    >>> print(JournalError("book.db: events, sequence 7", "the hash does not match the row"))
    book.db: events, sequence 7: the hash does not match the row

    """

    OUTCOME_UNKNOWN: ClassVar[str] = (
        "whether the change is stored is unknown until the journal is opened again"
    )
    """The beginning of the `problem` if the change may be stored. See `Journal.append`."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.args = (place, problem)  # OSError would read two arguments as an errno and its text
        self.place = place
        self.problem = problem

    @property
    def outcome_unknown(self) -> bool:
        """True if the change may be in the journal, although it is not in memory.

        >>> JournalError("book.db", f"{JournalError.OUTCOME_UNKNOWN}: timeout").outcome_unknown
        True

        """
        return self.problem.startswith(self.OUTCOME_UNKNOWN)

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"
