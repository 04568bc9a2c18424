"""LevelReport: the totals of all symbols, and the sentences about what went wrong."""

from __future__ import annotations

from dataclasses import asdict

from oms import Instrument
from oms.feeds import LevelReport, SymbolReport
from oms.feeds.levels.capture import UNREADABLE
from oms.feeds.levels.report import LevelTally


def symbol_report(stale: str | None = None, trades: int = 0, **counts: int) -> SymbolReport:
    return SymbolReport(Instrument(), stale=stale, trades=trades, **asdict(LevelTally(**counts)))


def test_the_totals_are_the_sums_over_the_symbols() -> None:
    one = symbol_report(messages=5, checksums_ok=3, checksums_failed=1, gaps=1, times_stale=1)
    report = LevelReport({"X": one, "Y": symbol_report(messages=2, checksums_ok=2)})
    assert (report.messages, report.checksums_ok, report.checksums_failed, report.gaps) == (7, 5, 1, 1)


def test_a_report_without_a_problem_agrees() -> None:
    report = LevelReport({"X": symbol_report(messages=5)}, {"not about a book": 3}, {"not about a book": 1})
    assert (report.agrees, report.followed, report.stale, report.disagreements) == (True, True, (), ())


def test_a_book_that_recovered_is_a_disagreement_but_is_not_stale() -> None:
    report = LevelReport({"X": symbol_report(times_stale=2, ignored=1_000)})
    assert (report.agrees, report.followed, report.stale) == (False, False, ())
    [sentence] = report.disagreements
    assert sentence == "X became stale 2 times (ignored updates: 1,000)"


def test_a_book_that_is_stale_at_the_end_is_named_with_the_reason() -> None:
    report = LevelReport({"X": symbol_report("row 7 is message 9, after 10", times_stale=1, ignored=4)})
    assert report.stale == ("X",)
    [sentence] = report.disagreements
    assert sentence == (
        "X became stale once (ignored updates: 4) and is stale at the end: row 7 is message 9, after 10"
    )


def test_lines_that_could_not_be_read_are_a_disagreement_even_if_no_book_is_stale() -> None:
    report = LevelReport({"X": symbol_report()}, {UNREADABLE: 1_200}, {UNREADABLE: 34})
    assert (report.followed, report.unread, report.agrees) == (True, 1_200, False)
    [sentence] = report.disagreements
    assert sentence == (
        "lines not read: 1,200, the first is row 34: cut short, or not in the exchange's format; "
        "the books lack the changes in these lines"
    )
