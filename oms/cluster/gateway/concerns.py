"""The symbols and orders that a request's body names: new orders, and orders that must already exist.

The gateway parses the bodies with the models of the service. So it rejects exactly the bodies that a worker
would reject as invalid, with the same error, and before any order id is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from oms.api.body_lists import checked_by
from oms.api.orders import one_or_many
from oms.api.problems import from_exception
from oms.api.question_models import (
    CountQuestion,
    EngineWhatIfBody,
    Question,
    SymbolsQuestion,
    WhatIfBody,
)
from oms.api.request_models import DayEnd, NewOrder, NewSubmission, NewTrade, Reduction
from oms.api.verb_models import (
    AddOrder,
    AddOrders,
    AmendOrder,
    BookVerb,
    Cancel,
    CancelAll,
    EngineTransactionBody,
    EngineVerb,
    PlaceTrade,
    Reduce,
    RemoveOrder,
    Replace,
    Submit,
    TransactionBody,
)
from oms.errors import InvalidOrderError
from oms.submission import OrderId
from oms.submission_checks import check_submission

__all__ = ["BOOKS_READERS", "Concerns", "ENGINE_READERS", "Reader"]


class Concerns(NamedTuple):
    """The symbols and orders that a body names, in the order of the body.

    `added` contains the ids of new orders, and `orders` the ids of orders that must already exist.
    `everything` names a part of the body that concerns all symbols, or is None.
    """

    symbols: tuple[str, ...] = ()
    added: tuple[OrderId, ...] = ()
    orders: tuple[OrderId, ...] = ()
    everything: str | None = None


Reader = Callable[[Any], Concerns]
"""A function that reads the content of a body. It raises ProblemError if the content is invalid."""

_TRADE, _SUBMISSION, _REDUCTION = checked_by(NewTrade), checked_by(NewSubmission), checked_by(Reduction)
_DAY_END, _TRANSACTION, _WHAT_IF = checked_by(DayEnd), checked_by(TransactionBody), checked_by(WhatIfBody)
_ENGINE_TRANSACTION, _ENGINE_WHAT_IF = checked_by(EngineTransactionBody), checked_by(EngineWhatIfBody)


def _orders(content: Any) -> Concerns:
    orders = one_or_many(content)
    return _of_orders([orders] if isinstance(orders, NewOrder) else orders)


def _of_orders(orders: Iterable[NewOrder]) -> Concerns:
    pairs = [(order.symbol, order.order_id) for order in orders]
    return Concerns(tuple(dict.fromkeys(symbol for symbol, _ in pairs)), tuple(each for _, each in pairs))


def _trade(content: Any) -> Concerns:
    return Concerns((_TRADE(content).symbol,))


def _submission(content: Any) -> Concerns:
    return _of_submission(_SUBMISSION(content))


def _of_submission(order: NewSubmission) -> Concerns:
    try:
        check_submission(order.submission())
    except InvalidOrderError as error:
        raise from_exception(error) from None
    return Concerns((order.symbol,), (order.order_id,))


def _reduction(content: Any) -> Concerns:
    return Concerns(orders=(_REDUCTION(content).order_id,))


def _day_end(content: Any) -> Concerns:
    symbol: str | None = _DAY_END(content).symbol
    return Concerns() if symbol is None else Concerns((symbol,))


def _transaction(content: Any) -> Concerns:
    return _all_of(map(_of_verb, _TRANSACTION(content).verbs))


def _what_if(content: Any) -> Concerns:
    body: WhatIfBody = _WHAT_IF(content)
    return _all_of([*map(_of_verb, body.verbs), *map(_of_question, body.questions)])


def _engine_transaction(content: Any) -> Concerns:
    return _all_of(map(_of_verb, _ENGINE_TRANSACTION(content).verbs))


def _engine_what_if(content: Any) -> Concerns:
    body: EngineWhatIfBody = _ENGINE_WHAT_IF(content)
    return _all_of([*map(_of_verb, body.verbs), *map(_of_question, body.questions)])


def _of_verb(verb: BookVerb | EngineVerb) -> Concerns:
    match verb:
        case AddOrders(orders=orders):
            return _of_orders(orders)
        case AddOrder() | Submit():
            return Concerns((verb.symbol,), (verb.order_id,))
        case RemoveOrder() | AmendOrder() | Replace() | Reduce() | Cancel():
            return Concerns(orders=(verb.order_id,))
        case PlaceTrade(symbol=str(symbol)) | CancelAll(symbol=str(symbol)):
            return Concerns((symbol,))
        case _:
            return Concerns(everything="cancel_all without a symbol")


def _of_question(question: Question) -> Concerns:
    if isinstance(question, SymbolsQuestion | CountQuestion):
        return Concerns(everything=f"the question {question.question}")
    return Concerns((question.symbol,))


def _all_of(parts: Iterable[Concerns]) -> Concerns:
    """Return the symbols and orders of all parts together. O(n) for n symbols and orders."""
    symbols: dict[str, None] = {}
    added: list[OrderId] = []
    orders: list[OrderId] = []
    everything = None
    for part in parts:
        symbols |= dict.fromkeys(part.symbols)
        added += part.added
        orders += part.orders
        everything = everything or part.everything
    return Concerns(tuple(symbols), tuple(added), tuple(orders), everything)


BOOKS_READERS: Final[Mapping[str, Reader]] = {
    "/orders": _orders,
    "/trades": _trade,
    "/transactions": _transaction,
    "/what-if": _what_if,
}
"""The readers of the bodies of an OrderManagement's requests, by path."""

ENGINE_READERS: Final[Mapping[str, Reader]] = {
    "/submissions": _submission,
    "/reductions": _reduction,
    "/day-ends": _day_end,
    "/transactions": _engine_transaction,
    "/what-if": _engine_what_if,
}
"""The readers of the bodies of a MatchingEngine's requests, by path."""
