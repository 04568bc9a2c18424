"""A long session of all that a recording may hold replays to every price, cost and fill of the exchange."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest

from oms import OrderManagement, Side
from oms.feeds import Report, lobster, replay
from support.slow_exchange import NO_LEVEL, SlowExchange


@cache
def recorded(seed: int) -> SlowExchange:
    return SlowExchange(seed, rows=600)


def replayed(
    tmp_path: Path, rows: list[str], book: list[str], ignore: set[int]
) -> tuple[OrderManagement, Report]:
    messages, book_file = tmp_path / "m.csv.gz", tmp_path / "b.csv.gz"
    messages.write_bytes(gzip.compress("\n".join(rows).encode(), 1))
    book_file.write_bytes(gzip.compress("\n".join(book).encode(), 1))
    om = OrderManagement()
    report = replay(lobster.read(messages), om, symbol="X", unknown="seed", ignore=ignore, book=book_file)
    om._check()
    return om, report


@pytest.mark.parametrize("seed", range(12))
def test_a_session_seen_through_a_window_replays_to_all_that_was_published(tmp_path: Path, seed: int) -> None:
    session = recorded(seed)
    book = (session.book, session.distinct_book, [",".join(row.split(",")[:4]) for row in session.book])
    om, report = replayed(tmp_path, session.rows, book[seed % 3], session.canceled_out_of_view_ids)
    assert report.disagreements == ()
    assert report.states == report.states_equal == session.states
    assert report.trades == report.trades_equal_cost == len(session.sweeps)
    assert report.trades_equal_fills == sum(session.sweeps)
    assert report.unknown == report.seeded == len(session.never_submitted_ids)
    assert (report.events, report.rejected, report.crossed) == (len(session.rows), 0, 0)
    direction = {Side.BUY: -1, Side.SELL: 1}
    assert session.visible_orders == sorted((o.order_id, direction[o.side], o.amount, o.price) for o in om)


def test_such_sessions_hold_every_case() -> None:
    sessions = [recorded(seed) for seed in range(12)]
    kinds = {row.split(",")[1] for session in sessions for row in session.rows}
    assert kinds == set("1234567")
    assert all(session.never_submitted_ids for session in sessions)
    assert sum(bool(session.canceled_out_of_view_ids) for session in sessions) >= 3
    assert sum(session.sweeps.count(False) for session in sessions) >= 12
    assert sum(session.reused_ids for session in sessions) >= 12
    best = {tuple(row.split(",")[:4:2]) for session in sessions for row in session.book}
    assert str(NO_LEVEL) in {ask for ask, _ in best}
    assert str(-NO_LEVEL) in {bid for _, bid in best}


def test_an_order_that_went_unseen_and_was_not_ignored_is_named(tmp_path: Path) -> None:
    session = recorded(50)
    assert len(session.canceled_out_of_view_ids) == 1
    _, report = replayed(tmp_path, session.rows, session.book, set())
    assert not report.agrees
    assert {report.passed_over} == session.canceled_out_of_view_ids
