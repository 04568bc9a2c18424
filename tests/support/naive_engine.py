"""A naive matching engine: one list of open orders, searched again for every lot that trades.

The position in the list is the time priority. An order that loses its priority moves to the end of the list.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidOrderError,
    OrderFill,
    OrderNotFoundError,
    Side,
)
from oms.submission import (
    CancelReason,
    Execution,
    OpenOrder,
    OrderId,
    PostOnly,
    QueueAhead,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)

__all__ = ["NaiveEngine", "NaiveOrder"]

BUY = Side.BUY
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(eq=False)
class NaiveOrder:
    """An open order. `shown` lots of the `remaining` lots are visible, or none while the order waits."""

    order: Submission
    remaining: int
    shown: int
    price: int | None
    filled: int = 0

    @property
    def order_id(self) -> OrderId:
        return self.order.order_id

    def as_open_order(self) -> OpenOrder:
        return OpenOrder(self.order, self.filled, self.remaining, self.shown, self.price)


State = tuple[list[NaiveOrder], dict[str, int]]


class NaiveEngine:
    """The verbs of a MatchingEngine, written as simply as possible."""

    def __init__(self, prevention: SelfTradePrevention = SelfTradePrevention.NONE) -> None:
        self.prevention = prevention
        self.open: list[NaiveOrder] = []
        self.last_prices: dict[str, int] = {}
        self.executions: list[Execution] = []  # of the last verb that could trade

    def save(self) -> State:
        return [copy(each) for each in self.open], dict(self.last_prices)

    def restore(self, state: State) -> None:
        self.open, self.last_prices = state

    # ------------------------------------------------------------------ verbs

    def submit(self, order: Submission) -> Execution:
        if any(each.order_id == order.order_id for each in self.open):
            raise DuplicateOrderError(order.order_id)
        return self._arrive(order, 0)

    def replace(self, order_id: OrderId, *, amount: int | None = None, price: int | None = None) -> Execution:
        """Cancel an order and submit it again. A stop order that was triggered is not a stop order now."""
        old = self._find(order_id)
        order = old.order._replace(amount=amount or old.remaining, price=price or old.order.price)
        if old.shown:
            order = order._replace(stop_price=None)
        self.open.remove(old)
        return self._arrive(order, old.filled)

    def reduce(self, order_id: OrderId, amount: int) -> OpenOrder:
        order = self._find(order_id)
        if amount >= order.remaining:
            raise InvalidOrderError("amount", amount, "less")
        self._reduce(order, amount)
        return order.as_open_order()

    def cancel(self, order_id: OrderId) -> OpenOrder:
        order = self._find(order_id)
        self.open.remove(order)
        return order.as_open_order()

    def cancel_all(
        self, symbol: str | None = None, side: Side | None = None, owner: str | None = None
    ) -> tuple[OpenOrder, ...]:
        return self._cancel(
            [
                each
                for each in self.open
                if (symbol is None or each.order.symbol == symbol)
                and (side is None or each.order.side == side)
                and (owner is None or each.order.owner == owner)
            ]
        )

    def expire(self, now: int) -> tuple[OpenOrder, ...]:
        due = [each for each in self.open if each.order.expires is not None and each.order.expires <= now]
        return self._cancel(sorted(due, key=lambda each: each.order.expires or 0))

    def end_day(self, symbol: str | None = None) -> tuple[OpenOrder, ...]:
        return self._cancel(
            [
                each
                for each in self.open
                if each.order.time_in_force == TimeInForce.DAY
                and (symbol is None or each.order.symbol == symbol)
            ]
        )

    # ------------------------------------------------------------------ questions

    def order(self, order_id: OrderId) -> OpenOrder:
        return self._find(order_id).as_open_order()

    def queue_ahead(self, order_id: OrderId) -> QueueAhead:
        order = self._find(order_id)
        if not order.shown:
            raise InvalidOrderError("order_id", order_id, "resting")
        queue = [
            each for each in self.queue(order.order.symbol, order.order.side) if each.price == order.price
        ]
        ahead = [each.shown for each in queue[: queue.index(order)]]
        return QueueAhead(len(ahead), sum(ahead))

    def orders(self, symbol: str, side: Side, owner: str | None) -> tuple[OpenOrder, ...]:
        return tuple(
            each.as_open_order()
            for each in self.open
            if each.order[1:3] == (symbol, side) and owner in (None, each.order.owner)
        )

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        """Return the price of visible lots."""
        prices = [each.price or 0 for each in self.queue(symbol, side.opposite) for _ in range(each.shown)]
        if len(prices) < amount:
            raise InsufficientLiquidityError(symbol, side, amount, len(prices))
        return sum(prices[:amount])

    def queue(self, symbol: str, side: Side) -> list[NaiveOrder]:
        """Return the resting orders of a submitter's side, in the order in which they are filled."""
        resting = [
            each
            for each in self.open
            if each.shown and (each.order.symbol, each.order.side) == (symbol, side)
        ]
        return sorted(resting, key=lambda each: -(each.price or 0) if side is BUY else (each.price or 0))

    # ------------------------------------------------------------------ matching

    def _arrive(self, order: Submission, filled: int) -> Execution:
        last = self.last_prices.get(order.symbol)
        if order.stop_price is not None and (last is None or not triggers(last, order)):
            self.open.append(NaiveOrder(order, order.amount, 0, order.price, filled))
            self.executions = [result(order, [], resting=order.amount)]
            return self.executions[0]
        executions: list[Execution] = []
        arriving = [(order, filled)]
        for each, already_filled in arriving:
            executions.append(self._execute(each, already_filled))
            prices = [fill.price for fill in executions[-1].fills]
            for waiting in [other for other in self.open if not other.shown]:
                if waiting.order.symbol == order.symbol and any(
                    triggers(price, waiting.order) for price in prices
                ):
                    self.open.remove(waiting)
                    arriving.append((waiting.order._replace(amount=waiting.remaining), waiting.filled))
            if prices:
                self.last_prices[order.symbol] = prices[-1]
        self.executions = executions
        return executions[0]

    def _execute(self, order: Submission, filled: int) -> Execution:
        price, crossed = order.price, self._makers(order)
        if crossed and order.post_only is not None:
            best = crossed[0].price or 0
            price = best - 1 if order.side is BUY else best + 1
            if order.post_only is PostOnly.REJECT or not 1 <= price < 2**63:
                return result(order, [], canceled=order.amount, reason=CancelReason.POST_ONLY)
            self._rest(order, order.amount, price, filled)
            return result(order, [], resting=order.amount)
        before = self.save()
        fills, prevented = self._take(order)
        remaining = order.amount - sum(fill.amount for fill in fills) - prevented
        if order.time_in_force is TimeInForce.FOK and (prevented or remaining):
            self.restore(before)
            return result(order, [], canceled=order.amount, reason=CancelReason.FILL_OR_KILL)
        reason = CancelReason.SELF_TRADE if prevented else None
        if remaining and (price is None or order.time_in_force in IMMEDIATE):
            return result(order, fills, canceled=prevented + remaining, reason=CancelReason.NO_LIQUIDITY)
        if remaining:
            self._rest(order, remaining, price, filled + order.amount - prevented - remaining)
        return result(order, fills, resting=remaining, canceled=prevented, reason=reason)

    def _take(self, order: Submission) -> tuple[list[OrderFill[OrderId]], int]:
        """Return the fills, and how much of the order self-trade prevention cancels."""
        fills: list[OrderFill[OrderId]] = []
        remaining, prevented = order.amount, 0
        while remaining and (makers := self._makers(order)):
            maker = makers[0]
            if (
                self.prevention is SelfTradePrevention.NONE
                or order.owner in (None, "")
                or (maker.order.owner != order.owner)
            ):
                amount = min(remaining, maker.shown)
                fills.append(OrderFill(maker.order_id, amount, maker.price or 0))
                self._fill(maker, amount)
                remaining -= amount
            else:
                amount = self._prevent(maker, remaining)
                prevented, remaining = prevented + amount, remaining - amount
        return fills, prevented

    def _makers(self, order: Submission) -> list[NaiveOrder]:
        """Return the orders that an incoming order may trade with, in the order in which they are filled."""
        return [
            each
            for each in self.queue(order.symbol, order.side.opposite)
            if order.price is None
            or ((each.price or 0) <= order.price if order.side is BUY else (each.price or 0) >= order.price)
        ]

    def _fill(self, maker: NaiveOrder, amount: int) -> None:
        maker.shown -= amount
        maker.remaining -= amount
        maker.filled += amount
        if not maker.shown:
            self.open.remove(maker)
            if maker.remaining:
                maker.shown = min(maker.order.display or 0, maker.remaining)
                self.open.append(maker)

    def _prevent(self, own: NaiveOrder, remaining: int) -> int:
        """Apply self-trade prevention. Return how much of the incoming order is canceled."""
        if self.prevention is SelfTradePrevention.CANCEL_NEWEST:
            return remaining
        if self.prevention is SelfTradePrevention.DECREMENT:
            amount = min(remaining, own.remaining)
            if amount < own.remaining:
                self._reduce(own, amount)
            else:
                self.open.remove(own)
            return amount
        self.open.remove(own)
        return 0 if self.prevention is SelfTradePrevention.CANCEL_OLDEST else remaining

    def _rest(self, order: Submission, remaining: int, price: int | None, filled: int) -> None:
        shown = min(remaining, order.display or remaining)
        self.open.append(NaiveOrder(order, remaining, shown, price, filled))

    def _reduce(self, order: NaiveOrder, amount: int) -> None:
        """Reduce an order. The lots that are not visible go first."""
        order.remaining -= amount
        order.shown = min(order.shown, order.remaining)

    def _cancel(self, orders: list[NaiveOrder]) -> tuple[OpenOrder, ...]:
        for each in orders:
            self.open.remove(each)
        return tuple(each.as_open_order() for each in orders)

    def _find(self, order_id: OrderId) -> NaiveOrder:
        for each in self.open:
            if each.order_id == order_id:
                return each
        raise OrderNotFoundError(order_id)


def triggers(price: int, order: Submission) -> bool:
    """Return True if a trade at this price triggers the stop order."""
    assert order.stop_price is not None
    return price >= order.stop_price if order.side is BUY else price <= order.stop_price


def result(
    order: Submission,
    fills: list[OrderFill[OrderId]],
    *,
    resting: int = 0,
    canceled: int = 0,
    reason: CancelReason | None = None,
) -> Execution:
    return Execution(
        order.order_id,
        order.symbol,
        order.side,
        order.amount,
        sum(fill.amount for fill in fills),
        sum(fill.amount * fill.price for fill in fills),
        tuple(fills),
        resting,
        canceled,
        reason,
    )
