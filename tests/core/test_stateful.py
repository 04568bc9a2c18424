"""A random walk through every public verb, in step with the slowest book that could be right.

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
def test_every_verb_agrees_with_the_slowest_book_that_could_be_right() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None)
    )


@pytest.mark.long
def test_every_verb_agrees_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1000,
            stateful_step_count=100,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
