"""The chart of the page about capacity: the waiting time and the recovery time, modeled and simulated.

The lines are the model. The points are the simulated figures in the tables of the page.
"""

from __future__ import annotations

import re
from pathlib import Path

from capacity import EXAMPLE, operation, recovery_time, shard_capacity
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PAGE = Path(__file__).parent / "explanation" / "capacity.md"
_LINES, _POINTS = {"median": "#57606a", "99th percentile": "#c2410c"}, {"median": "o", "99th percentile": "s"}
_INCHES = (8.0, 4.0)
_DPI = 100
RECOVERY_RATE, RECOVERY_ORDERS = 500, 1_000
"""The commands per second and the resting orders in the table of recovery times."""


def table(page: str, first: str) -> list[list[float]]:
    r"""Return the numbers of the table whose first column has this name, without units.

    >>> table("| load | time |\n|--:|--:|\n| 1,000 | 0.4 / 0.5 |\n\nThe end", "load")
    [[1000.0, 0.4, 0.5]]

    """
    rows = page[page.index(f"| {first} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[float(number.replace(",", "")) for number in re.findall(r"[\d.,]*\d", row)] for row in rows]


def figure(page: str) -> Figure:
    """Draw the two panels."""
    drawn = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    left, right = drawn.subplots(1, 2)
    _draw_latency(left, table(page, "commands per second"))
    _draw_recovery(right, table(page, "commands between snapshots"))
    return drawn


def _draw_latency(panel: Axes, rows: list[list[float]]) -> None:
    most = shard_capacity(EXAMPLE)
    rates = [most * 1.25**-number for number in range(1, 30)]
    operations = [operation(EXAMPLE, rate) for rate in rates]
    for column, (name, part) in enumerate({"median": 0.5, "99th percentile": 0.99}.items()):
        modeled = [1_000 * each.latency(part) for each in operations]
        panel.plot(rates, modeled, color=_LINES[name], label=f"{name}, model")
        simulated = [row[4 + 2 * column] for row in rows]
        at = [row[0] for row in rows]
        panel.plot(at, simulated, _POINTS[name], color=_LINES[name], label=f"{name}, simulation")
    panel.axvline(most, color="#9fb3c8", linestyle="--")
    panel.text(most * 0.9, 0.2, "capacity", rotation=90, horizontalalignment="right", color=_LINES["median"])
    panel.set_xscale("log")
    panel.set_ylim(0)
    panel.set_xlabel("commands per second of a shard")
    panel.set_ylabel("milliseconds until acknowledged")
    panel.legend(frameon=False, fontsize=8)


def _draw_recovery(panel: Axes, rows: list[list[float]]) -> None:
    intervals = [1_000 * 10 ** (number / 20) for number in range(61)]
    group = operation(EXAMPLE, RECOVERY_RATE).group
    for size, color in {group: "#c2410c", 100.0: "#57606a"}.items():
        modeled = [recovery_time(EXAMPLE, RECOVERY_ORDERS, interval / 2, size) for interval in intervals]
        panel.plot(intervals, modeled, color=color, label=f"model, {size:.3g} commands per message")
    at, simulated = [row[0] for row in rows], [row[2] for row in rows]
    panel.plot(at, simulated, "s", color="#c2410c", label=f"simulation, {group:.3g}")
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_yticks([5, 10, 20, 50], ["5", "10", "20", "50"])
    panel.minorticks_off()
    panel.set_xlabel("commands between snapshots")
    panel.set_ylabel("mean seconds until the next change")
    panel.legend(frameon=False, fontsize=8)
