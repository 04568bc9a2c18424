"""How often an attempt is repeated, and for how long."""

from __future__ import annotations

import pytest

from oms.cluster.patience import Patience
from support.replicated_log import Clock


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.1, 1.0, 30.0])
def test_attempts_end_in_time_and_there_is_at_least_one(seconds: float) -> None:
    clock = Clock()
    numbers = list(Patience(seconds, clock, clock.pause).attempts())
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers[0] == 1
    assert clock.now <= seconds
    assert clock.now >= seconds - 0.25


def test_pauses_grow_to_a_quarter_of_a_second() -> None:
    clock, pauses = Clock(), list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.pause(seconds)

    for number in Patience(3, clock, pause).attempts():
        assert len(pauses) == number - 1
    assert pauses[:6] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.25]
    assert set(pauses[6:]) == {0.25}


def test_a_slow_attempt_uses_the_time_too() -> None:
    clock = Clock()
    for _ in Patience(10, clock, clock.pause).attempts():
        clock.pause(4)
    assert clock.now < 14
