"""The two books of one symbol, updated from a feed. Each message is applied, or rejected and counted.

Your own orders (those that the replay did not submit) rest in the same books. Messages never change them, and
comparisons exclude them. `_recorded` contains the recorded orders, with the amounts that the messages imply.
You may reduce or remove a recorded order, for example with a trade. After that, messages can only reduce it
further.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from oms.direct_books import BestLevel, DirectBooks
from oms.errors import DuplicateOrderError, InvalidOrderError
from oms.feeds.errors import FeedError, UnknownOrderError
from oms.feeds.orders.messages import Kind, MessageRow
from oms.feeds.orders.own_orders import OwnOrders
from oms.feeds.orders.seeding import Seeds
from oms.feeds.orders.sweep import Swept, sweep
from oms.feeds.orders.tally import Tally
from oms.feeds.top_of_book import ASK, BID, Level
from oms.management import OrderManagement
from oms.models import MAX_INT, OrderFill, OrderRow, Side

__all__ = ["FollowedBook"]

_MOST_ABSENT = 100_000  # the maximum number of ids to store; out-of-order rows are never far apart
_REMOVED = "the order was already removed"
_NEVER_ACCEPTED = "the submission of the order was rejected"
_YOURS = "the id belongs to one of your own orders"


class FollowedBook:
    """The two books of one symbol in an OrderManagement, updated by messages.

    Errors contain the `path`. Unless `raises` is True, unknown orders are only counted.
    """

    def __init__(
        self, om: OrderManagement, symbol: str, seeds: Seeds, tally: Tally, path: str, *, raises: bool
    ) -> None:
        self._om = om
        self._symbol = symbol
        self._seeds = seeds
        self._tally = tally
        self._path, self._raises = path, raises
        self._instrument = om.instruments.get(symbol)
        self._books = DirectBooks(om, symbol)
        self._ledger = self._books.ledger
        self._recorded: dict[int, OrderRow] = {}
        self._own = OwnOrders(om, symbol, self._books, self._recorded)
        self._absent: dict[int, str] = {}  # order id: why to reject its rows; oldest first
        self._actions: dict[Kind, Callable[[MessageRow], None]] = {
            Kind.SUBMITTED: self._submit,
            Kind.CREATED: self._create,
            Kind.REDUCED: self._reduce,
            Kind.CHANGED: self._change,
            Kind.DELETED: self._delete,
        }
        self._has_remaining_amounts = False
        self._rested_before = self._own.ids()
        self._seed(seeds.from_the_start(), 1)

    def close(self) -> None:
        """Stop watching the books for changes."""
        self._own.close()

    def best_levels(self) -> tuple[BestLevel, BestLevel]:
        """Return the best levels of the BUY and SELL books, excluding your own orders. O(1) without them.

        If you have no orders in these books, return the same object until a level changes.
        """
        books, own = self._books, self._own
        if self._ledger.version != books.expected_version:
            own.refresh()
        if not own.orders:
            return books.best_levels()
        buy, sell = (self._own.levels_without(side, 1) for side in (ASK, BID))
        return buy[0] if buy else None, sell[0] if sell else None

    def levels(self, side: Side, count: int) -> list[Level]:
        """Return the best `count` levels on a side, best first, excluding your own orders."""
        return self._own.levels_without(side, count)

    def recorded(self, order_id: int) -> OrderRow | None:
        """Return a recorded order with the amount that the messages imply, or None if it is not resting."""
        return self._recorded.get(order_id)

    def heads_its_book(self, order: OrderRow) -> bool:
        """Return True if no recorded order has priority over this one.

        O(1) if the first order in the book is a recorded one. Otherwise O(n) for n resting orders.
        """
        order_id, _, side, _, _ = order
        first = self._books.best_order(side)
        if first is None or first[0] in self._recorded:
            return first is not None and first[0] == order_id
        queue = self._om.orders(self._symbol, side)
        return next((each[0] for each in queue if each[0] in self._recorded), None) == order_id

    # ------------------------------------------------------------------ one message

    def apply(self, message: MessageRow) -> None:
        """Apply a message other than an execution. O(log n) for n resting orders.

        Raise UnknownOrderError if the order is unknown and `raises` is True. Raise FeedError if the tick size
        or lot size of the symbol has changed.
        """
        if self._ledger.version != self._books.expected_version:
            self._check_sizes(message[0])
            self._own.refresh()
        action = self._actions.get(message[2])
        if action is not None:
            action(message)

    def _submit(self, message: MessageRow) -> None:
        row, _, _, order_id, side, amount, price = message
        if order_id > self._seeds.next_id:
            self._seed(self._seeds.before(order_id), row)
        if self._add((order_id, self._symbol, side, amount, price), row):
            if order_id in self._absent:
                del self._absent[order_id]
        elif order_id not in self._om:
            self._add_absent(order_id, _NEVER_ACCEPTED)
        elif order_id in self._own:
            self._add_absent(order_id, _YOURS)

    def _create(self, message: MessageRow) -> None:
        self._has_remaining_amounts = True
        if self._absent.get(message[3]) == _REMOVED:
            self._reject("the order was created after its removal", message[0])
        else:
            self._submit(message)

    def _reduce(self, message: MessageRow) -> None:
        order = self._resting(message)
        if order is None:
            return
        row, _, _, _, _, amount, _ = message
        _, _, _, resting, _ = order
        if 1 <= amount <= resting:
            self._set_amount(order, resting - amount)
        else:
            self._reject("the cancellation exceeds the resting amount or is less than 1 lot", row)

    def _change(self, message: MessageRow) -> None:
        row, _, _, _, _, amount, _ = message
        if amount == 0:
            self._delete(message)
            return
        order = self._resting(message)
        if order is None:
            return
        if 1 <= amount <= MAX_INT:
            self._set_amount(order, amount)
        else:
            self._reject("the new amount is invalid", row)

    def _delete(self, message: MessageRow) -> None:
        order = self._resting(message)
        row, _, _, order_id, _, amount, _ = message
        if order is not None:
            if not self._has_remaining_amounts and amount != order[3]:
                self._tally.contradictions.add("the deleted amount is not the resting amount", row)
            self._set_amount(order, 0)
        elif order_id not in self._om:
            self._add_absent(order_id, _REMOVED)

    # ------------------------------------------------------------------ executions of one sweep

    def fills_of(self, executions: Sequence[MessageRow]) -> list[OrderFill]:
        """Return the fills that can be applied to the book, and count the rejected executions.

        This does not change the amounts of recorded orders. Raise UnknownOrderError if an order is unknown
        and `raises` is True. Raise FeedError if the tick size or lot size of the symbol has changed.
        """
        self._check_sizes(executions[0][0])
        self._own.refresh()
        remaining: dict[int, int] = {}
        fills: list[OrderFill] = []
        for message in executions:
            order = self._resting(message)
            if order is None:
                continue
            row, _, _, order_id, _, executed, price = message
            available = remaining.get(order_id, order[3])
            if not 1 <= executed <= available:
                self._reject("the execution exceeds the resting amount or is less than 1 lot", row)
            amount = min(executed, available)
            if amount >= 1:
                remaining[order_id] = available - amount
                fills.append(OrderFill(order_id, amount, price))
        return fills

    def execute(self, side: Side, fills: Sequence[OrderFill], whole: bool) -> Swept | None:
        """Apply a sweep, and compare its cost and fills with the published ones.

        If the book can apply the `whole` sweep, place a trade. Otherwise, a trade would also fill other
        orders. In that case, only reduce the orders in `fills`, and return a `Swept` that reports unequal
        cost and fills. If something other than the replay has reduced one of these orders, there is nothing
        to compare with, so return None. O(k log n) for k fills and n resting orders.
        """
        orders = {fill.order_id: self._recorded[fill.order_id] for fill in fills}
        untouched = self._own.are_alone or all(map(self._is_untouched, orders.values()))
        if whole and untouched:
            swept = sweep(self._om, self._symbol, side, fills, self._own)
            for order_id, _, _ in swept.own_fills:
                if order_id not in self._om:
                    self._own.release(order_id)
            for fill in fills:
                order = self._recorded[fill.order_id]
                self._note(order, order[3] - fill.amount)
            return swept
        for fill in fills:
            order = self._recorded[fill.order_id]
            self._set_amount(order, order[3] - fill.amount)
        return Swept(equal_cost=False, equal_fills=False) if untouched else None

    # ------------------------------------------------------------------ resting orders

    def _resting(self, message: MessageRow) -> OrderRow | None:
        """Return the recorded order for a message. If there is none, count the message and return None."""
        row, _, _, order_id, side, _, _ = message
        order = self._recorded.get(order_id)
        if order is None:
            self._add_unseen(message)
            order = self._recorded.get(order_id)
        if order is not None:
            if order[2] is not side:
                self._reject("the order is in another book", row)
                return None
            if not (self._own.are_alone or self._is_untouched(order)):
                self._tally.taken_from.add(order_id)
            return order
        if order_id in self._own:
            self._reject(_YOURS, row)
        elif order_id in self._om:
            self._reject("the order is in another book", row)
        else:
            self._miss(message)
        return None

    def _add_unseen(self, message: MessageRow) -> None:
        """Seed an unknown order. If it was resting before the replay, treat it as recorded instead."""
        row, _, _, order_id, side, _, _ = message
        if order_id in self._rested_before and order_id in self._own:
            order = self._om.get_order(order_id)
            if order.side is side:
                self._own.release(order_id)
                self._recorded[order_id] = order
        elif order_id not in self._om:
            seed = self._seeds.take(order_id)
            if seed is not None:
                self._seed((seed,), row)

    def _is_untouched(self, order: OrderRow) -> bool:
        """Return True if only the replay has reduced or removed this recorded order."""
        return self._own.are_alone or self._current_amount(order) == order[3]

    def _current_amount(self, order: OrderRow) -> int:
        """Return a recorded order's current amount, which your own trades may have reduced."""
        order_id = order[0]
        return self._om.get_order(order_id).amount if order_id in self._om else 0

    def _set_amount(self, order: OrderRow, amount: int) -> None:
        """Set a recorded order's amount. If your trades have already reduced it, never increase it."""
        self._note(order, amount)
        if not self._books.set_amount(order, amount):
            self._reduce_to(order[0], min(self._current_amount(order), amount))

    def _reduce_to(self, order_id: int, amount: int) -> None:
        """Reduce an order that your trades have already reduced."""
        if amount:
            self._om.amend_order(order_id, amount=amount)
        elif order_id in self._om:
            self._om.remove_order(order_id)

    def _note(self, order: OrderRow, amount: int) -> None:
        """Store the amount that the messages imply for a recorded order."""
        order_id, symbol, side, _, price = order
        if amount:
            self._recorded[order_id] = (order_id, symbol, side, amount, price)
        else:
            del self._recorded[order_id]
            self._add_absent(order_id, _REMOVED)

    def _miss(self, message: MessageRow) -> None:
        row, _, kind, order_id, _, _, _ = message
        reason = self._absent.get(order_id)
        if reason is not None:
            self._reject(reason, row)
        elif self._raises:
            raise UnknownOrderError(self._path, row, f"order {order_id} is {kind} but was never submitted")
        else:
            self._tally.unknown.add(order_id)

    def _seed(self, orders: Iterable[OrderRow], row: int) -> None:
        for order in orders:
            self._tally.unknown.add(order[0])
            self._tally.seeded += self._add(order, row)

    def _add(self, order: OrderRow, row: int) -> bool:
        order_id = order[0]
        if order_id in self._recorded:
            self._reject("an order with this id is already resting", row)
            return False
        # Store the order first, so that its event does not count it as one of your own.
        self._recorded[order_id] = order
        try:
            self._books.add(order)
        except InvalidOrderError:
            self._reject("the id, amount, or price is invalid", row)
        except DuplicateOrderError:
            self._reject(_YOURS if order_id in self._own else "an order with this id is already resting", row)
        else:
            return True
        del self._recorded[order_id]
        return False

    def _add_absent(self, order_id: int, reason: str) -> None:
        absent = self._absent
        if order_id in absent:
            del absent[order_id]
        absent[order_id] = reason
        if len(absent) > _MOST_ABSENT:
            # Only an OrderedDict removes its oldest key in O(1). Below the limit, a dict is faster.
            if not isinstance(absent, OrderedDict):
                self._absent = absent = OrderedDict(absent)
            absent.popitem(last=False)

    def _check_sizes(self, row: int) -> None:
        """Raise FeedError if the tick size or lot size of the symbol has changed. O(1).

        Otherwise, the prices and amounts of later messages would be in different units than the books.
        """
        known, before = self._om._books.instruments.get(self._symbol), self._instrument
        if known is before:
            return
        if known is not None:
            if before is not None and (known.tick, known.lot) != (before.tick, before.lot):
                problem = (
                    f"the tick size and lot size of {self._symbol!r} were {before.tick_size} and "
                    f"{before.lot_size} before, and are now {known.tick_size} and {known.lot_size}; do not "
                    "change them during a replay"
                )
                raise FeedError(self._path, row, problem)
            self._instrument = known

    def _reject(self, reason: str, row: int) -> None:
        self._tally.rejections.add(reason, row)
