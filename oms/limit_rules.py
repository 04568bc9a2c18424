"""The limits and kill switches that are set on a matching engine, and the check of an incoming order.

A scope is a pair of an owner (None for all owners) and a symbol (None for all symbols). An order must meet
all limits whose scope contains the order. So limits for one owner never lift the limits for all owners. Each
scope counts submissions separately for each owner and symbol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import product
from sys import maxsize
from typing import NamedTuple, TypeAlias

from oms.engine_books import EngineBooks
from oms.engine_state import Entry
from oms.errors import (
    AmountLimitError,
    KillSwitchError,
    LimitError,
    NotionalLimitError,
    OpenAmountLimitError,
    OpenOrdersLimitError,
    PriceCollarError,
    RateLimitError,
)
from oms.limits import CollarReference, Limits
from oms.models import Side
from oms.preview import Preview, preview
from oms.submission import PostOnly, Submission

__all__ = ["Applying", "LimitRules", "Rule", "Scope", "check_limits", "count_submission"]

Scope: TypeAlias = tuple[str | None, str | None]
"""An owner or None for all owners, and a symbol or None for all symbols."""


_MOST_KEPT = 10_000  # owners and symbols


class Rule(NamedTuple):
    """Limits, and the times (ns) of the latest submissions of each owner in each symbol."""

    limits: Limits
    times: dict[Scope, deque[int]]


class Applying(NamedTuple):
    """The limits for the orders of one owner in one symbol, and True if a kill switch rejects the orders.

    The limits for all owners and symbols come first.
    """

    killed: bool
    limits: tuple[Limits, ...]
    rates: tuple[Rule, ...]


class LimitRules:
    """The limits and the kill switches of an engine. Setting one returns new LimitRules."""

    __slots__ = ("_applying", "kills", "rules")

    def __init__(self, rules: Mapping[Scope, Rule] | None = None, kills: Iterable[Scope] = ()) -> None:
        self.rules = rules or {}
        self.kills = frozenset(kills)
        self._applying: dict[Scope, Applying] = {}

    def with_limits(self, scope: Scope, limits: Limits | None) -> LimitRules:
        """Return rules with new limits for a scope. Their counters start from zero. O(m) for m scopes."""
        rules = {other: rule for other, rule in self.rules.items() if other != scope}
        if limits is not None:
            rules[scope] = Rule(limits, {})
        return LimitRules(rules, self.kills)

    def with_kill(self, scope: Scope, *, on: bool) -> LimitRules:
        """Return rules with a kill switch on or off. O(m) for m kill switches."""
        return LimitRules(self.rules, self.kills | {scope} if on else self.kills - {scope})

    def copy(self) -> LimitRules:
        """Return the same rules, with counters that start from zero. O(m) for m scopes."""
        return LimitRules({scope: Rule(rule.limits, {}) for scope, rule in self.rules.items()}, self.kills)

    def of(self, order: Submission) -> Applying:
        """Return the limits and kill switches that apply to an order. O(1)."""
        key = order.owner, order.symbol
        applying = self._applying.get(key)
        if applying is None:
            if len(self._applying) >= _MOST_KEPT:
                self._applying.clear()  # rejected orders can have any number of symbols
            scopes = dict.fromkeys(product((None, order.owner), (None, order.symbol)))
            rules = [self.rules[scope] for scope in scopes if scope in self.rules]
            applying = self._applying[key] = Applying(
                not self.kills.isdisjoint(scopes),
                tuple(rule.limits for rule in rules),
                tuple(rule for rule in rules if rule.limits.interval is not None),
            )
        return applying


def check_limits(applying: Applying, order: Submission, books: EngineBooks, replaced: Entry | None) -> None:
    """Raise a LimitError if a limit or a kill switch rejects an order. Rates are not checked.

    `replaced` is the entry of the open order that the order replaces. O(1), or O(k) for limits that depend on
    the k orders that the order would fill or cancel.
    """
    if applying.killed:
        raise KillSwitchError(order.owner, order.symbol, 0, order.amount)
    incoming = _Incoming(order, books, replaced)
    for limits in applying.limits:
        incoming.check(limits)


def count_submission(applying: Applying, order: Submission, now: int) -> None:
    """Count a submission at the time `now` (ns). O(1).

    Raises RateLimitError, and counts nothing, if the order comes too early.
    """
    owner, symbol = order.owner, order.symbol
    all_times: list[deque[int]] = []
    for limits, times in applying.rates:
        maximum, interval = limits.max_submissions, limits.interval
        assert maximum is not None, "a rate has a number of submissions"
        assert interval is not None, "a rate has an interval"
        latest = times.setdefault((owner, symbol), deque(maxlen=min(maximum, maxsize)))
        if len(latest) == maximum and now < latest[0] + interval:
            raise RateLimitError(owner, symbol, maximum, maximum + 1, latest[0] + interval)
        all_times.append(latest)
    for latest in all_times:
        latest.append(now)


class _Incoming:
    """An incoming order, with the values that limits are compared with. Each is computed when needed."""

    __slots__ = ("_books", "_order", "_preview", "_replaced", "_waits")

    def __init__(self, order: Submission, books: EngineBooks, replaced: Entry | None) -> None:
        self._order = order
        self._books = books
        self._replaced = replaced
        self._waits = order.stop_price is not None and books.must_wait(order)
        self._preview: Preview | None = None

    def check(self, limits: Limits) -> None:
        """Raise a LimitError if one of the limits rejects the order."""
        amount = self._order.amount
        if limits.max_amount is not None:
            self._require(AmountLimitError, limits.max_amount, amount)
        if limits.max_notional is not None:
            self._require(NotionalLimitError, limits.max_notional, amount * self._highest_price())
        if limits.collar is not None or limits.collar_bps is not None:
            self._check_collar(limits)
        if limits.max_open_orders is not None or limits.max_open_amount is not None:
            orders, amount = self._open_afterwards()
            self._require(OpenOrdersLimitError, limits.max_open_orders, orders)
            self._require(OpenAmountLimitError, limits.max_open_amount, amount)

    def _require(self, error: type[LimitError], limit: int | None, value: int) -> None:
        if limit is not None and value > limit:
            raise error(self._order.owner, self._order.symbol, limit, value)

    def _check_collar(self, limits: Limits) -> None:
        sign, best, last = self._order.side.sign, self._best_price(), self._books.last_prices
        prices = [best, None if self._waits else last.get(self._order.symbol)]
        if limits.collar_reference is CollarReference.LAST_PRICE:
            prices.reverse()
        reference, price = prices[0] or prices[1], self._worst_price()
        bound = None if reference is None else limits.worst_price(reference, sign)
        if bound is not None and price is not None and sign * (price - bound) > 0:
            raise PriceCollarError(self._order.owner, self._order.symbol, bound, price)

    def _previewed(self) -> Preview:
        if self._preview is None:
            self._preview = preview(self._books, self._order)
        return self._preview

    def _best_price(self) -> int | None:
        """Return the best price of the other side, or the stop price of an order that waits."""
        order = self._order
        if self._waits:
            return order.stop_price
        book = self._books.by_name.get((order.symbol, order.side))
        return None if book is None else book.best_price()

    def _worst_price(self) -> int | None:
        """Return the order's price or, for a market order, the worst price at which it could trade."""
        if self._order.price is not None:
            return self._order.price
        return self._order.stop_price if self._waits else self._previewed().worst_price

    def _highest_price(self) -> int:
        """Return the highest price at which the order could trade, or 0 if it could not trade."""
        order, worst = self._order, self._worst_price() or 0
        if order.side is Side.BUY:
            return worst
        best = self._best_price() or 0
        if best and order.post_only is PostOnly.SLIDE:
            best -= order.side.sign  # where the order rests if it would trade at the best price
        return max(worst, best)

    def _open_afterwards(self) -> tuple[int, int]:
        """Return how many orders and lots the owner would have open in the symbol, or 0 if nothing rests."""
        _, resting, own_orders, own_amount = self._previewed()
        if not resting:
            return 0, 0
        orders, amount = self._books.open_usage().of(self._order)
        if self._replaced is not None:
            orders, amount = orders - 1, amount - self._books.open_amount(self._replaced)
        return orders + 1 - own_orders, amount + resting - own_amount
