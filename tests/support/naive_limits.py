"""The naive engine with limits. It tries each order on its own open orders, and adds up what is open then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from oms import (
    AmountLimitError,
    CollarReference,
    DuplicateOrderError,
    KillSwitchError,
    LimitError,
    Limits,
    NotionalLimitError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    PriceCollarError,
    RateLimitError,
    Side,
)
from oms.submission import Execution, OrderId, PostOnly, SelfTradePrevention, Submission, TimeInForce
from support.naive_engine import NaiveEngine, NaiveOrder, triggers

__all__ = ["NaiveLimitedEngine", "Scope"]

Scope: TypeAlias = tuple[str | None, str | None]
Counted: TypeAlias = tuple[Scope, str | None, str, int]
"""The scope of a rate limit, the owner, the symbol, and the time of a submission."""


class NaiveLimitedEngine(NaiveEngine):
    """A NaiveEngine that checks limits. `now` returns the time, or None if submissions do not count."""

    def __init__(self, prevention: SelfTradePrevention, now: Callable[[], int | None]) -> None:
        super().__init__(prevention)
        self.now = now
        self.limits: dict[Scope, Limits] = {}
        self.kills: set[Scope] = set()
        self.counted: list[Counted] = []

    def set_limits(self, limits: Limits | None, scope: Scope) -> None:
        self.counted = [each for each in self.counted if each[0] != scope]
        self.limits.pop(scope, None)
        if limits is not None:
            self.limits[scope] = limits

    def submit(self, order: Submission) -> Execution:
        if any(each.order_id == order.order_id for each in self.open):
            raise DuplicateOrderError(order.order_id)
        self.check(order, None)
        return super().submit(order)

    def replace(self, order_id: OrderId, *, amount: int | None = None, price: int | None = None) -> Execution:
        old = self._find(order_id)
        order = old.order._replace(amount=amount or old.remaining, price=price or old.order.price)
        self.check(order._replace(stop_price=None) if old.shown else order, old)
        return super().replace(order_id, amount=amount, price=price)

    # ------------------------------------------------------------------ checks

    def check(self, order: Submission, old: NaiveOrder | None) -> None:
        key = order.owner, order.symbol
        scopes = [
            scope
            for scope in [(None, None), (None, order.symbol), (order.owner, None), key]
            if scope[0] in (None, order.owner)
        ]
        if order.owner is None:
            scopes = scopes[:2]
        if any(scope in self.kills for scope in scopes):
            raise KillSwitchError(*key, 0, order.amount)
        orders, lots = self._open_after(order, old)
        for limits in [self.limits[scope] for scope in scopes if scope in self.limits]:
            for error, limit, value in [
                (AmountLimitError, limits.max_amount, order.amount),
                (NotionalLimitError, limits.max_notional, order.amount * self._highest_price(order)),
            ]:
                reject_above(error, key, limit, value)
            self._check_collar(order, limits)
            reject_above(OpenOrdersLimitError, key, limits.max_open_orders, orders)
            reject_above(OpenAmountLimitError, key, limits.max_open_amount, lots)
        now = self.now()
        if now is not None:
            self._count(scopes, key, now)

    def _count(self, scopes: list[Scope], key: tuple[str | None, str], now: int) -> None:
        limited = [scope for scope in scopes if scope in self.limits and self.limits[scope].interval]
        for scope in limited:
            most, interval = self.limits[scope].max_submissions or 0, self.limits[scope].interval or 0
            times = [each[3] for each in self.counted if each[:3] == (scope, *key)]
            recent = [time for time in times if time + interval > now]
            if len(recent) >= most:
                raise RateLimitError(*key, most, most + 1, recent[-most] + interval)
        self.counted += [(scope, *key, now) for scope in limited]

    def _waits(self, order: Submission) -> bool:
        last = self.last_prices.get(order.symbol)
        return order.stop_price is not None and (last is None or not triggers(last, order))

    def _best_price(self, order: Submission) -> int | None:
        if self._waits(order):
            return order.stop_price
        queue = self.queue(order.symbol, order.side.opposite)
        return queue[0].price if queue else None

    def _worst_price(self, order: Submission) -> int | None:
        if order.price is not None:
            return order.price
        if self._waits(order):
            return order.stop_price
        state = self.save()
        self.open = [each for each in self.open if each.shown]
        fills = self._execute(order._replace(time_in_force=TimeInForce.IOC), 0).fills
        self.restore(state)
        return fills[-1].price if fills else None

    def _highest_price(self, order: Submission) -> int:
        worst, best = self._worst_price(order) or 0, self._best_price(order)
        if order.side is Side.BUY or best is None:
            return worst
        return max(worst, best + (order.post_only is PostOnly.SLIDE))

    def _check_collar(self, order: Submission, limits: Limits) -> None:
        best, last = self._best_price(order), self.last_prices.get(order.symbol)
        if limits.collar_reference is CollarReference.BEST_PRICE or self._waits(order):
            reference = best if best is not None else last
        else:
            reference = last if last is not None else best
        price = self._worst_price(order)
        if reference is None or price is None:
            return
        for width in sorted(
            ([] if limits.collar is None else [limits.collar])
            + ([] if limits.collar_bps is None else [reference * limits.collar_bps // 10_000])
        ):
            if order.side is Side.BUY and price > reference + width:
                raise PriceCollarError(order.owner, order.symbol, reference + width, price)
            if order.side is Side.SELL and price < reference - width:
                raise PriceCollarError(order.owner, order.symbol, reference - width, price)

    def _open_after(self, order: Submission, old: NaiveOrder | None) -> tuple[int, int]:
        """Return how many orders and lots would be open, if the order triggered no stop order."""
        state, old_id = self.save(), None if old is None else old.order_id
        others = [each for each in self.open if old is None or each.order_id != old_id]
        waiting = [each for each in others if not each.shown]
        self.open = [each for each in others if each.shown]
        self._arrive(order, 0)
        rests = any(each.order_id == order.order_id for each in self.open)
        open_orders = self.open + waiting
        own = [
            each
            for each in open_orders
            if (each.order.owner, each.order.symbol) == (order.owner, order.symbol)
        ]
        self.restore(state)
        return (len(own), sum(each.remaining for each in own)) if rests else (0, 0)


def reject_above(error: type[LimitError], key: tuple[str | None, str], limit: int | None, value: int) -> None:
    if limit is not None and value > limit:
        raise error(*key, limit, value)
