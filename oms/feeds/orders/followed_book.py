"""The two books of one symbol, as they follow a feed: every message is applied, or counted as why not.

Orders that the replay did not submit (yours) rest in the same books. A message never touches them, and what
is compared leaves them out. `_recorded` holds the recording's own orders as the messages leave them. An order
of it that somebody else has shrunk or removed stays shrunk: a message then only ever lowers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from oms.errors import DuplicateOrderError, InvalidOrderError
from oms.feeds.errors import UnknownOrderError
from oms.feeds.orders.messages import Kind, Message
from oms.feeds.orders.own_orders import OwnOrders
from oms.feeds.orders.seeding import Seeds
from oms.feeds.orders.sweep import Swept, sweep
from oms.feeds.orders.tally import Tally
from oms.feeds.top_of_book import Level
from oms.management import OrderManagement
from oms.models import MAX_INT, Order, OrderFill, Side

__all__ = ["FollowedBook"]

_REMEMBERED = 100_000  # ids that rest no more, or never could; rows that come late are late by milliseconds
_GONE = "about an order that is gone"
_NEVER_HELD = "about an order that no book could hold"
_YOURS = "an id that an own order has"


class FollowedBook:
    """The two books of one symbol, changed by messages through the verbs of an OrderManagement.

    `raise_in` is the path to name in an UnknownOrderError; None counts unknown orders and goes on.
    """

    def __init__(
        self, om: OrderManagement, symbol: str, seeds: Seeds, tally: Tally, raise_in: str | None
    ) -> None:
        self._om = om
        self._symbol = symbol
        self._seeds = seeds
        self._tally = tally
        self._raise_in = raise_in
        self._recorded: dict[int, Order] = {}
        self._own = OwnOrders(om, symbol, self._recorded)
        self._absent: dict[int, str] = {}  # why rows about them are refused; the latest are the last
        self._actions: dict[Kind, Callable[[Message], None]] = {
            Kind.SUBMITTED: self._submit,
            Kind.CREATED: self._create,
            Kind.REDUCED: self._reduce,
            Kind.CHANGED: self._change,
            Kind.DELETED: self._delete,
        }
        self._says_what_is_left = False
        self._stop = self._own.listen()
        self._rested_before = self._own.ids()
        self._seed(seeds.from_the_start(), 1)

    def close(self) -> None:
        """Stop listening to the events of the OrderManagement."""
        self._stop()

    def best(self, side: Side) -> Level | None:
        """Return the recording's best level of a side, in O(log n) if no order of yours rests there."""
        levels = self._own.levels_without(side, 1)
        return levels[0] if levels else None

    def best_price(self, side: Side) -> int | None:
        """Return the recording's best price of a side, in O(1) if no order of yours rests there."""
        if not self._own.rest_on(side):
            return self._om.best_price(self._symbol, side)
        best = self.best(side)
        return None if best is None else best.price

    def levels(self, side: Side, count: int) -> list[Level]:
        """List the recording's best `count` levels of a side, best first."""
        return self._own.levels_without(side, count)

    def recorded(self, order_id: int) -> Order | None:
        """Return an order of the recording as its messages leave it, None if it does not rest."""
        return self._recorded.get(order_id)

    def heads_its_book(self, order: Order) -> bool:
        """Return True if no order of the recording is before this one in its book. O(n)."""
        queue = self._om.orders(self._symbol, order.side)
        first = next((each for each in queue if each.order_id in self._recorded), None)
        return first is not None and first.order_id == order.order_id

    # ------------------------------------------------------------------ one message

    def apply(self, message: Message) -> None:
        """Apply a message other than an execution, in O(log n); raises UnknownOrderError."""
        self._own.refresh()
        action = self._actions.get(message.kind)
        if action is not None:
            action(message)

    def _submit(self, message: Message) -> None:
        self._seed(self._seeds.before(message.order_id), message.row)
        order = Order(message.order_id, self._symbol, message.side, message.amount, message.price)
        if self._add(order, message.row):
            self._absent.pop(message.order_id, None)
        elif message.order_id not in self._om:
            self._remember_absent(message.order_id, _NEVER_HELD)
        elif message.order_id in self._own:
            self._remember_absent(message.order_id, _YOURS)

    def _create(self, message: Message) -> None:
        self._says_what_is_left = True
        if self._absent.get(message.order_id) == _GONE:
            self._refuse("created after it was gone", message.row)
        else:
            self._submit(message)

    def _reduce(self, message: Message) -> None:
        order = self._resting(message)
        if order is None:
            return
        if 1 <= message.amount <= order.amount:
            self._leave(order, order.amount - message.amount)
        else:
            self._refuse("a cancel of more than rests, or of nothing", message.row)

    def _change(self, message: Message) -> None:
        if message.amount == 0:
            self._delete(message)
            return
        order = self._resting(message)
        if order is None:
            return
        if 1 <= message.amount <= MAX_INT:
            self._leave(order, message.amount)
        else:
            self._refuse("a change to an amount that no order can have", message.row)

    def _delete(self, message: Message) -> None:
        order = self._resting(message)
        if order is not None:
            if message.amount != order.amount and not self._says_what_is_left:
                self._tally.contradictions.add("a deletion of another amount than rests", message.row)
            self._leave(order, 0)
        elif message.order_id not in self._om:
            self._remember_absent(message.order_id, _GONE)

    # ------------------------------------------------------------------ a run of executions

    def fills_of(self, executions: Iterable[Message]) -> list[OrderFill]:
        """Return the fills that the book can apply, and count the other executions; the book is unchanged.

        Raises UnknownOrderError.
        """
        self._own.refresh()
        left: dict[int, int] = {}
        fills: list[OrderFill] = []
        for message in executions:
            order = self._resting(message)
            if order is None:
                continue
            rest = left.get(order.order_id, order.amount)
            if not 1 <= message.amount <= rest:
                self._refuse("an execution of more than rests, or of nothing", message.row)
            amount = min(message.amount, rest)
            if amount >= 1:
                left[order.order_id] = rest - amount
                fills.append(OrderFill(order.order_id, amount, message.price))
        return fills

    def execute(self, side: Side, fills: Sequence[OrderFill], whole: bool) -> Swept | None:
        """Trade as the exchange did, and return how equal that was. O(k log n) for k fills.

        If the fills are not the `whole` of the sweep, they are taken from their orders, and nothing is equal:
        a trade would take from others what unknown orders gave. If somebody else has taken from these
        orders, there is no trade to compare: None.
        """
        orders = {fill.order_id: self._recorded[fill.order_id] for fill in fills}
        untouched = all(self._amount_here(order) == order.amount for order in orders.values())
        if whole and untouched:
            swept = sweep(self._om, self._symbol, side, fills, self._own)
            for fill in fills:
                self._note(self._recorded[fill.order_id], self._recorded[fill.order_id].amount - fill.amount)
            return swept
        for fill in fills:
            self._leave(self._recorded[fill.order_id], self._recorded[fill.order_id].amount - fill.amount)
        return Swept(equal_cost=False, equal_fills=False) if untouched else None

    # ------------------------------------------------------------------ resting orders

    def _resting(self, message: Message) -> Order | None:
        """The recording's order that a message is about; None, counted, if there is none in its book."""
        order_id = message.order_id
        if order_id not in self._recorded:
            self._find_unseen(message)
        order = self._recorded.get(order_id)
        if order is not None:
            if order.side is not message.side:
                self._refuse("about an order of another book", message.row)
                return None
            if self._amount_here(order) != order.amount:
                self._tally.taken_from.add(order_id)
            return order
        if order_id in self._own:
            self._refuse(_YOURS, message.row)
        elif order_id in self._om:
            self._refuse("about an order of another book", message.row)
        else:
            self._miss(message)
        return None

    def _find_unseen(self, message: Message) -> None:
        """Seed an unseen order, or take over one that rested before the replay began."""
        order_id = message.order_id
        if order_id in self._rested_before and order_id in self._own:
            order = self._om.get_order(order_id)
            if order.side is message.side:
                self._own.release(order_id)
                self._recorded[order_id] = order
        elif order_id not in self._om:
            seed = self._seeds.take(order_id)
            if seed is not None:
                self._seed((seed,), message.row)

    def _amount_here(self, order: Order) -> int:
        """Return the resting amount of a recorded order; other traders may have filled a part of it."""
        return self._om.get_order(order.order_id).amount if order.order_id in self._om else 0

    def _leave(self, order: Order, amount: int) -> None:
        """Let so much of an order of the recording rest, at most what is here if somebody else took some."""
        here = self._amount_here(order)
        target = amount if here == order.amount else min(here, amount)
        self._note(order, amount)
        if target == here:
            return
        if target:
            self._om.amend_order(order.order_id, amount=target)
        else:
            self._om.remove_order(order.order_id)

    def _note(self, order: Order, amount: int) -> None:
        """Record the amount of an order that the recording leaves."""
        if amount:
            self._recorded[order.order_id] = order._replace(amount=amount)
        else:
            del self._recorded[order.order_id]
            self._remember_absent(order.order_id, _GONE)

    def _miss(self, message: Message) -> None:
        reason = self._absent.get(message.order_id)
        if reason is not None:
            self._refuse(reason, message.row)
        elif self._raise_in is not None:
            problem = f"order {message.order_id} is {message.kind} but was never submitted"
            raise UnknownOrderError(self._raise_in, message.row, problem)
        else:
            self._tally.unknown.add(message.order_id)

    def _seed(self, orders: Iterable[Order], row: int) -> None:
        for order in orders:
            self._tally.unknown.add(order.order_id)
            self._tally.seeded += self._add(order, row)

    def _add(self, order: Order, row: int) -> bool:
        if order.order_id in self._recorded:
            self._refuse("an id that rests already", row)
            return False
        self._recorded[order.order_id] = order  # before its event is heard
        try:
            self._om.add_order(*order)
        except InvalidOrderError:
            self._refuse("an id, amount or price that no order can have", row)
        except DuplicateOrderError:
            self._refuse(_YOURS if order.order_id in self._own else "an id that rests already", row)
        else:
            return True
        del self._recorded[order.order_id]
        return False

    def _remember_absent(self, order_id: int, reason: str) -> None:
        self._absent.pop(order_id, None)
        self._absent[order_id] = reason
        if len(self._absent) > _REMEMBERED:
            del self._absent[next(iter(self._absent))]

    def _refuse(self, reason: str, row: int) -> None:
        self._tally.refusals.add(reason, row)
