"""Random requests to the HTTP service of an OrderManagement, without HTTP, and what the service remembers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from oms import Event, Journal, OmsError, OrderManagement, Side
from oms.api.feed import Tape
from oms.api.first_responses import FirstResponses
from oms.api.idempotency import Change, IdempotentChanges
from oms.api.problems import ProblemError
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.restoring import restore
from oms.api.transactions import BulkChanges
from oms.api.verb_models import AddOrder, AmendOrder, BookVerb, PlaceTrade
from support.sessions import noon

__all__ = ["STEPS", "Service", "Step", "memory", "naive_memory"]

SYMBOLS = ("IBM", "JPM")
KINDS = ["add", "add", "add", "remove", "amend", "trade", "trade", "list", "transaction", "other"]


class Step(NamedTuple):
    """A request. `other` is a change by other code in the process. The same key may be used for others."""

    kind: str
    order_id: int
    amount: int
    price: int
    key: str | None


STEPS = st.builds(
    Step,
    st.sampled_from(KINDS),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(18, 22),
    st.none() | st.sampled_from([f"k{number}" for number in range(12)]),
)


class Service:
    """The part of the service that makes changes, with what it remembers."""

    def __init__(self, journal: Journal | None) -> None:
        self.om = OrderManagement(journal, clock=noon)
        self.responses, self.tape = FirstResponses(), Tape()
        restore(self.om, self.responses, self.tape)
        self._changes = IdempotentChanges(self.om, self.responses)
        self._bulk = BulkChanges(self.om, self.responses, self._changes.once)

    def send(self, step: Step) -> Any:
        """Return the response to a request, or the message of its error."""
        try:
            change = self._send(step)
        except (OmsError, ProblemError) as error:
            return str(error)
        return None if change is None else (change.sequence, change.subject, change.made_change, change.time)

    def _send(self, step: Step) -> Change | None:  # noqa: PLR0911 - one for each kind
        kind, order_id, amount, price, key = step
        book: dict[str, Any] = {"symbol": SYMBOLS[order_id % 2], "side": Side.BUY, "amount": amount}
        order = {"order_id": order_id, **book, "price": price}
        match kind:
            case "add":
                return self._changes.add(NewOrder(**order), key)
            case "remove":
                return self._changes.remove(order_id, key)
            case "amend":
                return self._changes.amend(order_id, Amendment(amount=amount), key)
            case "trade":
                return self._changes.trade(NewTrade(**book), key)
            case "list":
                return self._bulk.add_list(
                    [NewOrder(**order), NewOrder(**order | {"order_id": order_id + 12})], key
                )
            case "transaction":
                verbs: list[BookVerb] = [
                    AddOrder(verb="add_order", **order),
                    AmendOrder(verb="amend_order", order_id=order_id, amount=5),
                    PlaceTrade(verb="place_trade", **book | {"amount": 1}),
                ]
                return self._bulk.transaction(verbs, key)
            case _:
                self.om.add_order(order_id, SYMBOLS[order_id % 2], Side.BUY, amount, price)
                return None


def memory(responses: FirstResponses, tape: Tape) -> dict[str, Any]:
    """Return everything that the service remembers."""
    names = ("sequence", "_last", "_by_order_id", "_by_key", "_restored_replies")
    trades = {symbol: tape.last(symbol) for symbol in (None, *SYMBOLS)}
    return {**{name: getattr(responses, name) for name in names}, "trades": trades}


def naive_memory(events: Iterable[Event], replies: Iterable[str]) -> dict[str, Any]:
    """Return what a service remembers that has read all events and then all replies."""
    responses, tape = FirstResponses(), Tape()
    for event in events:
        responses(event)
        tape(event)
    for reply in replies:
        responses.record_reply(reply)
    return memory(responses, tape)
