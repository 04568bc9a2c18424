"""The replay report: counts, and differences from the published data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from oms.feeds.orders.book_check import StateDifference
from oms.instrument import TICKS_AND_LOTS, Instrument

__all__ = ["Report", "UnequalTrade"]

_MOST_IDS = 5  # the maximum number of ids that one sentence lists


class UnequalTrade(NamedTuple):
    """A replayed trade whose cost differs from the published cost.

    `row` is the first row of the trade. `total_price` is its cost in the replayed book, or None if the book
    did not have enough liquidity to fill it. `published` is its cost at the exchange. Both are in ticks times
    lots.
    """

    row: int
    total_price: int | None
    published: int

    def describe(self, units: Instrument) -> str:
        """Describe the trade, with prices in these units."""
        published = f"row {self.row:,}: the published cost is {units.show_total(self.published)}"
        if self.total_price is None:
            return f"{published}, but the replayed book did not have enough liquidity"
        return f"{published}, the replayed cost is {units.show_total(self.total_price)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The counts from a replay. A count is None if there was nothing to compare.

    >>> unequal = UnequalTrade(row=7, total_price=400, published=404)
    >>> report = Report(events=9, kinds={}, trades=2, trades_equal_cost=1, first_unequal_trade=unequal)
    >>> report.agrees
    False
    >>> report.disagreements[0].partition("; ")[2]
    'the first with a different cost begins at row 7: the published cost is 404, the replayed cost is 400'

    """

    events: int
    """The number of rows in the recording."""
    kinds: dict[str, int]
    """The number of rows for each kind, in order of first appearance."""
    units: Instrument = TICKS_AND_LOTS
    """The units for the sentences in this report. All other fields are in ticks and lots."""
    unknown: int = 0
    """The number of orders that messages refer to but that were never submitted."""
    seeded: int = 0
    """The number of unknown orders that were seeded."""
    ignored: int = 0
    """The number of rows that refer to ids in `ignore`."""
    ignored_in_vain: tuple[int, ...] = ()
    """The ids in `ignore` that no row refers to."""
    rejected: int = 0
    """The number of rows and seeded orders that could not be applied to the books."""
    rejections: dict[str, int] = field(default_factory=dict)
    """The number of rejected rows for each reason."""
    contradictions: dict[str, int] = field(default_factory=dict)
    """For each reason, the number of rows that were applied even though they contradict earlier rows."""
    first_rows: dict[str, int] = field(default_factory=dict)
    """The first row for each reason in `rejections` and `contradictions`."""
    trades: int = 0
    """The number of trades. Each trade is one sweep."""
    trades_equal_cost: int = 0
    """The number of trades whose replayed cost equals the published cost."""
    trades_equal_fills: int = 0
    """The number of trades whose replayed fills equal the published fills."""
    first_unequal_trade: UnequalTrade | None = None
    """The first trade whose cost differs from the published cost."""
    passed_over: int | None = None
    """The order that the exchange passed over in most trades with a different cost, or None."""
    times_passed_over: int = 0
    """The number of these trades in which the exchange passed over that order."""
    crossed: int = 0
    """The number of events after which the best ask was at or below the best bid. A sweep is one event."""
    own_fills: int = 0
    """The number of times your own orders were filled. Only this and `own_amount` include your orders."""
    own_amount: int = 0
    """The total amount of these fills, in lots."""
    taken_from: int = 0
    """The number of recorded orders that something other than the replay has reduced or removed."""
    states: int | None = None
    """The number of best-price states that were compared with the book file."""
    states_equal: int | None = None
    """The number of equal states."""
    first_difference: StateDifference | None = None
    """The first difference between rows or, if the rows were not compared, between states."""
    rows: int | None = None
    """The number of book-file rows compared, or None if the file does not have one row per message."""
    row_differences: dict[str, int] = field(default_factory=dict)
    """The number of rows that differ, by message kind."""
    makers: int | None = None
    """The number of published trades whose maker was found in the book."""
    makers_at_head: int | None = None
    """The number of these makers that were first in their book, ignoring your own orders."""
    makers_not_found: int | None = None
    """The number of published trades whose maker was not found in the book."""
    first_maker_behind: int | None = None
    """The row of the first maker that was behind another recorded order in its book."""

    @property
    def compared(self) -> bool:
        """True if anything was compared: a trade, a book state, or the maker order of a trade."""
        return any((self.trades, self.states, self.makers, self.makers_not_found))

    @property
    def agrees(self) -> bool:
        """True if no comparison found a difference, even if nothing was `compared`."""
        return not self._differences()

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Sentences about the differences and their possible causes. Empty if the replay agrees."""
        differences = self._differences()
        return (*differences, *self._explanations()) if differences else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about other results, apart from disagreements and reservations."""
        sentences: list[str] = []
        out_of_priority = self.trades_equal_cost - self.trades_equal_fills
        if out_of_priority and self.agrees:
            trades = _counted(out_of_priority, "trade")
            sentences.append(f"the exchange executed {trades} out of time priority, at equal cost")
        if self.makers_not_found:
            sentences.append(
                f"{_counted(self.makers_not_found, 'trade')} had a maker that was not found in the book"
            )
        if self.own_fills:
            fills = _counted(self.own_fills, "fill")
            lots = self.units.show_amount(self.own_amount)
            sentences.append(
                f"not in the recording: {fills} of your own orders, with a total amount of {lots}"
            )
        if self.taken_from:
            orders = _counted(self.taken_from, "order")
            sentences.append(
                f"something other than the replay changed {orders} in the recording; "
                "trades with these orders are not compared"
            )
        if self.ignored_in_vain:
            ids = ", ".join(map(str, self.ignored_in_vain[:_MOST_IDS]))
            if len(self.ignored_in_vain) > _MOST_IDS:
                ids += f" and {len(self.ignored_in_vain) - _MOST_IDS:,} more"
            sentences.append(f"ids to ignore that do not appear in any row: {ids}")
        return tuple(sentences)

    @property
    def reservations(self) -> tuple[str, ...]:
        """Sentences about rejected and contradictory rows, which make agreement less certain."""
        sentences: list[str] = []
        if self.rejections:
            verb = "was" if self.rejected == 1 else "were"
            sentences.append(
                f"{_counted(self.rejected, 'row')} {verb} rejected: {self._reasons(self.rejections)}"
            )
        if self.contradictions:
            count = sum(self.contradictions.values())
            verb = "contradicts" if count == 1 else "contradict"
            rows = f"{_counted(count, 'row')} {verb} earlier rows"
            sentences.append(f"{rows}: {self._reasons(self.contradictions)}")
        return tuple(sentences)

    def _reasons(self, counts: Mapping[str, int]) -> str:
        sentences: list[str] = []
        for reason, count in counts.items():
            row = f"row {self.first_rows[reason]:,}"
            if count == 1:
                sentences.append(f"{reason} (at {row})")
            elif len(counts) == 1:
                sentences.append(f"{reason} (first at {row})")
            else:
                sentences.append(f"{reason} ({count:,} times, first at {row})")
        return "; ".join(sentences)

    def _differences(self) -> list[str]:
        sentences: list[str] = []
        first = self.first_difference
        if self.rows is not None and self.row_differences:
            different = sum(self.row_differences.values())
            verb = "differs" if different == 1 else "differ"
            sentences.append(
                f"{different:,} of {self.rows:,} rows {verb} from the book file's, "
                f"{_kinds(self.row_differences)}; "
                f"the first difference: {first.sides(self.units) if first else 'unknown'}"
            )
        if self.rows is None and self.states_equal != self.states:
            where = first.describe(self.units) if first else "an unknown state"
            sentences.append(
                f"{self.states_equal:,} of {self.states:,} best-price states are equal to the book file's; "
                f"the first difference is at {where}"
            )
        if self.trades_equal_cost != self.trades:
            begins = "an unknown row"
            if self.first_unequal_trade is not None:
                begins = self.first_unequal_trade.describe(self.units)
            sentences.append(
                f"{self.trades_equal_cost:,} of {self.trades:,} trades have the published cost; "
                f"the first with a different cost begins at {begins}"
            )
        if self.makers_at_head != self.makers:
            sentences.append(
                f"{self.makers_at_head:,} of {self.makers:,} makers were the first order of their book; "
                f"the first maker behind another order is in row {self.first_maker_behind}"
            )
        if self.makers == 0 and self.makers_not_found:
            sentences.append(
                f"no maker of the {self.makers_not_found:,} published trades was found in the book"
            )
        return sentences

    def _explanations(self) -> list[str]:
        sentences: list[str] = []
        if self.crossed and self.kinds.get("submitted"):
            sentences.append(
                f"the book was crossed after {self.crossed:,} of {self.events:,} events, which does not "
                "happen at an exchange. So the book contains orders whose removal was not recorded. If a "
                "recording covers only a few price levels, it omits messages about deeper orders and does "
                "not contain the full book"
            )
        if self.passed_over is not None:
            unequal = self.trades - self.trades_equal_cost
            sentences.append(
                f"the exchange passed over order {self.passed_over} in {self.times_passed_over:,} of "
                f"{unequal:,} trades with a different cost. Its cancellation may be missing from the "
                "recording. Ignoring the order may restore agreement"
            )
        if self.seeded:
            were = "was" if self.seeded == 1 else "were"
            sentences.append(
                f"{_counted(self.seeded, 'order')} {were} never submitted in the recording. Amounts and "
                "arrival times are estimated from later rows. If a recording covers only a few price levels, "
                "such an order may have arrived later or have been larger"
            )
        if self.unknown > self.seeded:
            missing = self.unknown - self.seeded
            were = "was" if missing == 1 else "were"
            sentences.append(
                f"{_counted(missing, 'unknown order')} {were} not added, so the book is incomplete"
            )
        return sentences


def _counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the singular or plural.

    >>> _counted(1, "trade"), _counted(1500, "trade")
    ('1 trade', '1,500 trades')

    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _kinds(counts: Mapping[str, int]) -> str:
    """Describe the number of rows for each kind.

    >>> _kinds({"deleted rows": 32}), _kinds({"deleted rows": 2, "executed rows": 1})
    ('all of them deleted rows', '2 of them deleted rows, 1 of them executed rows')

    """
    if len(counts) == 1:
        return f"all of them {next(iter(counts))}"
    return ", ".join(f"{count:,} of them {kind}" for kind, count in counts.items())
