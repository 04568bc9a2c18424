"""What an answer of the service means: the value, or the exception, that the library would have given."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, cast

from oms.client.errors import RequestRefusedError, UnexpectedAnswerError
from oms.client.requests import Request
from oms.contract import PROBLEM_MEDIA_TYPE, PROBLEMS
from oms.errors import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidOrderError,
    JournalError,
    OmsError,
    OrderNotFoundError,
    PriceBoundError,
)
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade

__all__ = [
    "Answer",
    "Fields",
    "as_depth",
    "as_order",
    "as_quote",
    "as_trade",
    "code_of",
    "read",
    "unexpected",
]

T = TypeVar("T")


class Answer(NamedTuple):
    """What came back, from whomever; `in_doubt` if an earlier attempt may have been served."""

    status: int
    media_type: str
    content: bytes
    key: str | None = None
    in_doubt: bool = False


class _NotUnderstoodError(Exception):
    """A part of an answer is not what it has to be."""


class Fields:
    """The fields of a JSON object, each read as the type that it must have."""

    def __init__(self, found: object) -> None:
        if not isinstance(found, dict):
            raise _NotUnderstoodError(f"{_excerpt(found)} is no JSON object")
        self._found = cast("dict[str, Any]", found)

    def _get(self, name: str, kind: type[T]) -> T:
        value = self._found.get(name)
        if type(value) is not kind:  # a true is no 1, and a 1.0 is none either
            raise _NotUnderstoodError(f"{name} is {_excerpt(value)}, not {kind.__name__}")
        return value

    def _list(self, name: str, kind: type[T]) -> list[T]:
        values = cast("list[T]", self._get(name, list))
        if not set(map(type, values)) <= {kind}:
            raise _NotUnderstoodError(f"{name} is {_excerpt(values)}, not a list of {kind.__name__}")
        return values

    def whole(self, name: str) -> int:
        """An int of any size."""
        return self._get(name, int)

    def whole_or_null(self, name: str) -> int | None:
        """An int of any size, or None; it has to be there."""
        return None if name in self._found and self._found[name] is None else self.whole(name)

    def wholes(self, name: str) -> list[int]:
        """A list of int of any size."""
        return self._list(name, int)

    def text(self, name: str) -> str:
        """A str."""
        return self._get(name, str)

    def texts(self, name: str) -> list[str]:
        """A list of str."""
        return self._list(name, str)

    def side(self, name: str) -> Side:
        """A member of Side."""
        try:
            return Side(self.text(name))
        except ValueError as error:
            raise _NotUnderstoodError(str(error)) from None

    def unit(self, name: str) -> Literal["amount", "money"]:
        """What a shortage is counted in."""
        match self.text(name):
            case "amount" | "money" as unit:
                return unit
            case other:
                raise _NotUnderstoodError(f"{name} is {other!r}")

    def each(self, name: str, parse: Callable[[Fields], T]) -> list[T]:
        """A list of objects, each parsed."""
        return [parse(Fields(found)) for found in cast("list[object]", self._get(name, list))]

    def check_repeated(self, expected: Mapping[str, object]) -> None:
        """Check that each of these fields has the value that the request gave it."""
        for name, value in expected.items():
            found = self._found.get(name)
            if type(found) is not type(value) or found != value:
                raise _NotUnderstoodError(f"{name} is {_excerpt(found)}, but {_excerpt(value)} was asked")

    def check_at_most(self, name: str, most: int) -> None:
        """Check that a field is an int in 1..most."""
        if not 1 <= self.whole(name) <= most:
            raise _NotUnderstoodError(f"{name} is {_excerpt(self._found[name])}, but {most} was asked")

    def check_length(self, name: str, length: int) -> None:
        """Check how long a list is."""
        if len(cast("list[object]", self._get(name, list))) != length:
            raise _NotUnderstoodError(f"{name} is not a list of {length}")

    def anything(self, name: str) -> object:
        """Whatever is there, None if nothing is."""
        return self._found.get(name)


def read(request: Request, answer: Answer, parse: Callable[[Fields], T]) -> T:
    """What the answer to a request says; raises the exception that it is, or UnexpectedAnswerError."""
    try:
        if answer.status not in (200, 201):
            raise _refusal(request, answer)
        fields = _fields(answer, "application/json")
        fields.check_repeated(request.repeated)
        return parse(fields)
    except _NotUnderstoodError as error:
        raise unexpected(request, answer, str(error)) from None


def unexpected(request: Request, answer: Answer, reason: str) -> UnexpectedAnswerError:
    """The error that an answer is which cannot be understood."""
    return UnexpectedAnswerError(request.name, f"status {answer.status}, but {reason}", request.key)


def code_of(answer: Answer) -> str | None:
    """The code of the problem that an answer is, if the service could have said it."""
    try:
        code = _fields(answer, PROBLEM_MEDIA_TYPE).text("code")
    except _NotUnderstoodError:
        return None
    return code if code in PROBLEMS else None


def _fields(answer: Answer, media_type: str) -> Fields:
    if answer.media_type != media_type:
        raise _NotUnderstoodError(f"{answer.media_type or 'nothing'} instead of {media_type}")
    try:
        return Fields(json.loads(answer.content))
    except (ValueError, RecursionError):
        raise _NotUnderstoodError(f"{_excerpt(answer.content)} is no JSON") from None


def _excerpt(value: object) -> str:
    return reprlib.repr(value)


# ---------------------------------------------------------------------- values


def as_order(found: Fields) -> Order:
    """An order."""
    return Order(
        found.whole("order_id"),
        found.text("symbol"),
        found.side("side"),
        found.whole("amount"),
        found.whole("price"),
    )


def as_trade(found: Fields) -> Trade:
    """A trade."""
    return Trade(
        found.whole("trade_id"),
        found.text("symbol"),
        found.side("side"),
        found.whole("amount"),
        found.whole("total_price"),
        tuple(found.each("fills", _as_fill)),
    )


def as_quote(found: Fields) -> Quote:
    """A quote."""
    return Quote(
        found.text("symbol"),
        found.side("side"),
        found.whole("requested"),
        found.whole("amount"),
        found.whole("shortfall"),
        found.whole("total_price"),
        found.whole("best_price"),
        found.whole("worst_price"),
        found.whole("levels"),
        tuple(found.each("fills", _as_fill)),
    )


def as_depth(found: Fields) -> tuple[PriceLevel, ...]:
    """Price levels."""
    return tuple(found.each("levels", _as_level))


def _as_fill(found: Fields) -> OrderFill:
    return OrderFill(found.whole("order_id"), found.whole("amount"), found.whole("price"))


def _as_level(found: Fields) -> PriceLevel:
    return PriceLevel(found.whole("price"), found.whole("amount"), found.whole("orders"))


# ---------------------------------------------------------------------- problems


def _refusal(request: Request, answer: Answer) -> OmsError:
    code = code_of(answer)
    if code is None:
        raise _NotUnderstoodError(f"{_excerpt(answer.content)} is no problem of the service's")
    found = _fields(answer, PROBLEM_MEDIA_TYPE)
    if code in _EXCEPTIONS:
        names = request.repeated.keys() & _REPEATED_IN_PROBLEMS.get(code, set())
        found.check_repeated({name: request.repeated[name] for name in names})
        return _EXCEPTIONS[code](found)
    # Otherwise it was refused before it was tried.
    key = request.key if answer.status >= 500 or answer.in_doubt else None
    return RequestRefusedError(request.name, found.text("detail"), key, code)


_REPEATED_IN_PROBLEMS = {
    "duplicate_order": {"order_id"},
    "order_not_found": {"order_id"},
    "insufficient_liquidity": {"symbol", "side"},
}

_EXCEPTIONS: dict[str, Callable[[Fields], OmsError]] = {
    "invalid_order": lambda found: InvalidOrderError(
        found.text("field"), found.anything("value"), found.text("allowed")
    ),
    "duplicate_order": lambda found: DuplicateOrderError(found.whole("order_id")),
    "order_not_found": lambda found: OrderNotFoundError(found.whole("order_id")),
    "insufficient_liquidity": lambda found: InsufficientLiquidityError(
        found.text("symbol"),
        found.side("side"),
        found.whole("requested"),
        found.whole("available"),
        found.unit("unit"),
    ),
    "price_bound": lambda found: PriceBoundError(
        found.text("field"), found.whole("bound"), found.whole("total_price")
    ),
    "journal_failed": lambda found: JournalError(found.text("place"), found.text("problem")),
}
