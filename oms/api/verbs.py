"""The verbs of a transaction or a what-if: each calls one method of the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from oms.api.batches import Tried, VerbNotes
from oms.api.event_subjects import RESPONSE_SUBJECTS
from oms.api.first_responses import FirstResponses
from oms.api.problems import ProblemError, at_element, from_exception
from oms.api.request_models import Body
from oms.api.subjects import Added, Done, Part, Single
from oms.api.verb_models import AddOrder, AddOrders, AmendOrder, BookVerb, PlaceTrade, RemoveOrder
from oms.errors import DuplicateOrderError, OmsError
from oms.facade import Facade
from oms.management import OrderManagement

__all__ = ["BookVerbs", "Verbs", "added_ids", "arguments_of"]

V = TypeVar("V")


def added_ids(verbs: Iterable[BookVerb]) -> list[int]:
    """Return the ids of all orders that the verbs add. O(m) for m orders."""
    ids: list[int] = []
    for verb in verbs:
        match verb:
            case AddOrder(order_id=order_id):
                ids.append(order_id)
            case AddOrders(orders=orders):
                ids += [order.order_id for order in orders]
            case _:
                pass
    return ids


class Verbs(Generic[V]):
    """The verbs of one request, in order. `begin` returns a function that executes one verb per call.

    Call `make` in a transaction, and `try_out` in a what-if. A verb that fails raises ProblemError with its
    index. The caller must then roll back.
    """

    def __init__(self, books: Facade, verbs: Sequence[V], begin: Callable[[], Callable[[V], Single]]) -> None:
        self._books = books
        self.verbs = verbs
        self._begin = begin

    def make(self, notes: Callable[[Sequence[Tried]], VerbNotes], *, tries: bool) -> Done:
        """Execute all verbs, each with its note. If `tries` is True, try them out in a what-if first."""
        tried: list[Tried] = []
        if tries:
            with self._books.what_if():
                before = self._books.last_sequence
                for part in self.try_out():
                    tried.append(Tried(part.subject, part.sequence > before))
                    before = part.sequence
        return self._made(notes(tried))

    def try_out(self) -> list[Part]:
        """Execute all verbs, and return the results of the books' methods. The events have no timestamps."""
        perform, parts = self._begin(), list[Part]()
        for index, verb in enumerate(self.verbs):
            subject = _performed(perform, verb, index)
            parts.append(Part(self._books.last_sequence, None, subject))
        return parts

    def _made(self, notes: VerbNotes) -> Done:
        perform, parts = self._begin(), list[Part]()
        first = last = self._books.last_sequence
        for index, verb in enumerate(self.verbs):
            with self._books.transaction(notes.of(index, is_first=last == first)):
                subject, time = _performed(perform, verb, index), None
                event = self._books._ledger.latest_provisional
            if event is not None and event.sequence > last:
                last, time = event.sequence, event.time
                subject = RESPONSE_SUBJECTS[type(event)](event) or subject
            parts.append(Part(last, time, subject))
        return Done(tuple(parts))


def _performed(perform: Callable[[V], Single], verb: V, index: int) -> Single:
    try:
        return perform(verb)
    except OmsError as error:
        raise at_element(from_exception(error), "verb", index) from error
    except ProblemError as error:
        raise at_element(error, "verb", index) from error


class BookVerbs:
    """A callable that executes one verb per call on an OrderManagement.

    An order id can be used only once, as in `POST /orders`. The ids that this transaction adds are not
    recorded yet, so they are remembered here.
    """

    def __init__(self, om: OrderManagement, responses: FirstResponses) -> None:
        self._om = om
        self._responses = responses
        self._added: set[int] = set()

    def __call__(self, verb: BookVerb) -> Single:
        """Execute a verb, and return the subject of its response. Raise OmsError if the books reject it."""
        match verb:
            case AddOrder():
                self._claim([verb.order_id])
                self._om.add_order(*verb.order())
                return verb.order()
            case AddOrders(orders=orders):
                self._claim([order.order_id for order in orders])
                self._om.add_orders([order.order() for order in orders])
                return Added(len(orders))
            case RemoveOrder(order_id=order_id):
                order = self._om.get_order(order_id)
                self._om.remove_order(order_id)
                return order
            case AmendOrder():
                return self._om.amend_order(verb.order_id, amount=verb.amount, price=verb.price)
            case PlaceTrade():
                return self._om.place_trade(**arguments_of(verb))

    def _claim(self, order_ids: Sequence[int]) -> None:
        """Raise DuplicateOrderError if one of the ids has been used, otherwise remember them."""
        for order_id in order_ids:
            if order_id in self._added or self._responses.has_used(order_id):
                raise DuplicateOrderError(order_id)
            self._added.add(order_id)


def arguments_of(verb: Body) -> dict[str, Any]:
    """Return the fields of a verb, without its name."""
    return {name: value for name, value in vars(verb).items() if name != "verb"}
