"""The simulated market: it is repeatable, and it behaves like a market."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oms import Event, InvalidArgumentError, InvalidOrderError, MatchingEngine, Side
from oms.simulation import (
    Agent,
    FundamentalValue,
    MarketMaker,
    NoiseTrader,
    Simulation,
    SimulationReport,
    new_agents,
)

START = 1_767_605_400_000_000_000
SCRIPT = """\
from oms.simulation import FundamentalValue, Simulation, new_agents
value = FundamentalValue(7)
simulation = Simulation(new_agents(7, "XYZ", value), value, symbol="XYZ", steps=500)
for step in simulation:
    pass
print(simulation.report())
"""


def simulation(
    seed: int = 7, steps: int = 500, *, noise: int = 20, informed: int = 2, makers: int = 2
) -> Simulation:
    value = FundamentalValue(seed)
    agents = new_agents(seed, "XYZ", value, noise=noise, informed=informed, makers=makers)
    return Simulation(agents, value, symbol="XYZ", steps=steps)


def finished(run: Simulation) -> SimulationReport:
    assert sum(1 for _ in run) == run.steps
    return run.report()


# ------------------------------------------------------------------ repeatable


def test_the_same_seed_gives_the_same_report_in_every_process_and_with_every_hash_seed() -> None:
    expected = f"{finished(simulation())}\n"
    for hash_seed in ("0", "1"):
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert process.stdout == expected


def test_different_seeds_give_different_reports() -> None:
    assert len({finished(simulation(seed, 200)).state_hash for seed in range(5)}) == 5


def test_a_simulation_can_stop_and_continue() -> None:
    run = simulation()
    for step in run:
        if step == 123:
            break
    assert run.report().total.steps == 123
    assert list(run) == list(range(124, 501))
    assert run.report() == finished(simulation())
    assert list(run) == []


def test_an_added_trader_leaves_the_random_numbers_of_the_others_unchanged() -> None:
    value = FundamentalValue(7)
    few, many = (new_agents(7, "XYZ", value, noise=noise) for noise in (1, 5))
    names = [agent.name for agent in few]
    others = [agent for agent in many if agent.name in names]
    assert [agent.random() for agent in few] == [agent.random() for agent in others]


# ------------------------------------------------------------------ time and arguments


def test_the_clock_of_the_engine_is_the_simulated_time() -> None:
    run = simulation(steps=100)
    times: list[int | None] = []
    run.engine.subscribe(lambda event: times.append(event.time))
    seen = [len(times) for _ in run]
    assert len(times) == seen[-1]
    assert times == sorted(times, key=lambda time: time or 0)
    assert {(time or 0) - START for time in times} <= {step * 10**9 for step in range(1, 101)}


def test_orders_that_expire_are_canceled_at_their_time() -> None:
    run = simulation(steps=500)
    for step in run:
        now = START + step * 10**9
        assert all((order.order.expires or now + 1) > now for order in run.engine)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_the_number_of_steps_is_a_positive_integer(steps: int) -> None:
    with pytest.raises(InvalidOrderError, match=r"^steps must be an int in 1"):
        Simulation([], FundamentalValue(1), steps=steps)


def test_two_agents_with_the_same_name_are_rejected() -> None:
    agents = [NoiseTrader("Ann", "XYZ", seed) for seed in (1, 2)]
    with pytest.raises(InvalidArgumentError, match="agents must be agents with different names, not 'Ann'"):
        Simulation(agents, FundamentalValue(1), symbol="XYZ")


def test_an_agent_that_trades_another_symbol_is_rejected() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^symbol must be 'SIM' for each agent, not 'XYZ' "):
        Simulation([NoiseTrader("Ann", "XYZ", 1)], FundamentalValue(1))


# ------------------------------------------------------------------ your own trader


class Buyer(Agent):
    """A trader who buys one lot in each step, and remembers its fills."""

    kind = "buyer"
    named = True

    def __init__(self) -> None:
        super().__init__("buyer", "XYZ", 7)
        self.bought = 0

    def act(self, engine: MatchingEngine, step: int, now: int) -> None:
        owner = self.name if self.named else None
        self.bought += engine.submit(self.next_id(), "XYZ", Side.BUY, 1, owner=owner).amount


def test_your_own_trader_takes_part_in_the_simulation() -> None:
    value, buyer = FundamentalValue(7), Buyer()
    report = finished(Simulation([*new_agents(7, "XYZ", value), buyer], value, symbol="XYZ", steps=100))
    assert list(report.profits) == ["maker", "informed", "noise", "buyer"]
    assert report.profits["buyer"].position == buyer.position == buyer.bought > 50


def test_the_trades_of_an_order_without_an_owner_are_those_of_other_traders() -> None:
    value, buyer = FundamentalValue(7), Buyer()
    buyer.named = False
    report = finished(Simulation([*new_agents(7, "XYZ", value), buyer], value, symbol="XYZ", steps=100))
    assert buyer.position == report.profits["buyer"].traded == 0
    assert report.profits["other"] == report.profits["other"]._replace(
        agents=0, traded=buyer.bought, position=buyer.bought
    )


def test_the_position_of_each_trader_is_that_of_the_fills() -> None:
    value = FundamentalValue(7)
    agents = new_agents(7, "XYZ", value)
    run = Simulation(agents, value, symbol="XYZ", steps=500)
    positions = dict.fromkeys([agent.name for agent in agents], 0)

    def add(event: Event) -> None:
        for fill in event.fills():  # type: ignore[attr-defined]  # an EngineEvent
            positions[fill.taker_owner] += fill.side.sign * fill.amount
            positions[fill.maker_owner] -= fill.side.sign * fill.amount

    run.engine.subscribe(add)
    report = finished(run)
    assert {agent.name: agent.position for agent in agents} == positions
    assert {name: run.account.position("XYZ", name).amount for name in positions} == positions
    assert sum(abs(position) for position in positions.values()) > 0
    for kind, profit in report.profits.items():
        assert profit.position == sum(agent.position for agent in agents if agent.kind == kind)


# ------------------------------------------------------------------ a sane market


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def day(request: pytest.FixtureRequest) -> SimulationReport:
    """Return the report of a day of seconds from 09:30 to 16:00."""
    return finished(simulation(request.param, 23_400))


@pytest.mark.slow
def test_the_profits_of_all_kinds_add_up_to_zero(day: SimulationReport) -> None:
    assert sum(profit.profit for profit in day.profits.values()) == 0
    assert sum(profit.position for profit in day.profits.values()) == 0


@pytest.mark.slow
def test_market_makers_earn_from_noise_traders_and_lose_to_informed_traders(day: SimulationReport) -> None:
    maker, informed, noise = (day.profits[kind] for kind in ("maker", "informed", "noise"))
    assert maker.against["noise"] > 0 > maker.against["informed"]
    assert maker.profit > 0
    assert informed.profit > 0
    assert noise.profit < 0
    assert maker.profit < 4 * maker.traded, "less than the half spread for each lot"


@pytest.mark.slow
def test_the_spread_is_positive_and_bounded_in_every_interval(day: SimulationReport) -> None:
    for interval in day.intervals:
        assert interval.quoted == interval.steps
        assert interval.spread is not None
        assert 4 <= interval.spread <= 12


@pytest.mark.slow
def test_both_sides_have_depth_and_trades_in_every_interval(day: SimulationReport) -> None:
    for interval in day.intervals:
        assert interval.trades > 0
        assert interval.volume >= interval.trades
        assert interval.ask_depth is not None
        assert interval.bid_depth is not None
        assert min(interval.ask_depth, interval.bid_depth) > 40


@pytest.mark.slow
def test_the_price_follows_the_fundamental_value(day: SimulationReport) -> None:
    errors = [abs(each.value - each.mid) for each in day.intervals if each.mid is not None]
    assert len(errors) == 120
    assert sum(errors) / len(errors) < 5
    moves = [abs(each.value - day.intervals[0].value) for each in day.intervals]
    assert max(moves) > 50, "the value moves much farther than the price is away from it"


@pytest.mark.slow
def test_without_informed_traders_the_price_does_not_follow_the_value() -> None:
    report = finished(simulation(5, 23_400, informed=0))
    last = report.intervals[-1]
    assert last.mid is not None
    assert abs(last.value - last.mid) > 50
    assert report.profits.keys() == {"maker", "noise"}


def test_without_market_makers_noise_traders_have_nobody_to_trade_with() -> None:
    report = finished(simulation(makers=0))
    assert report.total.trades == 0
    assert report.profits["noise"].traded == 0


def test_two_market_makers_never_trade_with_each_other() -> None:
    report = finished(simulation(steps=2_000, makers=3))
    assert report.profits["maker"].agents == 3
    assert report.profits["maker"].against.get("maker", 0) == 0
    assert isinstance(new_agents(1, "XYZ", FundamentalValue(1))[0], MarketMaker)
