"""The report of a replay: its counts, and the differences from what the exchange published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from oms.feeds.orders.book_check import StateDifference
from oms.instrument import TICKS_AND_LOTS, Instrument

__all__ = ["Report", "UnequalTrade"]

_MOST_IDS = 5  # that one sentence names


class UnequalTrade(NamedTuple):
    """A trade that begins at a row, what it cost by our rule (None: more was taken than rests), and there."""

    row: int
    total_price: int | None
    published: int

    def describe(self, units: Instrument) -> str:
        """Return a description, with prices in these units."""
        there = f"row {self.row:,}: {units.show_total(self.published)} there"
        if self.total_price is None:
            return f"{there}, and here it takes what does not rest"
        return f"{there}, {units.show_total(self.total_price)} here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The counts of a replay; None where nothing was compared.

    >>> unequal = UnequalTrade(row=7, total_price=400, published=404)
    >>> report = Report(events=9, kinds={}, trades=2, trades_equal_cost=1, first_unequal_trade=unequal)
    >>> report.agrees
    False
    >>> report.disagreements[0].partition("; ")[2]
    'the first that did not begins at row 7: 404 there, 400 here'

    """

    events: int
    """Rows of the recording."""
    kinds: dict[str, int]
    """How many of each kind, in the order of their first appearance."""
    units: Instrument = TICKS_AND_LOTS
    """The units of the sentences; all numbers here are in ticks and lots."""
    unknown: int = 0
    """Ids referred to that had not been submitted."""
    seeded: int = 0
    """Those of them that were seeded."""
    ignored: int = 0
    """Rows about ids to ignore."""
    ignored_in_vain: tuple[int, ...] = ()
    """Ids to ignore that appear in no row."""
    refused: int = 0
    """Rows (and seeds) that could not be applied to a book."""
    refusals: dict[str, int] = field(default_factory=dict)
    """The number of refused rows for each reason."""
    contradictions: dict[str, int] = field(default_factory=dict)
    """Rows that were applied although they contradict the rows before them: how many of each kind."""
    first_rows: dict[str, int] = field(default_factory=dict)
    """The first row of each refusal and contradiction."""
    trades: int = 0
    """Sweeps."""
    trades_equal_cost: int = 0
    trades_equal_fills: int = 0
    first_unequal_trade: UnequalTrade | None = None
    """The first trade of another cost."""
    passed_over: int | None = None
    """The order whose turn it was in most trades of another cost; None if there is no such one."""
    times_passed_over: int = 0
    crossed: int = 0
    """Events after which the best BUY price was at or below the best SELL price; a sweep is one."""
    own_fills: int = 0
    """Fills of orders that the replay did not submit. No other count of this report includes your orders."""
    own_amount: int = 0
    """The lots of these fills."""
    taken_from: int = 0
    """Orders of the recording that something other than the replay had shrunk or removed."""
    states: int | None = None
    states_equal: int | None = None
    first_difference: StateDifference | None = None
    """Of the rows if the book file has one for each message, else of the states."""
    rows: int | None = None
    """Rows of the book file, compared one by one; None if there is not one for each message."""
    row_differences: dict[str, int] = field(default_factory=dict)
    """Rows that differ: how many after each kind of message."""
    makers: int | None = None
    """Published trades whose maker was found resting."""
    makers_at_head: int | None = None
    makers_not_found: int | None = None
    first_maker_behind: int | None = None

    @property
    def compared(self) -> bool:
        """True if anything was compared: a trade, a state of the books, or a maker."""
        return any((self.trades, self.states, self.makers, self.makers_not_found))

    @property
    def agrees(self) -> bool:
        """True if nothing compared differs, and also if nothing was `compared`."""
        return not self._differences()

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Sentences that say what differs, and what may explain it; empty if the replay agrees."""
        differences = self._differences()
        return (*differences, *self._explanations()) if differences else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what is no disagreement, but worth knowing; the reservations are not repeated."""
        said: list[str] = []
        out_of_priority = self.trades_equal_cost - self.trades_equal_fills
        if out_of_priority and self.agrees:
            trades = _counted(out_of_priority, "trade")
            said.append(f"at equal cost, the exchange executed {trades} out of priority")
        if self.makers_not_found:
            said.append(f"{_counted(self.makers_not_found, 'trade')} had a maker that was not found resting")
        if self.own_fills:
            fills = _counted(self.own_fills, "fill")
            lots = self.units.show_amount(self.own_amount)
            said.append(f"your own orders had {fills}, {lots} in all; the recording does not know of them")
        if self.taken_from:
            orders = _counted(self.taken_from, "order")
            said.append(
                f"{orders} of the recording had been changed by something other than the replay: "
                "trades that name them are not compared"
            )
        if self.ignored_in_vain:
            ids = ", ".join(map(str, self.ignored_in_vain[:_MOST_IDS]))
            if len(self.ignored_in_vain) > _MOST_IDS:
                ids += f" and {len(self.ignored_in_vain) - _MOST_IDS:,} more"
            said.append(f"to be ignored, but no row is about it: {ids}")
        return tuple(said)

    @property
    def reservations(self) -> tuple[str, ...]:
        """Sentences that limit what an agreement is worth: which rows no book could follow, or believe."""
        said: list[str] = []
        if self.refusals:
            verb = "was" if self.refused == 1 else "were"
            said.append(f"{_counted(self.refused, 'row')} {verb} refused: {self._reasons(self.refusals)}")
        if self.contradictions:
            count = sum(self.contradictions.values())
            verb = "contradicts" if count == 1 else "contradict"
            rows = f"{_counted(count, 'row')} {verb} what came before"
            said.append(f"{rows}: {self._reasons(self.contradictions)}")
        return tuple(said)

    def _reasons(self, counts: Mapping[str, int]) -> str:
        said: list[str] = []
        for reason, count in counts.items():
            times = "" if len(counts) == 1 else " once" if count == 1 else f" {count:,} times"
            first = "at" if count == 1 else "first at"
            said.append(f"{reason}{times}, {first} row {self.first_rows[reason]:,}")
        return "; ".join(said)

    def _differences(self) -> list[str]:
        said: list[str] = []
        first = self.first_difference
        if self.rows is not None and self.row_differences:
            different = sum(self.row_differences.values())
            verb = "differs" if different == 1 else "differ"
            said.append(
                f"{different:,} of {self.rows:,} rows {verb} from the book file's, "
                f"{_kinds(self.row_differences)}; "
                f"the first: {first.sides(self.units) if first else 'an unknown one'}"
            )
        if self.rows is None and self.states_equal != self.states:
            where = first.describe(self.units) if first else "an unknown one"
            said.append(
                f"{self.states_equal:,} of {self.states:,} best-price states equal the book file's; "
                f"the first difference is at {where}"
            )
        if self.trades_equal_cost != self.trades:
            begins = "an unknown row"
            if self.first_unequal_trade is not None:
                begins = self.first_unequal_trade.describe(self.units)
            said.append(
                f"{self.trades_equal_cost:,} of {self.trades:,} trades cost what the exchange published; "
                f"the first that did not begins at {begins}"
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
        if self.seeded:
            were = "was" if self.seeded == 1 else "were"
            said.append(
                f"{_counted(self.seeded, 'order')} {were} never submitted in the recording: what rested, and "
                "since when, is guessed from later rows. A recording that shows only so many price levels "
                "does not tell: such an order may have come later, or have held more"
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


def _kinds(counts: Mapping[str, int]) -> str:
    """Write how many are of each kind.

    >>> _kinds({"deleted rows": 32}), _kinds({"deleted rows": 2, "executed rows": 1})
    ('all of them deleted rows', '2 of them deleted rows, 1 of them executed rows')

    """
    if len(counts) == 1:
        return f"all of them {next(iter(counts))}"
    return ", ".join(f"{count:,} of them {kind}" for kind, count in counts.items())
