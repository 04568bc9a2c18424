"""The settings of the interpreter while a service runs."""

from __future__ import annotations

import gc
import sys

import pytest

from oms.api.pauses import short_pauses


def test_the_collector_ignores_the_objects_that_exist_at_the_start_and_the_settings_are_restored() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    orders = [[number] for number in range(1_000)]
    with short_pauses():
        assert gc.get_freeze_count() >= len(orders)
        assert sys.getswitchinterval() < before[1]
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
    assert gc.get_freeze_count() == 0


def test_the_settings_are_restored_after_an_interrupt() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    with pytest.raises(KeyboardInterrupt), short_pauses():
        raise KeyboardInterrupt
    assert (gc.get_threshold(), sys.getswitchinterval()) == before


def test_reference_cycles_are_still_freed() -> None:
    with short_pauses():
        collected = sum(generation["collected"] for generation in gc.get_stats())
        for _ in range(30_000):
            cycle: list[object] = []
            cycle.append(cycle)
        assert sum(generation["collected"] for generation in gc.get_stats()) > collected
