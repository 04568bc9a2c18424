"""The engine against the reference engine of `tracebook-conformance`, an independent project.

All cases of its suite v2 conform except `pro-rata-allocation`: this engine fills orders at the same price in
the order of their arrival, and has no pro-rata allocation. Its two policies of self-trade prevention are
CANCEL_OLDEST and CANCEL_NEWEST here. It has no counterpart of CANCEL_BOTH and DECREMENT.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tracebook.conformance import copy_bundled_conformance_suite, run_campaign, run_conformance

from engine.tracebook_adapter import TracebookAdapter

CASES = (
    "deep-cancellation",
    "fifo-lifecycle",
    "multi-symbol",
    "order-instructions",
    "stp-cancel-incoming",
    "stp-cancel-resting",
    "stp-cancel-resting-deep",
    "tick-grid",
)


@pytest.mark.parametrize("name", CASES)
def test_the_engine_conforms_to_each_case_of_the_suite_that_is_not_pro_rata(
    name: str, tmp_path: Path
) -> None:
    suite = copy_bundled_conformance_suite(tmp_path / "v2", suite_version="v2")
    assert sorted(case.name for case in suite.cases) == sorted([*CASES, "pro-rata-allocation"])
    [case] = [case for case in suite.cases if case.name == name]
    report = run_conformance(case.load_events(), TracebookAdapter, config=case.config)
    assert report.conformant, report.divergence


def conforms_to_campaign(seed: int, traces: int) -> None:
    result = run_campaign(TracebookAdapter, "fifo-full-v1", seed=seed, traces=traces, events_per_trace=200)
    assert result.failure is None, result.failure
    assert len(result.traces) == traces


def test_the_engine_conforms_to_two_generated_traces() -> None:
    conforms_to_campaign(seed=42, traces=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_the_engine_conforms_to_twenty_five_generated_traces_of_two_hundred_events(seed: int) -> None:
    """Compare 25 traces. One seed takes three seconds. The gate's step `long` runs this test."""
    conforms_to_campaign(seed, traces=25)
