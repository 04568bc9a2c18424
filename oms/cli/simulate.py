"""`oms simulate`: simulate a market with seeded traders, and report what happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from oms.cli.options import Json, integer
from oms.cli.progress import bar
from oms.cli.simulation_plot import plotter
from oms.cli.simulation_report import as_json, show_report
from oms.simulation import FundamentalValue, Simulation, SimulationReport, new_agents

__all__ = ["simulate"]

_EVERY = 256  # steps between updates of the bar


def _count(option: str, least: int, what: str) -> object:
    return typer.Option(option, parser=integer(least), metavar="N", help=what)


def simulate(
    *,
    seed: Annotated[int, _count("--seed", 0, "The seed. The same seed always gives the same market.")] = 1,
    steps: Annotated[
        int, _count("--steps", 1, "The number of steps. A step is a simulated second.")
    ] = 23_400,
    noise: Annotated[int, _count("--noise", 0, "The number of traders who trade at random.")] = 20,
    informed: Annotated[int, _count("--informed", 0, "The number of traders who know the future value.")] = 2,
    makers: Annotated[int, _count("--makers", 0, "The number of market makers.")] = 2,
    symbol: Annotated[str, typer.Option("--symbol", metavar="NAME", help="The symbol.")] = "SIM",
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Also save a plot, for example as a .png or .svg file. Needs matplotlib.",
        ),
    ] = None,
    as_object: Json = False,
) -> None:
    """Simulate a market with noise traders, informed traders, and market makers.

    Prints the trades, the spread, the depth, and the volatility over time, and the profits.
    By default, the market is open for 23,400 seconds, which is a day from 09:30 to 16:00.

    For example: oms simulate --seed 7 --steps 3600
    """
    save_plot = plotter(plot) if plot is not None else None
    value = FundamentalValue(seed)
    agents = new_agents(seed, symbol, value, noise=noise, informed=informed, makers=makers)
    report = run(Simulation(agents, value, symbol=symbol, steps=steps))
    if save_plot is not None:
        save_plot(report)
    if as_object:
        print(json.dumps(as_json(report, seed)))
    else:
        show_report(report, seed)


def run(simulation: Simulation) -> SimulationReport:
    """Run a simulation and return its report. Show a progress bar if stderr is a terminal."""
    with bar() as progress:
        task = progress.add_task("simulating", total=simulation.steps, count=0, unit="events")
        for step in simulation:
            if not step % _EVERY or step == simulation.steps:
                progress.update(task, completed=step, count=simulation.engine.last_sequence)
    return simulation.report()
