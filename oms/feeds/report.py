"""What a replay counted, and whether it agrees with what the exchange published."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from oms.feeds.book_check import BookCheck, StateDifference
from oms.feeds.maker_check import MakerCheck
from oms.feeds.sweep import Swept

__all__ = ["Report", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The counts of a replay; None where nothing was compared.

    >>> report = Report(events=9, kinds={}, trades=2, trades_equal_cost=1, first_unequal_trade=7)
    >>> report.agrees
    False
    >>> report.disagreements[0]
    '1 of 2 trades cost what the exchange published; the first that did not begins at row 7'

    """

    events: int
    """Rows of the recording."""
    kinds: dict[str, int]
    """How many of each kind, in the order of their first appearance."""
    unknown: int = 0
    """Ids referred to that had not been submitted."""
    seeded: int = 0
    """Those of them that were seeded."""
    ignored: int = 0
    """Rows about ids that were to be ignored."""
    refused: int = 0
    """Rows (and seeds) that no book can follow."""
    refusals: dict[str, int] = field(default_factory=dict)
    """Why: how many for each reason."""
    trades: int = 0
    """Sweeps."""
    trades_equal_cost: int = 0
    trades_equal_fills: int = 0
    first_unequal_trade: int | None = None
    """The row of the first trade of another cost."""
    passed_over: int | None = None
    """The order whose turn it was in most trades of another cost; None if there is no such one."""
    times_passed_over: int = 0
    crossed: int = 0
    """Events after which the best BUY price was at or below the best SELL price; a sweep is one."""
    states: int | None = None
    states_equal: int | None = None
    first_difference: StateDifference | None = None
    makers: int | None = None
    """Published trades whose maker was found resting."""
    makers_at_head: int | None = None
    makers_not_found: int | None = None
    first_maker_behind: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether nothing that was compared differs."""
        return not self._differences()

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Sentences that say what differs, and what may explain it; empty if the replay agrees."""
        differences = self._differences()
        return (*differences, *self._explanations()) if differences else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what is no disagreement, but worth knowing."""
        said: list[str] = []
        out_of_priority = self.trades_equal_cost - self.trades_equal_fills
        if out_of_priority and self.agrees:
            trades = _counted(out_of_priority, "trade")
            said.append(f"at equal cost, the exchange executed {trades} out of priority")
        if self.makers_not_found:
            said.append(f"{_counted(self.makers_not_found, 'trade')} had a maker that was not found resting")
        said.extend(f"refused {_counted(count, 'time')}: {reason}" for reason, count in self.refusals.items())
        return tuple(said)

    def _differences(self) -> list[str]:
        said: list[str] = []
        if self.states is not None and self.states_equal != self.states:
            said.append(
                f"{self.states_equal:,} of {self.states:,} best-price states equal the book file's; "
                f"the first difference is at {self.first_difference}"
            )
        if self.trades_equal_cost != self.trades:
            said.append(
                f"{self.trades_equal_cost:,} of {self.trades:,} trades cost what the exchange published; "
                f"the first that did not begins at row {self.first_unequal_trade}"
            )
        if self.makers_at_head != self.makers:
            said.append(
                f"{self.makers_at_head:,} of {self.makers:,} makers headed their book; "
                f"the first that did not is traded at row {self.first_maker_behind}"
            )
        if self.makers == 0 and self.makers_not_found:
            said.append(f"no maker of the {self.makers_not_found:,} published trades was found resting")
        return said

    def _explanations(self) -> list[str]:
        said: list[str] = []
        if self.crossed and self.kinds.get("submitted"):
            said.append(
                f"the book was crossed after {self.crossed:,} of {self.events:,} events, as no exchange's "
                "is: it holds orders that have gone unseen. A recording of few price levels leaves out what "
                "happens to an order below them: it does not hold a full book"
            )
        if self.passed_over is not None:
            unequal = self.trades - self.trades_equal_cost
            said.append(
                f"the exchange passed over order {self.passed_over} in {self.times_passed_over:,} of "
                f"{unequal:,} trades of another cost: it may have been cancelled unseen, and to ignore it "
                "may restore agreement"
            )
        if self.unknown > self.seeded:
            orders = _counted(self.unknown - self.seeded, "unknown order")
            said.append(f"with {orders} left out, the book lacks what rested there")
        return said


def _counted(count: int, noun: str) -> str:
    """Write a count as people do.

    >>> _counted(1, "trade"), _counted(1500, "trade")
    ('1 trade', '1,500 trades')

    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(slots=True)
class Tally:
    """The counts while they grow."""

    kinds: Counter[str] = field(default_factory=Counter)
    unknown: set[int] = field(default_factory=set)
    seeded: int = 0
    ignored: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    trades: int = 0
    trades_equal_cost: int = 0
    trades_equal_fills: int = 0
    first_unequal_trade: int | None = None
    passed_over: Counter[int] = field(default_factory=Counter)
    crossed: int = 0

    def count_trade(self, row: int, swept: Swept) -> None:
        """Count the trade that begins at a row."""
        self.trades += 1
        self.trades_equal_cost += swept.equal_cost
        self.trades_equal_fills += swept.equal_fills
        if not swept.equal_cost:
            self.passed_over.update(swept.passed_over)
            if self.first_unequal_trade is None:
                self.first_unequal_trade = row

    def report(self, book_check: BookCheck | None, maker_check: MakerCheck | None) -> Report:
        """Freeze the counts, with those of the comparisons that were made."""
        passed_over, times = max(self.passed_over.items(), key=lambda item: item[1], default=(None, 0))
        if times < 2 or 2 * times <= self.trades - self.trades_equal_cost:
            passed_over, times = None, 0
        report = Report(
            events=self.kinds.total(),
            kinds=dict(self.kinds),
            unknown=len(self.unknown),
            seeded=self.seeded,
            ignored=self.ignored,
            refused=self.refusals.total(),
            refusals=dict(self.refusals),
            trades=self.trades,
            trades_equal_cost=self.trades_equal_cost,
            trades_equal_fills=self.trades_equal_fills,
            first_unequal_trade=self.first_unequal_trade,
            passed_over=passed_over,
            times_passed_over=times,
            crossed=self.crossed,
        )
        if book_check is not None:
            report = replace(
                report,
                states=book_check.states,
                states_equal=book_check.equal,
                first_difference=book_check.first_difference,
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
