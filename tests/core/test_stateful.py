"""Random calls of every public method, compared with the naive reference after each step.

Transactions and what-ifs are nested at random, and exceptions are raised inside them. A replay of the
published events must give the same books.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from support.machine import Machine


@pytest.mark.slow
def test_every_method_agrees_with_the_reference() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=150, stateful_step_count=40))


@pytest.mark.soak
def test_every_method_agrees_with_the_reference_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1000,
            stateful_step_count=100,
            suppress_health_check=list(HealthCheck),
        ),
    )
