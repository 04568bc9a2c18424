"""The methods of a MatchingEngine that set limits and kill switches."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from oms.clock import Clock, checked_time
from oms.engine_books import EngineBooks
from oms.engine_state import Entry
from oms.errors import InvalidArgumentError, OpenTransactionError
from oms.limit_rules import LimitRules, Scope, check_limits, count_submission
from oms.limits import Limits
from oms.models import Side, check_selection
from oms.queries import Queries
from oms.submission import OpenOrder, Submission
from oms.submission_checks import check_owner

__all__ = ["Limited"]


class Limited(Queries):
    """The limits and kill switches of a MatchingEngine.

    Like the clock, they are settings of the object: neither its state nor its journal contains them. Copies
    and pickles keep the limits and the kill switches.
    """

    _books: EngineBooks
    _rules: LimitRules | None = None

    def set_limits(
        self, limits: Limits | None, *, owner: str | None = None, symbol: str | None = None
    ) -> None:
        """Set the risk limits for all orders, or for those with this owner and symbol. None removes them.

        If an order matches several limits, all of them apply. So a limit for one owner can be stricter than
        the limit for all owners, but a looser one has no effect. To change limits, pass the new `Limits` for
        the same owner and symbol. This resets the rate-limit counters of these limits. Orders that are
        already open stay open.

        `submit` and `replace` first check the arguments and the id, and then the limits. If an order exceeds
        a limit, they raise a subclass of LimitError, and nothing changes. `cancel` and `reduce` are always
        allowed.

        Only calls of `submit` and `replace` that pass all limits count toward the rate limit. Rejected orders
        and what-ifs do not count. A call that was counted stays counted if it then fails, for example because
        of the journal, or if its transaction is rolled back. With a rate limit, each `submit` and `replace`
        outside a what-if reads the clock once more.

        A journal does not store limits, so set them again after you open it. Raises InvalidArgumentError if
        an argument is invalid or if there is a rate limit but no clock, and OpenTransactionError inside a
        transaction or a what-if. O(m) for m limits that are set. The next order that is checked against
        `max_open_orders` or `max_open_amount` takes O(n) for n open orders, because it adds up the open
        orders of each owner.

        >>> from oms import LimitError, Limits, MatchingEngine, Side
        >>> engine = MatchingEngine(limits=Limits(max_amount=100))
        >>> engine.set_limits(Limits(max_open_amount=30), owner="Ann")
        >>> _ = engine.submit(1, "JPM", Side.BUY, 20, 99, owner="Ann")
        >>> try:
        ...     engine.submit(2, "JPM", Side.BUY, 20, 98, owner="Ann")
        ... except LimitError as error:
        ...     print(error)
        JPM, owner 'Ann': the open amount 40 would be above max_open_amount 30; reduce it first

        """
        if limits is not None and type(cast("object", limits)) is not Limits:
            raise InvalidArgumentError("limits", limits, "Limits, or None")
        scope = _checked_scope(owner, symbol)
        with self.locked():
            self._ledger.check_closed("setting limits")
            if limits is not None and limits.interval is not None:
                self._rate_clock()
            self._set_rules(self._present_rules().with_limits(scope, limits))

    def limits(self, *, owner: str | None = None, symbol: str | None = None) -> Limits | None:
        """Return the limits that were set for exactly this owner and symbol, or None.

        Raises InvalidOrderError if an argument is invalid. O(1).

        >>> from oms import Limits, MatchingEngine
        >>> engine = MatchingEngine(limits=Limits(max_amount=100))
        >>> engine.limits(), engine.limits(owner="Ann")
        (Limits(max_amount=100), None)

        """
        scope = _checked_scope(owner, symbol)
        with self.locked():
            rule = self._present_rules().rules.get(scope)
            return None if rule is None else rule.limits

    def kill(
        self, *, owner: str | None = None, symbol: str | None = None, cancel_orders: bool = False
    ) -> tuple[OpenOrder, ...]:
        """Switch on a kill switch: reject all orders, or those with this owner and symbol.

        While it is on, `submit` and `replace` raise KillSwitchError for these orders. Stop orders that are
        already open can still be triggered. With `cancel_orders`, also cancel the open orders in one event,
        as `cancel_all` does, and return their earlier states. If that fails, the kill switch stays on.

        Raises InvalidOrderError if an argument is invalid, and OpenTransactionError inside a transaction or a
        what-if. O(m) for m kill switches. With `cancel_orders`, this also takes as long as `cancel_all`.

        >>> from oms import MatchingEngine, Side
        >>> engine = MatchingEngine()
        >>> _ = engine.submit(1, "JPM", Side.BUY, 20, 99, owner="Ann")
        >>> [canceled.order.order_id for canceled in engine.kill(owner="Ann", cancel_orders=True)]
        [1]
        >>> engine.submit(2, "JPM", Side.BUY, 20, 99, owner="Ann")
        Traceback (most recent call last):
            ...
        oms.errors.KillSwitchError: JPM, owner 'Ann': a kill switch is on; lift it with lift_kill()
        >>> engine.lift_kill(owner="Ann")
        >>> engine.submit(2, "JPM", Side.BUY, 20, 99, owner="Ann").resting
        20

        """
        scope = _checked_scope(owner, symbol)
        if type(cancel_orders) is not bool:
            raise InvalidArgumentError("cancel_orders", cancel_orders, "True or False")
        with self.locked():
            self._ledger.check_closed("switching on a kill switch")
            rules = self._present_rules()
            self._set_rules(rules.with_kill(scope, on=True))
            return self.cancel_all(symbol, None, owner) if cancel_orders else ()

    def lift_kill(self, *, owner: str | None = None, symbol: str | None = None) -> None:
        """Switch off the kill switch for exactly this owner and symbol. If it is not on, nothing changes.

        Raises InvalidOrderError if an argument is invalid, and OpenTransactionError inside a transaction or a
        what-if. O(m) for m kill switches. See `kill`.
        """
        scope = _checked_scope(owner, symbol)
        with self.locked():
            self._ledger.check_closed("switching off a kill switch")
            rules = self._present_rules()
            self._set_rules(rules.with_kill(scope, on=False))

    def kills(self) -> tuple[Scope, ...]:
        """Return the owner and the symbol of each kill switch that is on, sorted. None stands for all.

        O(m log m) for m kill switches.

        >>> from oms import MatchingEngine
        >>> engine = MatchingEngine()
        >>> engine.kill(symbol="JPM")
        ()
        >>> engine.kills()
        ((None, 'JPM'),)

        """
        with self.locked():
            return tuple(sorted(self._present_rules().kills, key=_sort_key))

    @abstractmethod
    def cancel_all(
        self, symbol: str | None = None, side: Side | None = None, owner: str | None = None
    ) -> tuple[OpenOrder, ...]:
        """Cancel all open orders, or those with this symbol, side, and owner. Return their earlier states."""

    # The caller of these helpers must hold the lock.

    def _present_rules(self) -> LimitRules:
        return LimitRules() if self._rules is None else self._rules

    def _set_rules(self, rules: LimitRules) -> None:
        self._rules = rules if rules.rules or rules.kills else None
        self._books.usage = None  # computed again if a limit needs it

    def _rate_clock(self) -> Clock:
        clock = self._ledger.clock
        if clock is None:
            allowed = "a callable while a rate is limited"
            raise InvalidArgumentError("clock", None, allowed, "set the clock of the engine first")
        return clock

    def _check_limits(self, order: Submission, replaced: Entry | None = None) -> None:
        """Raise a LimitError if a limit or a kill switch rejects an order."""
        applying, ledger, now = self._present_rules().of(order), self._ledger, None
        if applying.rates and not ledger.in_what_if:
            sequence = ledger.sequence
            now = checked_time(self._rate_clock()())
            if ledger.sequence != sequence:
                raise OpenTransactionError(
                    "the clock changed these books", "use a clock that only returns the time"
                )
        check_limits(applying, order, self._books, replaced)
        if now is not None:
            count_submission(applying, order, now)

    def _own(self, blank: object) -> dict[str, Any]:
        rules = None if self._rules is None else self._rules.copy()
        return {**super()._own(blank), "_rules": rules}


def _checked_scope(owner: str | None, symbol: str | None) -> Scope:
    check_owner(owner)
    check_selection(symbol, None)
    return owner, symbol


def _sort_key(scope: Scope) -> tuple[str, str]:
    owner, symbol = scope
    return owner or "", symbol or ""
