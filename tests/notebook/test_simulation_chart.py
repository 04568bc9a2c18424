"""The chart of a simulation."""

from __future__ import annotations

import math
from typing import cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from oms.notebook import simulation_chart
from oms.simulation import FundamentalValue, Simulation, SimulationReport, new_agents


def simulated(steps: int, makers: int = 2) -> SimulationReport:
    value = FundamentalValue(7)
    simulation = Simulation(new_agents(7, "XYZ", value, makers=makers), value, symbol="XYZ", steps=steps)
    assert len(list(simulation)) == steps
    return simulation.report()


def y_of(line: Line2D) -> list[float]:
    return [float(number) for number in np.asarray(line.get_ydata())]


@pytest.fixture(scope="module")
def report() -> SimulationReport:
    return simulated(500)


def test_the_chart_shows_each_measurement_at_the_end_of_its_interval(report: SimulationReport) -> None:
    price, volume, spread, depth, volatility = simulation_chart(report).axes
    ends = [each.first_step + each.steps for each in report.intervals]
    for line in (*price.lines, *spread.lines, *depth.lines, *volatility.lines):
        assert np.asarray(line.get_xdata()).tolist() == ends
    mid, value = (y_of(line) for line in price.lines)
    assert mid == [float(each.mid or 0) for each in report.intervals]
    assert value == [each.value for each in report.intervals]
    assert y_of(spread.lines[0]) == [float(each.spread or 0) for each in report.intervals]
    asks, bids = (y_of(line) for line in depth.lines)
    assert asks == [float(each.ask_depth or 0) for each in report.intervals]
    assert bids == [float(each.bid_depth or 0) for each in report.intervals]
    assert y_of(volatility.lines[0]) == [each.volatility for each in report.intervals]
    bars = [
        (bar.get_x() + bar.get_width(), bar.get_x(), bar.get_height())
        for bar in cast("list[Rectangle]", volume.patches)
    ]
    assert [sorted(bar[:2]) for bar in bars] == [
        [each.first_step, each.first_step + each.steps] for each in report.intervals
    ]
    assert [bar[2] for bar in bars] == [each.volume for each in report.intervals]


def test_every_axis_has_a_label_with_its_unit(report: SimulationReport) -> None:
    figure = simulation_chart(report)
    assert figure.axes[0].get_title() == "XYZ: simulated market"
    assert figure.axes[-1].get_xlabel() == "time (seconds)"
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "price (ticks)",
        "volume (lots)",
        "spread (ticks)",
        "depth (lots)",
        "volatility (bps)",
    ]


def test_the_chart_is_drawn_on_the_figure_that_is_passed(report: SimulationReport) -> None:
    figure = Figure()
    assert simulation_chart(report, figure=figure) is figure


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_the_lines_contrast_with_the_background(report: SimulationReport, style: str) -> None:
    with mpl.rc_context(), mpl.style.context(style):
        price = simulation_chart(report).axes[0]
    assert price.lines[0].get_color() == ("#000000" if style == "default" else "#ffffff")


def test_a_market_without_prices_is_drawn_with_gaps() -> None:
    figure = simulation_chart(simulated(20, makers=0))
    figure.draw_without_rendering()
    (mid, _) = figure.axes[0].lines
    assert all(math.isnan(number) for number in y_of(mid))


def test_a_simulation_that_has_not_run_is_drawn() -> None:
    value = FundamentalValue(7)
    simulation_chart(Simulation([], value).report()).draw_without_rendering()
