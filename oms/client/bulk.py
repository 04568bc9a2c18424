"""Lists of orders, transactions, and what-ifs, each of which is sent as one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from oms.client.requests import Request, change_request, to_json
from oms.client.responses import Fields, MalformedError, read_response
from oms.client.retries import Exchange
from oms.client.steps import Question, Verb, checked_steps, parse_parts
from oms.contract import MOST_ORDERS, MOST_QUESTIONS, MOST_VERBS
from oms.errors import DuplicateOrderError, InvalidOrderError
from oms.frames import Frame
from oms.models import Order
from oms.order_rows import as_rows

__all__ = ["WhatIf", "add_orders", "transaction", "what_if"]


class WhatIf(NamedTuple):
    """The results that the verbs of a what-if would return, and the answers to its questions, in order."""

    results: tuple[Any, ...]
    answers: tuple[Any, ...]


def add_orders(
    orders: Iterable[Order] | Mapping[str, object] | Frame, *, idempotency_key: str | None = None
) -> Exchange[None]:
    """Add many orders at once, as `OrderManagement.add_orders` does: either all of them, or none.

    The client sends one request, with at most 10,000 orders. More orders raise InvalidOrderError before
    anything is sent. If you split them over several calls, each call adds all of its orders or none.

    The service accepts each order id only once, so it raises DuplicateOrderError if an id was used before.
    """
    rows = as_rows(orders)
    if len(rows) > MOST_ORDERS:
        allowed, remedy = f"at most {MOST_ORDERS:,} orders", "split them over several calls"
        raise InvalidOrderError("orders", f"{len(rows):,} orders", allowed, remedy)
    body: list[dict[str, object]] = [
        {name: to_json(value) for name, value in zip(Order._fields, row, strict=True)} for row in rows
    ]
    request = change_request("POST", "/orders", idempotency_key)._replace(body=body)

    def parse(fields: Fields) -> None:
        if fields.integer("count") != len(rows):
            raise MalformedError(f"count is {fields.integer('count')}, but {len(rows)} orders were sent")

    def exchange() -> Exchange[None]:
        if not rows:
            return
        response = yield request
        read_response(request, response, parse)
        # As for one order: without this request's key, another call has added the same list.
        if response.status == 200 and response.key != request.key:
            raise DuplicateOrderError(rows[0][0])

    return exchange()


def transaction(
    verbs: Iterable[Verb[Any]], *, idempotency_key: str | None = None
) -> Exchange[tuple[Any, ...]]:
    """Make several changes together, in one request: either all of them, or none. Return their results.

    A verb is a call of a function in `oms.client.verbs`. Its result is what the client's method of the same
    name returns. Each verb sees the effects of the earlier verbs.

    If a verb fails, its error is raised with a note (`__notes__`) that contains the index of the verb, and
    nothing has changed. Raises InvalidArgumentError unless there are 1 to 1,000 verbs.

    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import Client, InProcess, verbs
    >>> with Client("http://localhost", transport=InProcess(create_app(OrderManagement()))) as om:
    ...     nothing, trade = om.transaction(
    ...         [verbs.add_order(1, "JPM", Side.BUY, 20, 20), verbs.place_trade("JPM", Side.BUY, 5)]
    ...     )
    ...     trade.total_price, om.get_order(1).amount
    (100, 15)

    """
    chosen = checked_steps("verbs", verbs, Verb, 1, MOST_VERBS)
    request = change_request("POST", "/transactions", idempotency_key)
    started = [verb.start() for verb in chosen]
    request = request._replace(body={"verbs": [each.verb() for each in started]})

    def exchange() -> Exchange[tuple[Any, ...]]:
        response = yield request
        return read_response(request, response, lambda fields: parse_parts(fields, "results", started))

    return exchange()


def what_if(verbs: Iterable[Verb[Any]] = (), questions: Iterable[Question[Any]] = ()) -> Exchange[WhatIf]:
    """Answer questions as if some changes had been made, in one request. Nothing changes.

    A verb is a call of a function in `oms.client.verbs`, and a question is a call of a function in
    `oms.client.questions`. All answers come from the same state of the books. Without verbs, this is the
    current state. Without questions, the result contains only what the verbs would return.

    If a verb or a question fails, its error is raised with a note (`__notes__`) that contains its index.
    Raises InvalidArgumentError if there are more than 1,000 verbs or 200 questions. If the service has a
    MatchingEngine and the API key has an owner, raises RequestRejectedError.

    >>> from oms import OrderManagement, Side
    >>> from oms.api import create_app
    >>> from oms.client import Client, InProcess, questions, verbs
    >>> with Client("http://localhost", transport=InProcess(create_app(OrderManagement()))) as om:
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     om.add_order(4, "JPM", Side.BUY, 10, 21)
    ...     om.what_if([verbs.remove_order(1)], [questions.calculate_price("JPM", Side.BUY, 10)]).answers
    ...     om.calculate_price("JPM", Side.BUY, 10)
    (210,)
    200

    """
    made = [verb.start() for verb in checked_steps("verbs", verbs, Verb, 0, MOST_VERBS)]
    asked = [each.start() for each in checked_steps("questions", questions, Question, 0, MOST_QUESTIONS)]
    body = {"verbs": [each.verb() for each in made], "questions": [each.question() for each in asked]}
    request = Request("POST", "/what-if", body=body)

    def parse(fields: Fields) -> WhatIf:
        return WhatIf(parse_parts(fields, "results", made), parse_parts(fields, "answers", asked))

    def exchange() -> Exchange[WhatIf]:
        response = yield request
        return read_response(request, response, parse)

    return exchange()
