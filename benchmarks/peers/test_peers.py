"""Tests of the benchmark that need no installed peer."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import pytest
from peers.agreement import disagreement
from peers.before import extracted
from peers.bench import Bench
from peers.catalogue import BARE, BEFORE, ENGINE, NAUTILUS, OMS, PEERS, PURE_PYTHON, with_oms
from peers.driver import UnsupportedError
from peers.drivers.bare import Bare
from peers.drivers.oms import Oms
from peers.drivers.oms_engine import OmsEngine
from peers.environments import Environment, normal, reason
from peers.measuring import Rounds, Settings
from peers.process import ROOT, Process, WorkerFailedError
from peers.ratios import Measurements
from peers.recordings import LOBSTER
from peers.report import Results, report
from peers.session import Step, digest, replay
from peers.targets import (
    BITGET_MESSAGE,
    BITSTAMP_EVENT,
    LOBSTER_EVENT,
    OKX_MESSAGE,
    TARGETS,
    Reading,
    ahead_of,
    verdict,
)
from peers.workload import Resting, Source, amount_of_best, consumed


def measurements(**figures: dict[str, list[float]]) -> Measurements:
    """Return figures by driver and operation, one per round."""
    result = Measurements()
    for driver, operations in figures.items():
        for operation, values in operations.items():
            for turn, value in enumerate(values):
                result.note(driver, turn, {operation: value})
    return result


def test_a_ratio_is_the_median_of_the_ratios_of_all_rounds_and_not_the_ratio_of_medians() -> None:
    figures = measurements(oms={"add": [10, 40, 90]}, bare={"add": [10, 10, 100]})
    assert figures.ratio("add", OMS, BARE) == 1.0
    assert figures.typical(OMS, "add") == 40


def test_a_ratio_needs_a_round_in_which_both_drivers_were_measured() -> None:
    figures = Measurements()
    figures.note(OMS, 0, {"add": 10})
    figures.note(BARE, 1, {"add": 10})
    assert figures.ratio("add", OMS, BARE) is None
    assert figures.ratio("trade", OMS, BARE) is None
    assert figures.typical(OMS, "trade") is None


def test_a_target_against_a_group_compares_with_the_fastest_member() -> None:
    target = ahead_of("row", "add", ("slow", "fast", "absent"), "everybody")
    reading = target.read(measurements(oms={"add": [30]}, slow={"add": [300]}, fast={"add": [20]}))
    assert reading == Reading(1.5, "fast")
    assert not target.met(reading)


def test_a_target_without_measurements_is_neither_passed_nor_missed() -> None:
    for target in TARGETS:
        assert target.read(Measurements()) is None
        assert verdict(target, {}) == "not measured"


def test_the_targets_have_twelve_different_rows() -> None:
    assert len({target.row for target in TARGETS}) == 12


def test_the_groups_of_peers_do_not_contain_oms_or_the_bare_container() -> None:
    assert not {OMS, ENGINE, BEFORE, BARE} & set(PEERS)
    assert "fastlob" in PURE_PYTHON
    assert NAUTILUS not in PURE_PYTHON
    assert with_oms([NAUTILUS]) == [OMS, ENGINE, BEFORE, BARE, NAUTILUS]


@pytest.mark.parametrize("kind", [Oms, OmsEngine, Bare])
def test_oms_and_the_bare_container_return_the_same_results_as_a_plain_list(
    kind: type[Oms | OmsEngine | Bare],
) -> None:
    assert disagreement(kind) is None


class OneTooMany(Bare):
    """A driver that quotes one lot too many."""

    def quote(self, buy: bool, amount: int) -> Any:
        return super().quote(buy, amount + 1)


class LosesItsPlace(Bare):
    """A driver that moves the remainder of a partially filled order to a different price."""

    def trade(self, buy: bool, amount: int) -> Any:
        fills = super().trade(buy, amount)
        order_id, _, price = fills[-1]
        if order_id in self._where:
            _, (_, _, remaining) = self._where[order_id]
            self.remove(order_id)
            self.add(order_id, not buy, remaining, price + (1 if buy else -1))
        return fills


class MisstatesItsFills(Bare):
    """A driver that reports only the first fill."""

    def trade(self, buy: bool, amount: int) -> Any:
        return super().trade(buy, amount)[:1]


class Silent(Bare):
    """A driver that supports no quotes."""

    def quote(self, buy: bool, amount: int) -> Any:
        raise UnsupportedError


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [(OneTooMany, "quote"), (LosesItsPlace, "trade"), (MisstatesItsFills, "trade"), (Silent, "no quote")],
)
def test_a_driver_with_wrong_results_is_detected(kind: type[Bare], complaint: str) -> None:
    difference = disagreement(kind)
    assert difference is not None
    assert difference.startswith(complaint)


def test_the_same_seed_gives_the_same_orders() -> None:
    first, second = Source(seed=1), Source(seed=1)
    assert first.draw(10) == second.draw(10)
    assert first.draw(1)[0].order_id == 11


def test_a_buyer_consumes_the_lowest_asks_and_a_seller_the_highest_bids() -> None:
    orders = [
        Resting(1, False, 5, 101),
        Resting(2, False, 7, 100),
        Resting(3, True, 1, 98),
        Resting(4, True, 2, 99),
    ]
    assert [order.order_id for order in consumed(orders, buy=True)] == [2, 1]
    assert [order.order_id for order in consumed(orders, buy=False)] == [4, 3]
    assert amount_of_best(orders, buy=True, k=1) == 7


def test_the_bench_times_every_operation_and_leaves_the_book_unchanged() -> None:
    bench = Bench(Bare)
    times = bench.quotes() | bench.changed() | bench.orders()
    assert {"quote 1", "quote 1000", "changed 1", "changed 1000", "add", "replace", "remove"} <= set(times)
    assert all(ns > 0 for ns in times.values())
    assert bench.trades()["trade"] > 0


RECORDED = """\
34200.1,1,7,100,5850000,1
34200.2,2,7,30,5850000,1
34200.3,4,9,50,5850000,1
34200.4,5,0,10,5850000,1
34200.5,1,8,6000,5860000,-1
34200.6,4,8,900,5860000,-1
34200.7,3,7,70,5850000,1
"""


def test_a_recording_is_converted_to_adds_removals_and_quotes_and_shallow_books_get_no_quotes(
    tmp_path: Path,
) -> None:
    recording = tmp_path / "messages.csv.gz"
    recording.write_bytes(gzip.compress(RECORDED.encode()))
    steps = digest(recording, 100)
    assert steps == [
        Step(None, Resting(7, True, 100, 58500), None),
        Step(7, Resting(7, True, 70, 58500), None),
        Step(None, None, None),  # the order was submitted before the recording began
        Step(None, None, None),  # a hidden execution
        Step(None, Resting(8, False, 6000, 58600), None),  # no sell quote: the book has too few bids
        Step(8, Resting(8, False, 5100, 58600), True),
        Step(7, None, None),
    ]
    assert set(replay(Bare, steps)) == {"message", "message + 3 quotes"}
    assert digest(recording, 1) == steps[:1]


def test_a_worker_responds_to_requests_and_reports_errors() -> None:
    with Process(Path(sys.executable), BARE) as process:
        assert process.request("check") == {"disagreement": None}
        with pytest.raises(WorkerFailedError, match="sing"):
            process.request("sing")
        assert process.request("memory", orders=1_000)["bytes"] >= 0


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a source distribution has no history")
def test_an_older_version_comes_from_the_history_and_is_measured_by_the_same_driver(tmp_path: Path) -> None:
    source = extracted(tmp_path, "HEAD")
    assert source is not None
    (source / "oms" / "__init__.py").write_text("raise ImportError('the older version')")
    assert extracted(tmp_path, "HEAD") == source
    with (
        Process(Path(sys.executable), BEFORE, source) as process,
        pytest.raises(WorkerFailedError, match="the older version"),
    ):
        process.request("check")
    with Process(Path(sys.executable), BEFORE) as process:
        assert process.request("check") == {"disagreement": None}


def test_a_history_without_the_older_version_is_reported_and_the_other_drivers_are_measured(
    tmp_path: Path,
) -> None:
    assert extracted(tmp_path, "0" * 40) is None
    environment = Environment(Path(sys.executable), "3.11.2", "a build", {OMS: "1", BEFORE: "1", BARE: "2"})
    rounds = Rounds(environment, Settings(1, 1, 1, 1, None), before=None)
    assert list(rounds.failed) == [BEFORE]
    rounds.check()
    assert list(rounds.failed) == [BEFORE]


def test_a_replay_has_a_figure_for_each_recording_that_is_present() -> None:
    with Process(Path(sys.executable), OMS) as process:
        figures = process.request("replays")
    expected = {LOBSTER_EVENT, BITSTAMP_EVENT, OKX_MESSAGE, BITGET_MESSAGE} if LOBSTER.exists() else set()
    assert set(figures) == expected
    assert all(ns > 0 for ns in figures.values())


def test_pip_errors_are_shortened_to_the_useful_line() -> None:
    output = (
        "ERROR: Ignored the following versions that require another Python: 0.1.1 Requires-Python >=3.12\n"
        "ERROR: No matching distribution found for matching-engine\n"
    )
    assert reason(output) == "0.1.1 Requires-Python >=3.12"
    assert reason("ERROR: something else\n") == "something else"
    assert reason("") == "pip printed no error"
    assert normal("Nautilus_Trader") == "nautilus-trader"


def test_the_report_lists_every_peer_every_target_and_the_reasons() -> None:
    environment = Environment(
        Path("python"), "3.11.2", "a build", {OMS: "1", BARE: "2", NAUTILUS: "1.221"}, {"fastlob": "no wheel"}
    )
    figures = measurements(**{OMS: {"add": [30.0]}, BARE: {"add": [10.0]}})
    text = report([Results(environment, figures, {NAUTILUS: "not timed: wrong quote"})], ["a note"])
    assert all(peer in text for peer in PEERS)
    assert all(target.claim in text for target in TARGETS)
    assert "not installed: no wheel" in text
    assert "1.221 (not timed: wrong quote)" in text
    assert "10 (3.00x)" in text
