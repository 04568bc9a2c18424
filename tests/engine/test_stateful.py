"""Random calls of every verb of the engine, compared with the naive engine after each step.

Transactions and what-ifs are nested at random, and exceptions are raised inside them.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from oms.submission import SelfTradePrevention
from support.engine_machine import EngineMachine, random_step


def walk(policy: SelfTradePrevention, seed: int, steps: int) -> None:
    """Make random steps. A walk reaches more open orders than the short examples of hypothesis."""
    machine, random = EngineMachine(), Random(seed)
    machine.start(policy)
    for _ in range(steps):
        random_step(machine, random)
        machine.the_open_orders_agree()
        machine.the_queues_agree()
        machine.no_book_is_crossed()
        machine.the_engine_is_consistent()
    machine.teardown()
    machine.the_events_rebuild_the_same_books()


@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_a_short_random_walk_agrees_with_the_naive_engine(policy: SelfTradePrevention) -> None:
    walk(policy, seed=0, steps=300)


@pytest.mark.slow
@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_a_long_random_walk_agrees_with_the_naive_engine(policy: SelfTradePrevention) -> None:
    for seed in (1, 2, 3):
        walk(policy, seed, steps=1000)


@pytest.mark.slow
@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_every_verb_agrees_with_the_naive_engine(policy: SelfTradePrevention) -> None:
    class Machine(EngineMachine):
        prevention = policy

    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.soak
def test_every_verb_agrees_with_the_naive_engine_over_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=1000, stateful_step_count=100, suppress_health_check=list(HealthCheck)
        ),
    )
