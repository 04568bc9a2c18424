"""The door that changes come in at: each is made once, however often it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

from oms.api.problems import Refusal
from oms.api.remembered import First, Memory, note_of, reply_of
from oms.api.request_models import NewTrade
from oms.errors import JournalError, OmsError
from oms.journal import ReplyKeeper
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["Done", "Door"]


class Done(NamedTuple):
    """A change that was made: now, or, if `replayed`, when it was first asked for.

    `own` says whether it was this request that made it, be it when it came first under its key.
    """

    sequence: int
    subject: Order | Trade
    replayed: bool = False
    own: bool = True


class Door:
    """Makes changes, each in a transaction whose note says what must be remembered of it.

    Whether it was made before is looked up under the lock that it would be made under. So of two
    that come at once one is made, and the other waits and is told what the first was told; and what
    is remembered is durable with the change itself.
    """

    def __init__(self, om: OrderManagement, memory: Memory) -> None:
        self._om = om
        self._memory = memory

    def once(
        self, key: str | None, request: tuple[object, ...], act: Callable[[], Order | Trade | First]
    ) -> Done:
        """Do what a request under a key (None: as often as it comes) asks for.

        Raises RuntimeError where a subscriber refuses what was done: that is no refusal of the request.
        """
        digest = _digest(request)
        done: Done | None = None
        try:
            with self._om.transaction(note_of(key, digest)):
                done = self._done(key, digest, act)
        except OmsError as error:
            if done is None or isinstance(error, JournalError):
                raise
            raise RuntimeError("a subscriber failed after the change was made") from error
        return done

    def _done(self, key: str | None, digest: str, act: Callable[[], Order | Trade | First]) -> Done:
        first = None if key is None else self._memory.under(key)
        if first is not None:
            if first.request != digest:
                detail = "the Idempotency-Key was used for another request"
                raise Refusal("idempotency_key_reused", detail)
            return Done(first.sequence, first.subject, replayed=True, own=first.own)
        before = self._om.last_sequence
        made = act()
        after = self._om.last_sequence
        done = (
            Done(made.sequence, made.subject, replayed=True, own=False)
            if isinstance(made, First)
            else Done(after, made)
        )
        if key is not None and after == before:  # no event will carry it
            self._keep(key, First(done.sequence, done.subject, digest, done.own))
        return done

    def _keep(self, key: str, first: First) -> None:
        """Remember an answer that no event carries, in the journal before anybody is given it."""
        if isinstance(self._om.journal, ReplyKeeper):
            self._om.journal.keep_reply(reply_of(key, first))
        self._memory.keep(key, first)

    def add(self, order: Order, key: str | None) -> Done:
        """Rest an order whose id was never used here; the very same order again is answered as before."""

        def act() -> Order | First:
            first = self._memory.added(order)
            if first is None:
                self._om.add_order(*order)
            return first or order

        return self.once(key, ("POST", "/orders", *order), act)

    def remove(self, order_id: int, key: str | None) -> Done:
        """Take a resting order out."""

        def act() -> Order:
            order = self._om.get_order(order_id)
            self._om.remove_order(order_id)
            return order

        return self.once(key, ("DELETE", "/orders", order_id), act)

    def amend(self, order_id: int, amount: int | None, price: int | None, key: str | None) -> Done:
        """Change what rests of an order, its price, or both."""

        def act() -> Order:
            return self._om.amend_order(order_id, amount=amount, price=price)

        return self.once(key, ("PATCH", "/orders", order_id, amount, price), act)

    def trade(self, asked: NewTrade, key: str | None) -> Done:
        """Trade against the book."""

        def act() -> Trade:
            return self._om.place_trade(**vars(asked))

        return self.once(key, ("POST", "/trades", *vars(asked).values()), act)


def _digest(request: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()[:32]
