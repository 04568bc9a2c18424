"""Random calls of every public verb, compared with the naive reference after each step.

Transactions and what-ifs open and close at random depth, with an exception at any point; a
subscriber hears of everything, and what it heard, repeated, makes the same books.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from support.machine import Machine


@pytest.mark.slow
def test_every_verb_agrees_with_the_reference() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None)
    )


@pytest.mark.long
def test_every_verb_agrees_with_the_reference_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1000,
            stateful_step_count=100,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
