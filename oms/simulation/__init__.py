"""A simulated market, in which seeded traders trade with each other on a MatchingEngine.

Noise traders trade at random, informed traders know what the asset will be worth, and market makers quote
both sides. The same arguments always give the same result. `oms simulate` runs such a market and prints a
report.

>>> value = FundamentalValue(seed=7)
>>> simulation = Simulation(new_agents(7, "XYZ", value), value, symbol="XYZ", steps=1_000)
>>> for step in simulation:
...     if step == 500:
...         simulation.engine.top("XYZ").spread, value.at(step)
(7, 10014)
>>> report = simulation.report()
>>> report.total.trades, report.total.volume
(330, 1601)

"""

from oms.simulation.agents import Agent, InformedTrader, MarketMaker, NoiseTrader
from oms.simulation.report import Interval, Profit, SimulationReport
from oms.simulation.simulation import Simulation, new_agents
from oms.simulation.value import FundamentalValue

__all__ = [
    "Agent",
    "FundamentalValue",
    "InformedTrader",
    "Interval",
    "MarketMaker",
    "NoiseTrader",
    "Profit",
    "Simulation",
    "SimulationReport",
    "new_agents",
]
