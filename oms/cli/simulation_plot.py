"""The plot of `oms simulate --plot`, which needs the extra `notebook`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from oms import extras
from oms.simulation import SimulationReport

__all__ = ["plotter"]


def plotter(file: Path) -> Callable[[SimulationReport], None]:
    """Return a function that draws a report, and saves the plot to the file.

    Raises BadParameter at once if the function would fail, because the simulation before it may take a long
    time.
    """
    try:
        from oms.notebook import simulation_chart  # noqa: PLC0415 - the extra may not be installed
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "notebook"):
            raise
        raise _bad(extras.how_to_install("a plot", "notebook")) from error
    if file.suffix.lower() not in {".pdf", ".png", ".svg"}:
        raise _bad(f"the file name must end in .pdf, .png, or .svg, not {file.name!r}")
    if not file.parent.is_dir():
        raise _bad(f"{str(file.parent)!r} is not a directory")

    def save(report: SimulationReport) -> None:
        simulation_chart(report).savefig(file, dpi=150)  # pyright: ignore[reportUnknownMemberType] - no types

    return save


def _bad(problem: str) -> typer.BadParameter:
    return typer.BadParameter(problem, param_hint="'--plot'")
