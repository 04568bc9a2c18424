"""Random calls of every verb of the engine, compared with the naive engine after each step.

Transactions and what-ifs are nested at random, and exceptions are raised inside them.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from oms.submission import SelfTradePrevention
from support.engine_machine import EngineMachine


@pytest.mark.slow
@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_every_verb_agrees_with_the_naive_engine(policy: SelfTradePrevention) -> None:
    class Machine(EngineMachine):
        prevention = policy

    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.long
def test_every_verb_agrees_with_the_naive_engine_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=1000, stateful_step_count=100, suppress_health_check=list(HealthCheck)
        ),
    )
