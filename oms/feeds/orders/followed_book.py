"""The two books of one symbol, updated from a feed. Each message is applied, or rejected and counted.

Orders that the replay did not submit (your own orders) rest in the same books. Messages never change your
orders, and comparisons exclude them. `_recorded` contains the recorded orders with their amounts according to
the messages. You may reduce or remove a recorded order, for example with a trade. Messages can then only
reduce it further.
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

_MOST_ABSENT = 100_000  # the maximum number of ids to store; rows out of order arrive soon
_REMOVED = "the order was already removed"
_NEVER_ACCEPTED = "the submission of the order was rejected"
_YOURS = "the id belongs to one of your own orders"


class FollowedBook:
    """The two books of one symbol in an OrderManagement, updated by messages.

    `raise_in` is the path to name in an UnknownOrderError. If it is None, unknown orders are only counted.
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
        self._absent: dict[int, str] = {}  # by order id, the reason to reject rows; oldest first
        self._actions: dict[Kind, Callable[[Message], None]] = {
            Kind.SUBMITTED: self._submit,
            Kind.CREATED: self._create,
            Kind.REDUCED: self._reduce,
            Kind.CHANGED: self._change,
            Kind.DELETED: self._delete,
        }
        self._has_remaining_amounts = False
        self._stop = self._own.listen()
        self._rested_before = self._own.ids()
        self._seed(seeds.from_the_start(), 1)

    def close(self) -> None:
        """Unsubscribe from the events of the OrderManagement."""
        self._stop()

    def best(self, side: Side) -> Level | None:
        """Return the best level without your orders. O(log n) if none of your orders is on this side."""
        levels = self._own.levels_without(side, 1)
        return levels[0] if levels else None

    def best_price(self, side: Side) -> int | None:
        """Return the best price, excluding your own orders. O(1) if none of your orders is on this side."""
        if not self._own.rest_on(side):
            return self._om.best_price(self._symbol, side)
        best = self.best(side)
        return None if best is None else best.price

    def levels(self, side: Side, count: int) -> list[Level]:
        """Return the best `count` levels of a side, best first, excluding your own orders."""
        return self._own.levels_without(side, count)

    def recorded(self, order_id: int) -> Order | None:
        """Return a recorded order with its amount according to the messages, or None if it is not resting."""
        return self._recorded.get(order_id)

    def heads_its_book(self, order: Order) -> bool:
        """Return True if no recorded order has priority over this one. O(n) for n resting orders."""
        queue = self._om.orders(self._symbol, order.side)
        first = next((each for each in queue if each.order_id in self._recorded), None)
        return first is not None and first.order_id == order.order_id

    # ------------------------------------------------------------------ one message

    def apply(self, message: Message) -> None:
        """Apply a message other than an execution. Raise UnknownOrderError. O(log n) for n resting orders."""
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
            self._add_absent(message.order_id, _NEVER_ACCEPTED)
        elif message.order_id in self._own:
            self._add_absent(message.order_id, _YOURS)

    def _create(self, message: Message) -> None:
        self._has_remaining_amounts = True
        if self._absent.get(message.order_id) == _REMOVED:
            self._reject("the order was created after its removal", message.row)
        else:
            self._submit(message)

    def _reduce(self, message: Message) -> None:
        order = self._resting(message)
        if order is None:
            return
        if 1 <= message.amount <= order.amount:
            self._set_amount(order, order.amount - message.amount)
        else:
            self._reject("the cancellation exceeds the resting amount or is less than 1 lot", message.row)

    def _change(self, message: Message) -> None:
        if message.amount == 0:
            self._delete(message)
            return
        order = self._resting(message)
        if order is None:
            return
        if 1 <= message.amount <= MAX_INT:
            self._set_amount(order, message.amount)
        else:
            self._reject("the new amount is invalid", message.row)

    def _delete(self, message: Message) -> None:
        order = self._resting(message)
        if order is not None:
            if message.amount != order.amount and not self._has_remaining_amounts:
                self._tally.contradictions.add("the deleted amount is not the resting amount", message.row)
            self._set_amount(order, 0)
        elif message.order_id not in self._om:
            self._add_absent(message.order_id, _REMOVED)

    # ------------------------------------------------------------------ executions of one sweep

    def fills_of(self, executions: Iterable[Message]) -> list[OrderFill]:
        """Return the fills that can be applied to the book, and count the rejected executions.

        The book is not changed.

        Raise UnknownOrderError if an order is unknown and `raise_in` is set.
        """
        self._own.refresh()
        remaining: dict[int, int] = {}
        fills: list[OrderFill] = []
        for message in executions:
            order = self._resting(message)
            if order is None:
                continue
            available = remaining.get(order.order_id, order.amount)
            if not 1 <= message.amount <= available:
                self._reject("the execution exceeds the resting amount or is less than 1 lot", message.row)
            amount = min(message.amount, available)
            if amount >= 1:
                remaining[order.order_id] = available - amount
                fills.append(OrderFill(order.order_id, amount, message.price))
        return fills

    def execute(self, side: Side, fills: Sequence[OrderFill], whole: bool) -> Swept | None:
        """Apply a sweep, and compare its cost and fills with the published ones.

        If the book can apply the `whole` sweep, place a trade. Otherwise a trade would also fill other
        orders, so reduce only the orders of these fills and return a `Swept` that reports no equality. If
        something other than the replay has reduced one of these orders, no comparison is possible, so return
        None. O(k log n) for k fills and n resting orders.
        """
        orders = {fill.order_id: self._recorded[fill.order_id] for fill in fills}
        untouched = all(self._current_amount(order) == order.amount for order in orders.values())
        if whole and untouched:
            swept = sweep(self._om, self._symbol, side, fills, self._own)
            for fill in fills:
                self._note(self._recorded[fill.order_id], self._recorded[fill.order_id].amount - fill.amount)
            return swept
        for fill in fills:
            self._set_amount(
                self._recorded[fill.order_id], self._recorded[fill.order_id].amount - fill.amount
            )
        return Swept(equal_cost=False, equal_fills=False) if untouched else None

    # ------------------------------------------------------------------ resting orders

    def _resting(self, message: Message) -> Order | None:
        """Return a message's recorded order. If there is none, count the message and return None."""
        order_id = message.order_id
        if order_id not in self._recorded:
            self._add_unseen(message)
        order = self._recorded.get(order_id)
        if order is not None:
            if order.side is not message.side:
                self._reject("the order is in another book", message.row)
                return None
            if self._current_amount(order) != order.amount:
                self._tally.taken_from.add(order_id)
            return order
        if order_id in self._own:
            self._reject(_YOURS, message.row)
        elif order_id in self._om:
            self._reject("the order is in another book", message.row)
        else:
            self._miss(message)
        return None

    def _add_unseen(self, message: Message) -> None:
        """Seed an unknown order, or treat an order that was resting before the replay as a recorded one."""
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

    def _current_amount(self, order: Order) -> int:
        """Return a recorded order's current amount, which your own trades may have reduced."""
        return self._om.get_order(order.order_id).amount if order.order_id in self._om else 0

    def _set_amount(self, order: Order, amount: int) -> None:
        """Set a recorded order's amount, but never increase it once your trades have reduced it."""
        current = self._current_amount(order)
        target = amount if current == order.amount else min(current, amount)
        self._note(order, amount)
        if target == current:
            return
        if target:
            self._om.amend_order(order.order_id, amount=target)
        else:
            self._om.remove_order(order.order_id)

    def _note(self, order: Order, amount: int) -> None:
        """Store a recorded order's amount according to the messages."""
        if amount:
            self._recorded[order.order_id] = order._replace(amount=amount)
        else:
            del self._recorded[order.order_id]
            self._add_absent(order.order_id, _REMOVED)

    def _miss(self, message: Message) -> None:
        reason = self._absent.get(message.order_id)
        if reason is not None:
            self._reject(reason, message.row)
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
            self._reject("an order with this id is already resting", row)
            return False
        self._recorded[order.order_id] = (
            order  # stored first, so that its event does not make it one of your orders
        )
        try:
            self._om.add_order(*order)
        except InvalidOrderError:
            self._reject("the id, amount, or price is invalid", row)
        except DuplicateOrderError:
            self._reject(
                _YOURS if order.order_id in self._own else "an order with this id is already resting", row
            )
        else:
            return True
        del self._recorded[order.order_id]
        return False

    def _add_absent(self, order_id: int, reason: str) -> None:
        self._absent.pop(order_id, None)
        self._absent[order_id] = reason
        if len(self._absent) > _MOST_ABSENT:
            del self._absent[next(iter(self._absent))]

    def _reject(self, reason: str, row: int) -> None:
        self._tally.rejections.add(reason, row)
