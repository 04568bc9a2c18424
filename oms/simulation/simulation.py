"""The class Simulation, which lets traders act on a matching engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oms.engine_events import EngineEvent
from oms.errors import InvalidArgumentError
from oms.events import Event
from oms.matching import MatchingEngine
from oms.models import check_resting, check_symbol
from oms.simulation.agents import Agent, InformedTrader, MarketMaker, NoiseTrader
from oms.simulation.meter import Meter
from oms.simulation.report import SimulationReport
from oms.simulation.value import FundamentalValue
from oms.submission import SelfTradePrevention

__all__ = ["Simulation", "new_agents"]

_START = 1_767_605_400_000_000_000  # 2026-01-05 09:30 UTC, in nanoseconds since 1970
_STEP = 1_000_000_000  # nanoseconds


def new_agents(
    seed: int, symbol: str, value: FundamentalValue, *, noise: int = 20, informed: int = 2, makers: int = 2
) -> list[Agent]:
    """Return traders of the three kinds. The market makers come first, so that the book has prices.

    >>> [agent.name for agent in new_agents(7, "XYZ", FundamentalValue(7), noise=2, informed=1, makers=1)]
    ['maker-1', 'informed-1', 'noise-1', 'noise-2']

    """
    return [
        *(MarketMaker(f"maker-{n}", symbol, seed, value.at(0)) for n in range(1, makers + 1)),
        *(InformedTrader(f"informed-{n}", symbol, seed, value) for n in range(1, informed + 1)),
        *(NoiseTrader(f"noise-{n}", symbol, seed) for n in range(1, noise + 1)),
    ]


class Simulation:
    """A simulated market: in each step, all traders act in turn on a MatchingEngine.

    A step takes a second of simulated time, and the engine's clock shows this time. Iterate over the
    simulation to run it. After each step, it yields the number of steps so far. The same arguments always
    give the same result. `engine` is the MatchingEngine, and `account` is an Account with the position and
    the profit of each trader.

    Raises InvalidOrderError if `steps` or the symbol is invalid, and InvalidArgumentError if two agents have
    the same name.

    >>> value = FundamentalValue(seed=7)
    >>> simulation = Simulation(new_agents(7, "XYZ", value), value, symbol="XYZ", steps=100)
    >>> [simulation.engine.top("XYZ").spread for step in simulation if step % 25 == 0]
    [8, 7, 8, 7]
    >>> simulation.report().total.trades
    34

    """

    def __init__(
        self, agents: Iterable[Agent], value: FundamentalValue, *, symbol: str = "SIM", steps: int = 23_400
    ) -> None:
        check_symbol(symbol)
        check_resting("steps", steps)
        self._agents: dict[str, Agent] = {}
        for agent in agents:
            if agent.name in self._agents:
                raise InvalidArgumentError("agents", agent.name, "agents with different names")
            if agent.symbol != symbol:
                remedy = "pass symbol= to Simulation"
                raise InvalidArgumentError("symbol", agent.symbol, f"{symbol!r} for each agent", remedy)
            self._agents[agent.name] = agent
        self.symbol = symbol
        self.steps = steps
        self.engine = MatchingEngine(
            self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST, clock=lambda: self._now
        )
        self._now = _START
        self._value = value
        self._step = 0
        kinds = {agent.name: agent.kind for agent in self._agents.values()}
        self._meter = Meter(self.engine, symbol, kinds, steps)
        self.account = self._meter.account
        self.engine.subscribe(self._publish)

    def __iter__(self) -> Iterator[int]:
        """Run the remaining steps, and yield the number of steps so far after each step."""
        while self._step < self.steps:
            self._step += 1
            self._now += _STEP
            self.engine.expire(self._now)
            for agent in self._agents.values():
                agent.act(self.engine, self._step, self._now)
            self._meter.end_step(self._value.at(self._step))
            yield self._step

    def report(self) -> SimulationReport:
        """Return the measurements so far, and the profit for each kind of trader."""
        value = self._value.at(self._step)
        return SimulationReport(
            self.symbol, self._meter.intervals(value), self._meter.profits(value), self.engine.state_hash()
        )

    def _publish(self, event: Event) -> None:
        """Update the positions of the traders, and pass the event on to them."""
        assert isinstance(event, EngineEvent)
        for fill in event.fills():
            bought = fill.side.sign * fill.amount
            for owner, change in ((fill.taker_owner, bought), (fill.maker_owner, -bought)):
                if owner in self._agents:
                    self._agents[owner].position += change
        for agent in self._agents.values():
            agent.on_event(event)
