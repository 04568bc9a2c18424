"""The two books of one symbol, as they follow a feed: every message is applied, or counted as why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from oms.errors import DuplicateOrderError, InvalidOrderError
from oms.feeds.errors import UnknownOrderError
from oms.feeds.messages import Kind, Level, Message
from oms.feeds.seeding import Seeds
from oms.feeds.sweep import Swept, sweep, take
from oms.feeds.tally import Tally
from oms.management import OrderManagement
from oms.models import MAX_INT, Order, OrderFill, Side

__all__ = ["FollowedBook"]

_REMEMBERED = 100_000  # ids that rest no more, or never could; rows that come late are late by milliseconds
_GONE = "about an order that is gone"
_NEVER_HELD = "about an order that no book could hold"


class FollowedBook:
    """Applies messages through the verbs of an OrderManagement.

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
        self._absent: dict[int, str] = {}  # why rows about them are refused; the latest are the last
        self._actions: dict[Kind, Callable[[Message], None]] = {
            Kind.SUBMITTED: self._submit,
            Kind.CREATED: self._create,
            Kind.REDUCED: self._reduce,
            Kind.CHANGED: self._change,
            Kind.DELETED: self._delete,
        }
        self._says_what_is_left = False
        self._seed(seeds.from_the_start(), 1)

    def best(self, side: Side) -> Level | None:
        """The best price of a side and all that rests there, in O(log n)."""
        levels = self._om.depth(self._symbol, side, 1)
        return Level(levels[0].price, levels[0].amount) if levels else None

    # ------------------------------------------------------------------ one message

    def apply(self, message: Message) -> None:
        """Apply a message other than an execution, in O(log n); raises UnknownOrderError."""
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
            self._take(message.order_id, message.amount)
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
            self._om.amend_order(message.order_id, amount=message.amount)
        else:
            self._refuse("a change to an amount that no order can have", message.row)

    def _delete(self, message: Message) -> None:
        order = self._resting(message)
        if order is not None:
            if message.amount != order.amount and not self._says_what_is_left:
                self._tally.contradictions.add("a deletion of another amount than rests", message.row)
            self._take(message.order_id, order.amount)
        elif message.order_id not in self._om:
            self._remember_absent(message.order_id, _GONE)

    # ------------------------------------------------------------------ a run of executions

    def fills_of(self, executions: Iterable[Message]) -> list[OrderFill]:
        """Say what of a run of executions the book can follow, and count the rest; nothing is taken yet.

        Raises UnknownOrderError.
        """
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

    def execute(self, side: Side, fills: Sequence[OrderFill], whole: bool) -> Swept:
        """Trade as the exchange did; say what was equal. O(k log n) for k fills.

        If the fills are not the `whole` of the sweep, they are taken from their orders, and nothing is equal:
        a trade would take from others what unknown orders gave.
        """
        if whole:
            swept = sweep(self._om, self._symbol, side, fills)
        else:
            swept = Swept(equal_cost=False, equal_fills=False)
            for fill in fills:
                take(self._om, fill.order_id, fill.amount)
        for fill in fills:
            if fill.order_id not in self._om:
                self._remember_absent(fill.order_id, _GONE)
        return swept

    # ------------------------------------------------------------------ what rests

    def _resting(self, message: Message) -> Order | None:
        """The order that a message is about; None, counted, if there is none in its book."""
        order_id = message.order_id
        if order_id not in self._om:
            seed = self._seeds.take(order_id)
            if seed is not None:
                self._seed((seed,), message.row)
        if order_id not in self._om:
            self._miss(message)
            return None
        order = self._om.get_order(order_id)
        if (order.symbol, order.side) != (self._symbol, message.side):
            self._refuse("about an order of another book", message.row)
            return None
        return order

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
        try:
            self._om.add_order(*order)
        except InvalidOrderError:
            self._refuse("an id, amount or price that no order can have", row)
        except DuplicateOrderError:
            self._refuse("an id that rests already", row)
        else:
            return True
        return False

    def _take(self, order_id: int, amount: int) -> None:
        take(self._om, order_id, amount)
        if order_id not in self._om:
            self._remember_absent(order_id, _GONE)

    def _remember_absent(self, order_id: int, reason: str) -> None:
        self._absent.pop(order_id, None)
        self._absent[order_id] = reason
        if len(self._absent) > _REMEMBERED:
            del self._absent[next(iter(self._absent))]

    def _refuse(self, reason: str, row: int) -> None:
        self._tally.refusals.add(reason, row)
