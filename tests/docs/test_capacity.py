"""The capacity model agrees with the simulation, and the page shows the figures of both."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

import capacity
import capacity_chart
import pytest
from capacity import EXAMPLE, Measured
from hypothesis import given, settings
from hypothesis import strategies as st

from oms.cluster.log.message import Draft, Head, encode
from oms.events import OrderAdded
from oms.models import Order, Side
from support import capacity_tables
from support.capacity_simulation import NOTE, Shard, cluster, poisson, shard_shares

FAR = EXAMPLE._replace(message_seconds=0.008, command_seconds=20e-6)
"""Servers that are far from each other, so that a message takes a long time."""
SLOW = EXAMPLE._replace(message_seconds=0.002, command_seconds=200e-6)
"""A slow processor."""
MACHINES = {"example": EXAMPLE, "far": FAR, "slow": SLOW}
LOADS = (0.005, 0.05, 0.3, 0.85)
"""Parts of the capacity."""


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


def settled(values: Sequence[float]) -> Sequence[float]:
    """Return the values without the first quarter and without the last few."""
    return values[len(values) // 4 : -3]


def simulated(measured: Measured, rate: float, commands: int = 6_000, seed: int = 1) -> Shard:
    shard = Shard(measured, poisson(rate, commands / rate, seed))
    shard.run()
    return shard


# ------------------------------------------------------------------ one shard


@pytest.mark.slow
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_group_size_and_the_latency_of_a_shard_agree_with_the_simulation(
    machine: str, load: float
) -> None:
    measured = MACHINES[machine]
    rate = load * capacity.shard_capacity(measured)
    shard, model = simulated(measured, rate), capacity.operation(measured, rate)
    assert len(shard.latencies) == len(shard.books)
    assert mean(settled(shard.sizes)) == pytest.approx(model.group, rel=0.05)
    for part in (0.5, 0.99):
        assert percentile(settled(shard.latencies), part) == pytest.approx(model.latency(part), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_an_overloaded_shard_makes_as_many_changes_as_its_capacity_and_commands_wait_longer_and_longer(
    machine: str,
) -> None:
    measured = MACHINES[machine]
    most = capacity.shard_capacity(measured)
    shard = simulated(measured, 1.5 * most)
    assert len(shard.latencies) / shard.now == pytest.approx(most, rel=0.05)
    assert shard.latencies[-1] > 10 * shard.latencies[0]
    assert max(shard.sizes) == capacity.LARGEST_GROUP


@pytest.mark.parametrize("clients", [1, 10, 60])
def test_clients_that_wait_for_each_response_form_one_group(clients: int) -> None:
    shard = Shard(EXAMPLE, [0.0] * clients, pause=0.001)
    shard.run(until=0.1)
    assert mean(shard.sizes) == pytest.approx(clients, rel=0.01)
    modeled = capacity.closed_rate(EXAMPLE, clients, 0.001)
    assert len(shard.latencies) / shard.now == pytest.approx(modeled, rel=0.05)


@pytest.mark.parametrize("load", [-0.1, 0, 1, 2])
def test_a_rate_outside_the_capacity_is_an_error_that_names_the_capacity(load: float) -> None:
    most = capacity.shard_capacity(EXAMPLE)
    with pytest.raises(ValueError, match=f"between 0 and the capacity of {most:,.0f} per second"):
        capacity.operation(EXAMPLE, load * most)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(
    message=st.floats(0.000_2, 0.004),
    command=st.floats(1e-6, 1e-3),
    load=st.floats(0.001, 0.999),
)
def test_each_operation_has_probabilities_a_possible_group_and_latencies_in_order(
    message: float, command: float, load: float
) -> None:
    measured = EXAMPLE._replace(message_seconds=message, command_seconds=command)
    model = capacity.operation(measured, load * capacity.shard_capacity(measured))
    assert sum(model.sizes.values()) == pytest.approx(1)
    assert all(0 < part <= 1 for part in model.sizes.values())
    assert 1 <= model.group <= capacity.LARGEST_GROUP
    half, most = (model.latency(part) for part in (0.5, 0.99))
    assert capacity.message_time(measured, 1) * 0.999 <= half <= most


def test_two_measured_rates_are_the_capacities_with_groups_of_these_sizes() -> None:
    message, command = capacity.line(1 / 1_400, 100 / 58_600)
    measured = EXAMPLE._replace(message_seconds=message, command_seconds=command)
    assert capacity.shard_capacity(measured, 1) == pytest.approx(1_400)
    assert capacity.shard_capacity(measured, 100) == pytest.approx(58_600)


# ------------------------------------------------------------------ the log


def test_a_message_has_the_modeled_number_of_bytes() -> None:
    for size in (1, 10, 100):
        events = [
            OrderAdded(Order(1_000 + n, "AAPL", Side.BUY, 20, 2_000), 1_000 + n, NOTE) for n in range(size)
        ]
        payload, _ = encode(Head(1_000, 1, 1_000, 1, "0" * 64), Draft(events))
        modeled = capacity.log_bytes(EXAMPLE, size, size, seconds=1)
        assert len(payload) == pytest.approx(modeled, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.005, 0.1, 0.6])
def test_a_log_grows_as_modeled(load: float) -> None:
    rate = load * capacity.shard_capacity(EXAMPLE)
    shard, group = simulated(EXAMPLE, rate), capacity.operation(EXAMPLE, rate).group
    modeled = capacity.log_bytes(EXAMPLE, rate, group, shard.now)
    assert shard.log_bytes == pytest.approx(modeled, rel=0.1)


# ------------------------------------------------------------------ many shards


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("exponent", [0, 0.7, 1])
def test_the_hash_spreads_symbols_as_modeled(shards: int, exponent: float) -> None:
    shares = capacity.zipf(1_000, exponent)
    worst = mean(max(shard_shares(shares, shards, seed)) for seed in range(10))
    assert worst == pytest.approx(capacity.worst_share(shares, shards), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2, 4, 8, 32])
def test_a_cluster_makes_all_changes_until_its_busiest_shard_is_overloaded(shards: int) -> None:
    shares = shard_shares(capacity.zipf(1_000, 1), shards, seed=1)
    most = capacity.shard_capacity(SLOW) / max(shares)
    busiest = shares.index(max(shares))
    for load in (0.8, 1.2):
        made = cluster(SLOW, shares, load * most, seconds=0.5, seed=1)
        assert made[busiest] == pytest.approx(min(load, 1) * max(shares) * most, rel=0.1)
        assert sum(made) == pytest.approx(
            sum(min(load * most * share, max(shares) * most) for share in shares), rel=0.1
        )


# ------------------------------------------------------------------ takeovers


@pytest.mark.slow
@pytest.mark.parametrize("interval", [250, 1_000, 2_000])
def test_a_takeover_takes_as_long_as_modeled_and_loses_nothing(interval: int) -> None:
    """A slow reader makes the differences between the intervals large."""
    measured = EXAMPLE._replace(read_message_seconds=0.005, read_command_seconds=0.001, load_seconds=0.001)
    orders, kills = 100, 10
    arrivals = poisson(5_000, 3 * interval / 5_000, seed=3)
    shard, seconds = Shard(measured, arrivals, orders=orders, interval=interval), list[float]()
    for number in range(kills):
        shard.run(events=interval * (1 + (number + 0.5) / kills))
        seconds.append(shard.kill(with_clients=True))
    shard.run()
    group = mean(shard.sizes)
    modeled = capacity.recovery_time(measured, orders, interval / 2, group)
    assert mean(seconds) == pytest.approx(modeled, rel=0.05)
    latest = interval + capacity.LARGEST_GROUP  # a snapshot is saved after a group
    assert max(seconds) < capacity.recovery_time(measured, orders, latest, group)
    assert shard.books.last_sequence == len(shard.latencies) == len(arrivals)


def test_commands_that_come_during_a_takeover_are_made_after_it() -> None:
    arrivals = poisson(200, 10, seed=1)
    shard = Shard(EXAMPLE, arrivals)
    shard.run(events=1_000)
    outage = shard.kill()
    shard.run()
    assert shard.books.last_sequence == len(shard.latencies) == len(arrivals)
    assert max(shard.latencies) == pytest.approx(outage, rel=0.05)
    assert max(shard.sizes) == capacity.LARGEST_GROUP


def test_the_best_interval_has_the_lowest_cost() -> None:
    rate, group, orders, kills, value = 1_000.0, 2, 50_000, 12.0, 100.0

    def cost(interval: float) -> float:
        """Return the seconds that snapshots and takeovers cost in a year."""
        saving = capacity.following(EXAMPLE, rate, group, orders, interval) * capacity.YEAR
        unread = capacity.recovery_time(EXAMPLE, orders, interval / 2, group)
        return saving + value * capacity.unavailability(unread, kills) * capacity.YEAR

    best = capacity.best_interval(EXAMPLE, rate, group, orders, kills, value)
    assert cost(best) < min(cost(0.9 * best), cost(1.1 * best))


# ------------------------------------------------------------------ the page


@pytest.mark.long
def test_the_tables_on_the_page_contain_the_figures_of_the_model_and_of_the_simulation() -> None:
    page = capacity_chart.PAGE.read_text(encoding="utf-8")
    hint = "run PYTHONPATH=tests:docs .venv/bin/python -m support.capacity_tables"
    assert capacity_tables.updated(page) == page, hint
