"""The counters for a running replay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from oms.feeds.orders.book_check import BookCheck
from oms.feeds.orders.maker_check import MakerCheck
from oms.feeds.orders.messages import Kind
from oms.feeds.orders.report import Report, UnequalTrade
from oms.feeds.orders.sweep import Swept
from oms.instrument import Instrument

__all__ = ["Reasons", "Tally"]


@dataclass(slots=True)
class Reasons:
    """The number of rows and the first row for each reason."""

    counts: Counter[str] = field(default_factory=Counter)
    first_rows: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, row: int) -> None:
        """Count one row for a reason."""
        self.counts[reason] += 1
        self.first_rows.setdefault(reason, row)


@dataclass(slots=True)
class Tally:
    """The counters for a running replay."""

    to_ignore: frozenset[int] = frozenset()

    kinds: Counter[Kind] = field(default_factory=Counter)
    unknown: set[int] = field(default_factory=set)
    seeded: int = 0
    ignored: Counter[int] = field(default_factory=Counter)
    rejections: Reasons = field(default_factory=Reasons)
    contradictions: Reasons = field(default_factory=Reasons)
    trades: int = 0
    trades_equal_cost: int = 0
    trades_equal_fills: int = 0
    first_unequal_trade: UnequalTrade | None = None
    passed_over: Counter[int] = field(default_factory=Counter)
    crossed: int = 0
    own_fills: int = 0
    own_amount: int = 0
    taken_from: set[int] = field(default_factory=set)

    def count_trade(self, row: int, swept: Swept, published: int) -> None:
        """Count a trade that starts at `row`. `published` is its published cost (ticks times lots)."""
        self.trades += 1
        self.trades_equal_cost += swept.equal_cost
        self.trades_equal_fills += swept.equal_fills
        self.own_fills += len(swept.own_fills)
        self.own_amount += sum(fill.amount for fill in swept.own_fills)
        if not swept.equal_cost:
            self.passed_over.update(swept.passed_over)
            if self.first_unequal_trade is None:
                self.first_unequal_trade = UnequalTrade(row, swept.total_price, published)

    def report(
        self, units: Instrument, book_check: BookCheck | None, maker_check: MakerCheck | None
    ) -> Report:
        """Return a Report with the current counts and comparison results."""
        passed_over, times = max(self.passed_over.items(), key=lambda item: item[1], default=(None, 0))
        if times < 2 or 2 * times <= self.trades - self.trades_equal_cost:
            passed_over, times = None, 0
        report = Report(
            events=self.kinds.total(),
            kinds={kind.value: count for kind, count in self.kinds.items()},
            unknown=len(self.unknown),
            seeded=self.seeded,
            units=units,
            ignored=self.ignored.total(),
            ignored_in_vain=tuple(sorted(self.to_ignore - self.ignored.keys())),
            rejected=self.rejections.counts.total(),
            rejections=dict(self.rejections.counts),
            contradictions=dict(self.contradictions.counts),
            first_rows=self.rejections.first_rows | self.contradictions.first_rows,
            trades=self.trades,
            trades_equal_cost=self.trades_equal_cost,
            trades_equal_fills=self.trades_equal_fills,
            first_unequal_trade=self.first_unequal_trade,
            passed_over=passed_over,
            times_passed_over=times,
            crossed=self.crossed,
            own_fills=self.own_fills,
            own_amount=self.own_amount,
            taken_from=len(self.taken_from),
        )
        if book_check is not None:
            report = replace(
                report,
                states=book_check.states,
                states_equal=book_check.equal,
                first_difference=book_check.first_difference,
                rows=book_check.rows,
                row_differences=book_check.row_differences,
            )
        if maker_check is not None:
            report = replace(
                report,
                makers=maker_check.found,
                makers_at_head=maker_check.at_head,
                makers_not_found=maker_check.trades - maker_check.found,
                first_maker_behind=maker_check.first_behind,
            )
        return report
