"""Strict parsing of responses into OrderManagement results and exceptions."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar, cast

from oms.client.errors import RequestRejectedError, UnexpectedResponseError
from oms.client.lag import Lag
from oms.client.requests import Request
from oms.contract import LARGEST_JSON_INTEGER, PROBLEM_MEDIA_TYPE, PROBLEMS, id_from_json
from oms.errors import (
    AmountLimitError,
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    JournalError,
    KillSwitchError,
    LimitError,
    NotionalLimitError,
    OmsError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    OrderNotFoundError,
    PriceBoundError,
    PriceCollarError,
    RateLimitError,
)
from oms.instrument import Instrument
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade

__all__ = [
    "Fields",
    "MalformedError",
    "Response",
    "parse_depth",
    "parse_instruments",
    "parse_order",
    "parse_quote",
    "parse_trade",
    "problem_code",
    "read_response",
    "says_unchanged",
    "unexpected",
]

M = TypeVar("M", bound=StrEnum)
T = TypeVar("T")


class Response(NamedTuple):
    """A complete response from the service, or from a proxy or gateway.

    `key` is the idempotency key in the response headers. `earlier_may_have_arrived` is True if an earlier
    attempt at the same request may have reached the service. `retry_after` is the wait before the next
    attempt in seconds, if the response contains one. In a cluster, `shard` is the shard that sent the
    response. `lag` says how far a standby lags.
    """

    status: int
    media_type: str
    content: bytes
    key: str | None = None
    earlier_may_have_arrived: bool = False
    retry_after: int | None = None
    shard: str | None = None
    lag: Lag | None = None


class MalformedError(Exception):
    """A response, or one of its fields, that violates the API contract."""


class Fields:
    """The fields of a JSON object, with strict type checks."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise MalformedError(f"{_excerpt(value)} is not a JSON object")
        self._values = cast("dict[str, Any]", value)

    def _get(self, name: str, kind: type[T]) -> T:
        value = self._values.get(name)
        if type(value) is not kind:  # true and 1.0 are not integers
            raise MalformedError(f"{name} is {_excerpt(value)}, not {kind.__name__}")
        return value

    def integer(self, name: str) -> int:
        """Return an integer field. A value above 2^53-1 may also be a string."""
        value = _read_integer(self._values.get(name))
        if type(value) is not int:
            raise MalformedError(f"{name} is {_excerpt(value)}, not int")
        return value

    def integer_or_null(self, name: str) -> int | None:
        """Return a field that must be null or an int, as in `integer`. A missing field is an error."""
        return None if name in self._values and self._values[name] is None else self.integer(name)

    def integers(self, name: str) -> list[int]:
        """Return a field that is a list of integers. Each may also be a string, as in `integer`."""
        values = [_read_integer(value) for value in cast("list[object]", self._get(name, list))]
        if not set(map(type, values)) <= {int}:
            raise MalformedError(f"{name} is {_excerpt(values)}, not a list of int")
        return cast("list[int]", values)

    def string(self, name: str) -> str:
        """Return a field that must be a string."""
        return self._get(name, str)

    def boolean(self, name: str) -> bool:
        """Return a field that must be true or false."""
        return self._get(name, bool)

    def strings(self, name: str) -> list[str]:
        """Return a field that must be a list of strings."""
        values = cast("list[str]", self._get(name, list))
        if not set(map(type, values)) <= {str}:
            raise MalformedError(f"{name} is {_excerpt(values)}, not a list of str")
        return values

    def side(self, name: str) -> Side:
        """Return a field that must be "BUY" or "SELL", converted to a Side."""
        try:
            return Side(self.string(name))
        except ValueError:
            raise MalformedError(f"{name} is {_excerpt(self._values[name])}, not 'BUY' or 'SELL'") from None

    def string_or_null(self, name: str) -> str | None:
        """Return a field that must be null or a string. A missing field is an error."""
        return None if name in self._values and self._values[name] is None else self.string(name)

    def order_key(self, name: str) -> int | str:
        """Return a field of the JSON object that must be a MatchingEngine's order id: an int or a string."""
        value = self._values.get(name)
        is_integer = type(value) is int and abs(value) <= LARGEST_JSON_INTEGER
        if not is_integer and not (type(value) is str and value):
            raise MalformedError(f"{name} is {_excerpt(value)}, not an order id")
        return id_from_json(cast("int | str", value))

    def order_key_or_null(self, name: str) -> int | str | None:
        """Return a field that must be null or an order id. A missing field is an error."""
        return None if name in self._values and self._values[name] is None else self.order_key(name)

    def member(self, name: str, kind: type[M]) -> M:
        """Return a field that must be the value of an enum's member, converted to the member."""
        try:
            return kind(self.string(name))
        except ValueError:
            allowed = ", ".join(kind)
            raise MalformedError(f"{name} is {_excerpt(self._values[name])}, not one of {allowed}") from None

    def member_or_null(self, name: str, kind: type[M]) -> M | None:
        """Return a field that must be null or the value of an enum's member. A missing field is an error."""
        return None if name in self._values and self._values[name] is None else self.member(name, kind)

    def unit(self, name: str) -> Literal["amount", "money"]:
        """Return a field that must be "amount" or "money" (a unit)."""
        match self.string(name):
            case "amount" | "money" as unit:
                return unit
            case other:
                raise MalformedError(f"{name} is {_excerpt(other)}, not 'amount' or 'money'")

    def nested(self, name: str, parse: Callable[[Fields], T]) -> T:
        """Return a field that must be a JSON object, parsed by `parse`."""
        return parse(Fields(self._values.get(name)))

    def objects(self, name: str, parse: Callable[[Fields], T]) -> list[T]:
        """Return a field that must be a list of JSON objects, each parsed by `parse`."""
        return [parse(Fields(item)) for item in cast("list[object]", self._get(name, list))]

    def check_echoed(self, expected: Mapping[str, object]) -> None:
        """Raise an error unless each field in `expected` has the expected value."""
        for name, value in expected.items():
            actual = self._values.get(name)
            if not _is_echo(actual, value):
                raise MalformedError(f"{name} is {_excerpt(actual)}, but {_excerpt(value)} was requested")

    def check_all_equal(self, name: str, field: str, expected: str) -> None:
        """Raise an error unless this field of every object in a list has the expected value."""
        for value in self.objects(name, lambda item: item.string(field)):
            if value != expected:
                raise MalformedError(f"{field} is {_excerpt(value)}, but {_excerpt(expected)} was requested")

    def check_at_most(self, name: str, most: int) -> None:
        """Raise an error unless a field is an int in 1..most."""
        if not 1 <= self.integer(name) <= most:
            raise MalformedError(f"{name} is {_excerpt(self._values[name])}, but {most} was requested")

    def check_length(self, name: str, length: int) -> None:
        """Raise an error unless a field is a list of `length` items."""
        size = len(cast("list[object]", self._get(name, list)))
        if size != length:
            raise MalformedError(f"the length of {name} is {size}, not {length}")

    @property
    def values(self) -> Mapping[str, Any]:
        """All fields."""
        return self._values

    def get(self, name: str) -> object:
        """Return a field of any type, or None if the field is missing."""
        return self._values.get(name)


def read_response(request: Request, response: Response, parse: Callable[[Fields], T]) -> T:
    """Parse a successful response, or raise the exception that an error response describes.

    Raises UnexpectedResponseError if the response is malformed or does not match the request.
    """
    try:
        if response.status not in (200, 201):
            raise _exception(request, response)
        fields = _fields(response, "application/json")
        fields.check_echoed(request.echoed)
        return parse(fields)
    except MalformedError as error:
        raise unexpected(request, response, str(error)) from None


def unexpected(request: Request, response: Response, reason: str) -> UnexpectedResponseError:
    """Return the error for a response that is malformed or does not match the request."""
    return UnexpectedResponseError(
        request.name, f"unexpected response (status {response.status}): {reason}", request.key
    )


def problem_code(response: Response) -> str | None:
    """Return the API's error code, or None if the response is not an error from the service."""
    try:
        code = _fields(response, PROBLEM_MEDIA_TYPE).string("code")
    except MalformedError:
        return None
    return code if code in PROBLEMS else None


def says_unchanged(response: Response) -> bool:
    """Return True if a cluster's gateway says that the request has changed nothing."""
    if problem_code(response) != "shard_unavailable":
        return False
    try:
        return not _fields(response, PROBLEM_MEDIA_TYPE).boolean("may_have_changed")
    except MalformedError:
        return False


def _fields(response: Response, media_type: str) -> Fields:
    if response.media_type != media_type:
        raise MalformedError(f"its content type is {response.media_type or 'missing'}, not {media_type}")
    try:
        return Fields(json.loads(response.content))
    except (ValueError, RecursionError):
        raise MalformedError(f"{_excerpt(response.content)} is not JSON") from None


_LARGE = re.compile(r"[1-9][0-9]{15,999}", re.ASCII)


def _read_integer(value: object) -> object:
    """Convert a string that contains an integer above 2^53-1. Return any other value unchanged."""
    if type(value) is str and _LARGE.fullmatch(value) and int(value) > LARGEST_JSON_INTEGER:
        return int(value)
    return value


def _is_echo(actual: object, value: object) -> bool:
    """Return True if a field of a response equals the value in the request."""
    field = _read_integer(actual) if type(value) is int else actual
    if type(field) is not type(value):
        return False
    if type(value) is list:
        items, values = cast("list[object]", field), cast("list[object]", value)
        return len(items) == len(values) and all(map(_is_echo, items, values))
    return field == value


def _excerpt(value: object) -> str:
    return reprlib.repr(value)


# ---------------------------------------------------------------------- values


def parse_order(fields: Fields) -> Order:
    """Parse a JSON object into an Order."""
    return Order(
        fields.integer("order_id"),
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("amount"),
        fields.integer("price"),
    )


def parse_trade(fields: Fields) -> Trade:
    """Parse a JSON object into a Trade."""
    return Trade(
        fields.integer("trade_id"),
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("amount"),
        fields.integer("total_price"),
        tuple(fields.objects("fills", _parse_fill)),
    )


def parse_quote(fields: Fields) -> Quote:
    """Parse a JSON object into a Quote."""
    return Quote(
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("requested"),
        fields.integer("amount"),
        fields.integer("shortfall"),
        fields.integer("total_price"),
        fields.integer("best_price"),
        fields.integer("worst_price"),
        fields.integer("levels"),
        tuple(fields.objects("fills", _parse_fill)),
    )


def parse_depth(fields: Fields) -> tuple[PriceLevel, ...]:
    """Parse a book's price levels, best price first."""
    return tuple(fields.objects("levels", _parse_level))


def parse_instruments(fields: Fields) -> Mapping[str, Instrument]:
    """Parse the instruments, and return them by symbol."""
    pairs = fields.objects("instruments", _parse_instrument)
    instruments = dict(pairs)
    if list(instruments) != sorted(symbol for symbol, _ in pairs):
        raise MalformedError("the symbols of the instruments do not increase")
    return MappingProxyType(instruments)


def _parse_instrument(fields: Fields) -> tuple[str, Instrument]:
    try:
        instrument = Instrument(
            fields.string("tick_size"),
            fields.string("lot_size"),
            name=fields.string_or_null("name"),
            currency=fields.string_or_null("currency"),
            price_decimals=fields.integer_or_null("price_decimals"),
        )
    except InvalidArgumentError as error:
        raise MalformedError(str(error)) from None
    return fields.string("symbol"), instrument


def _parse_fill(fields: Fields) -> OrderFill:
    return OrderFill(fields.integer("order_id"), fields.integer("amount"), fields.integer("price"))


def _parse_level(fields: Fields) -> PriceLevel:
    return PriceLevel(fields.integer("price"), fields.integer("amount"), fields.integer("orders"))


# ---------------------------------------------------------------------- problems


def _exception(request: Request, response: Response) -> OmsError:
    code = problem_code(response)
    if code is None:
        raise MalformedError(f"{_excerpt(response.content)} is not an error response from the service")
    fields = _fields(response, PROBLEM_MEDIA_TYPE)
    error = _error(request, response, code, fields)
    if isinstance(fields.get("index"), int):
        error.add_note(f"raised by {fields.string('element')} {fields.integer('index')} (counted from 0)")
    return error


def _error(request: Request, response: Response, code: str, fields: Fields) -> OmsError:
    # A journal that fails does not know what an earlier attempt has stored.
    is_final = code != "journal_failed" or not response.earlier_may_have_arrived
    if code in _EXCEPTIONS and is_final:
        names = request.echoed.keys() & _ECHOED_IN_PROBLEMS.get(code, set())
        fields.check_echoed({name: request.echoed[name] for name in names})
        return _EXCEPTIONS[code](fields)
    # If the status is below 500, this attempt changed nothing, but an earlier attempt may have made the
    # change. If the status is 500 or above, this attempt may have made it too.
    key = request.key if response.status >= 500 or response.earlier_may_have_arrived else None
    return RequestRejectedError(request.name, fields.string("detail"), key, code)


_LIMIT_ERRORS: dict[str, type[LimitError]] = {
    kind.__name__: kind
    for kind in (
        AmountLimitError,
        NotionalLimitError,
        PriceCollarError,
        OpenOrdersLimitError,
        OpenAmountLimitError,
        KillSwitchError,
    )
}


def _limit(fields: Fields) -> tuple[str | None, str, int, int]:
    owner = fields.string_or_null("owner")
    return owner, fields.string("symbol"), fields.integer("limit"), fields.integer("value")


def _limit_error(fields: Fields) -> LimitError:
    name = fields.string("error")
    if name not in _LIMIT_ERRORS:
        raise MalformedError(f"error is {_excerpt(name)}, not the name of an error about limits")
    return _LIMIT_ERRORS[name](*_limit(fields))


_ECHOED_IN_PROBLEMS = {
    "duplicate_order": {"order_id"},
    "order_not_found": {"order_id"},
    "insufficient_liquidity": {"symbol", "side"},
}

_EXCEPTIONS: dict[str, Callable[[Fields], OmsError]] = {
    "invalid_order": lambda fields: InvalidOrderError(
        fields.string("field"), _read_integer(fields.get("value")), fields.string("allowed")
    ),
    "duplicate_order": lambda fields: DuplicateOrderError(fields.order_key("order_id")),
    "order_not_found": lambda fields: OrderNotFoundError(fields.order_key("order_id")),
    "limit_exceeded": _limit_error,
    "kill_switch": _limit_error,
    "rate_limited": lambda fields: RateLimitError(*_limit(fields), fields.integer("retry_at")),
    "insufficient_liquidity": lambda fields: InsufficientLiquidityError(
        fields.string("symbol"),
        fields.side("side"),
        fields.integer("requested"),
        fields.integer("available"),
        fields.unit("unit"),
    ),
    "price_bound": lambda fields: PriceBoundError(
        fields.string("field"), fields.integer("bound"), fields.integer("total_price")
    ),
    "journal_failed": lambda fields: JournalError(fields.string("place"), fields.string("problem")),
}
