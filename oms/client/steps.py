"""Verbs and questions: parts of one request that are written like the methods of a client.

A verb or a question wraps an operation of the client. The operation yields the request that it would send on
its own. This request becomes a part of the body. The matching part of the response then goes back to the
operation, which checks and parses it like the response to its own request.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_type_hints

from oms.client.errors import UnexpectedResponseError
from oms.client.requests import Request, to_json
from oms.client.responses import Fields, MalformedError, Response
from oms.client.retries import Exchange
from oms.errors import InvalidArgumentError

__all__ = ["Question", "Started", "Verb", "as_question", "as_verb", "checked_steps", "parse_parts"]

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

_OPTIONS_OF_REQUESTS = {
    "idempotency_key": "the whole transaction has one key",
    "shard": "the symbols and orders of the whole transaction are in one shard",
}
"""The options of a client's methods that a part of a request cannot have, each with the reason."""


class _Step(Generic[T]):
    """A call of an operation, which can be started any number of times."""

    def __init__(self, operation: Callable[..., Exchange[T]], *args: Any, **options: Any) -> None:
        for option, reason in _OPTIONS_OF_REQUESTS.items():
            if option in options:
                raise InvalidArgumentError(option, options[option], f"left out, because {reason}")
        self._operation = operation
        self._args: tuple[Any, ...] = tuple(map(_kept, args))
        self._options = options
        operation(*self._args, **options)  # raises an error if an argument is invalid

    @property
    def name(self) -> str:
        """The name of the client's method."""
        return self._operation.__name__

    def start(self) -> Started[T]:
        """Start the operation, up to its request."""
        exchange = self._operation(*self._args, **self._options)
        return Started(self.name, exchange, next(exchange))

    def __repr__(self) -> str:
        arguments = [*map(repr, self._args), *(f"{name}={value!r}" for name, value in self._options.items())]
        return f"{type(self).__name__.lower()}s.{self.name}({', '.join(arguments)})"


def _kept(value: object) -> object:
    """Return an iterator as a tuple, which can be read more than once. Return other values unchanged."""
    return tuple(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


class Verb(_Step[T]):
    """A change for `transaction` or `what_if`. The functions in `oms.client.verbs` return verbs.

    A verb sends nothing itself, and you can use it several times.

    >>> from oms import Side
    >>> from oms.client import verbs
    >>> verbs.place_trade("JPM", Side.BUY, 5)
    verbs.place_trade('JPM', <Side.BUY: 'BUY'>, 5)

    """


class Question(_Step[T]):
    """A question for `what_if`. The functions in `oms.client.questions` return questions.

    >>> from oms import Side
    >>> from oms.client import questions
    >>> questions.calculate_price("JPM", Side.BUY, 5)
    questions.calculate_price('JPM', <Side.BUY: 'BUY'>, 5)

    """


class Started(Generic[T]):
    """An operation that has yielded its request, and waits for its part of the response."""

    def __init__(self, name: str, exchange: Exchange[T], request: Request) -> None:
        self._name = name
        self._exchange = exchange
        self._request = request

    def verb(self) -> dict[str, object]:
        """Return the verb as a JSON object."""
        request = self._request
        if isinstance(request.body, list):
            return {"verb": self._name, "orders": request.body}
        is_about_order = request.path.startswith("/orders/")
        order_id = {"order_id": to_json(request.echoed["order_id"])} if is_about_order else {}
        return {"verb": self._name, **order_id, **dict(request.query), **(request.body or {})}

    def question(self) -> dict[str, object]:
        """Return the question as a JSON object. The question's name is the path of the query."""
        return {"question": self._request.path[1:].replace("-", "_"), **self._request.parameters}

    def finish(self, fields: Fields) -> T:
        """Return the result of the operation. Raise MalformedError if its part does not match the request."""
        content = json.dumps(fields.values).encode()
        try:
            self._exchange.send(Response(201, "application/json", content, self._request.key))
        except StopIteration as stop:
            result: T = stop.value
            return result
        except UnexpectedResponseError as error:
            raise MalformedError(f"{self._name}: {error.reason}") from None
        raise AssertionError(f"{self._name} has sent a second request")


def as_verb(operation: Callable[P, Exchange[T]]) -> Callable[P, Verb[T]]:
    """Return a function that takes an operation's arguments and returns a verb."""
    return _function(operation, Verb, "Return the verb that does what the method `{}` does.")


def as_question(operation: Callable[P, Exchange[T]]) -> Callable[P, Question[T]]:
    """Return a function that takes an operation's arguments and returns a question."""
    return _function(operation, Question, "Return the question that asks what the method `{}` returns.")


def _function(operation: Callable[P, Exchange[T]], kind: Callable[..., S], doc: str) -> Callable[P, S]:
    def step(*args: P.args, **options: P.kwargs) -> S:
        return kind(operation, *args, **options)

    hints = {**get_type_hints(operation), "return": kind}
    for option in _OPTIONS_OF_REQUESTS:
        hints.pop(option, None)
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(operation).parameters.items()
        if name in hints
    ]
    signature = inspect.Signature(parameters, return_annotation=kind)
    step.__signature__ = signature  # type: ignore[attr-defined]  # inspect and Sphinx read this attribute
    step.__annotations__ = hints
    step.__name__ = step.__qualname__ = operation.__name__
    step.__doc__ = doc.format(operation.__name__)
    return step


def checked_steps(field: str, steps: Iterable[S], kind: type[S], least: int, most: int) -> Sequence[S]:
    """Return the steps as a tuple. Raise InvalidArgumentError for a wrong number or a wrong value."""
    given: tuple[object, ...] = tuple(steps) if isinstance(steps, Iterable) else (steps,)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may ignore types
    for step in given:
        if not isinstance(step, kind):
            allowed = f"a {kind.__name__} from oms.client.{field}"
            raise InvalidArgumentError(field, step, allowed)
    if not least <= len(given) <= most:
        raise InvalidArgumentError(field, f"{len(given)} {field}", f"{least} to {most:,} {field}")
    return tuple(step for step in given if isinstance(step, kind))


def parse_parts(fields: Fields, name: str, started: Sequence[Started[Any]]) -> tuple[Any, ...]:
    """Return the result of each operation from its part of a list in the response."""
    fields.check_length(name, len(started))
    parts = fields.objects(name, lambda part: part)
    return tuple(step.finish(part) for step, part in zip(started, parts, strict=True))
