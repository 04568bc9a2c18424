"""A naive reference for the service's lists, transactions, and what-ifs: it copies everything first."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from oms import DuplicateOrderError, OmsError, Order, Side, Trade
from support.reference import Reference

Json = dict[str, Any]

QUESTIONS = {
    "price": ("calculate_price", "total_price"),
    "prices": ("calculate_prices", "total_prices"),
    "amount": ("calculate_amount", "amount"),
    "available": ("available_amount", "amount"),
    "within": ("amount_within", "amount"),
    "best_price": ("best_price", "price"),
}
"""Questions, each with the method that answers it and the field of the answer."""


class FailedError(Exception):
    """An error of one verb or question, with its index."""

    def __init__(self, element: str, index: int, error: OmsError) -> None:
        super().__init__(element, index, error)
        self.element = element
        self.index = index
        self.error = error


class NaiveService:
    """The resting orders, the number of the last event, and all ids that were ever used."""

    def __init__(self) -> None:
        self.books = Reference()
        self.sequence = 0
        self.used: set[int] = set()
        self.lists: dict[tuple[Order, ...], Json] = {}

    def add_list(self, orders: Sequence[Order]) -> Json:
        """Add a list of orders, or raise DuplicateOrderError. The same list again gets the same response."""
        if tuple(orders) not in self.lists:
            for order in orders:
                if order.order_id in self.used:
                    raise DuplicateOrderError(order.order_id)
            self._use([order.order_id for order in orders])
            self.books.add_orders(orders)
            self.sequence += 1
            response = {"sequence": self.sequence, "time": None, "count": len(orders)}
            self.lists[tuple(orders)] = response
        return self.lists[tuple(orders)]

    def transact(self, verbs: Sequence[Json]) -> Json:
        """Execute all verbs, or raise FailedError and change nothing."""
        tried, results = deepcopy(self), []
        for index, verb in enumerate(verbs):
            try:
                results.append(tried._make(verb))
            except OmsError as error:
                raise FailedError("verb", index, error) from None
        vars(self).update(vars(tried))
        return {"sequence": self.sequence, "time": None, "results": results}

    def what_if(self, verbs: Sequence[Json], questions: Sequence[Json]) -> Json:
        """Return the results of the verbs and the answers, and change nothing."""
        tried, answers = deepcopy(self), []
        results = tried.transact(verbs)["results"]
        for index, question in enumerate(questions):
            try:
                answers.append(tried._answer(question))
            except OmsError as error:
                raise FailedError("question", index, error) from None
        return {"sequence": self.sequence, "results": results, "answers": answers}

    def _use(self, order_ids: Sequence[int]) -> None:
        used = set(self.used)
        for order_id in order_ids:
            if order_id in used:
                raise DuplicateOrderError(order_id)
            used.add(order_id)
        self.used = used

    def _make(self, verb: Json) -> Json:
        fields = {name: value for name, value in verb.items() if name != "verb"}
        before = self.books.orders(), self.books.next_trade_id
        result: Json
        match verb["verb"]:
            case "add_order":
                order = order_of(fields)
                self._use([order.order_id])
                self.books.add_orders([order])
                result = json_of(order)
            case "add_orders":
                orders = [order_of(each) for each in fields["orders"]]
                self._use([order.order_id for order in orders])
                self.books.add_orders(orders)
                result = {"count": len(orders)}
            case "remove_order":
                result = json_of(self.books.get_order(verb["order_id"]))
                self.books.remove_order(verb["order_id"])
            case "amend_order":
                amount, price = fields.get("amount"), fields.get("price")
                result = json_of(self.books.amend_order(verb["order_id"], amount=amount, price=price))
            case _:
                result = json_of(self.books.place_trade(**(fields | {"side": Side(fields["side"])})))
        self.sequence += (self.books.orders(), self.books.next_trade_id) != before
        return {"verb": verb["verb"], "sequence": self.sequence, "time": None, **result}

    def _answer(self, question: Json) -> Json:
        name = question["question"]
        fields = {field: value for field, value in question.items() if field != "question"}
        arguments = fields | ({"side": Side(fields["side"])} if fields else {})
        if name in QUESTIONS:
            method, field = QUESTIONS[name]
            return {**question, field: getattr(self.books, method)(**arguments)}
        if name == "count":
            return {"question": name, "count": len(self.books.resting)}
        if name == "symbols":
            return {"question": name, "symbols": list(self.books.symbols())}
        book = {"question": name, "symbol": fields["symbol"], "side": fields["side"]}
        if name == "depth":
            return {**book, "levels": [level._asdict() for level in self.books.depth(**arguments)]}
        if name == "curve":
            return {**book, **self.books.price_curve(**arguments)}
        quote = self.books.quote(**arguments)
        fills = [fill._asdict() for fill in quote.fills]
        return {**book, **quote._asdict(), "side": fields["side"], "fills": fills, "slippage": quote.slippage}


def order_of(fields: Json) -> Order:
    """Return the order in a JSON object."""
    return Order(**(fields | {"side": Side(fields["side"])}))


def json_of(value: Order | Trade) -> Json:
    """Return an order or a trade as a JSON object."""
    fields = {**value._asdict(), "side": value.side.value}
    return (
        fields | {"fills": [fill._asdict() for fill in value.fills]} if isinstance(value, Trade) else fields
    )
