"""Figures by driver, operation, and round, with their medians and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median


class Measurements:
    """The figures of all rounds on one interpreter.

    A ratio compares two figures of the same round, because those were measured within seconds of each other.
    The result is the median of the ratios of all rounds, and not the ratio of two medians.

    >>> measured = Measurements()
    >>> measured.note("oms", 0, {"add": 20.0})
    >>> measured.note("bare", 0, {"add": 10.0})
    >>> measured.ratio("add", "oms", "bare")
    2.0

    """

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, dict[int, float]]] = {}

    def note(self, driver: str, turn: int, figures: Mapping[str, float]) -> None:
        """Add the figures of a driver in a round."""
        for operation, figure in figures.items():
            self._figures.setdefault(driver, {}).setdefault(operation, {})[turn] = figure

    def drivers(self) -> list[str]:
        """Return all drivers that have figures."""
        return list(self._figures)

    def typical(self, driver: str, operation: str) -> float | None:
        """Return the median over the rounds, or None if the operation was not measured."""
        figures = self._of(driver, operation)
        return median(figures.values()) if figures else None

    def ratio(self, operation: str, of: str, to: str) -> float | None:
        """Return the time of driver `of` divided by that of driver `to`, or None if they share no round."""
        return median_ratio(self._of(of, operation), self._of(to, operation))

    def within(self, driver: str, operation: str, base: str) -> float | None:
        """Return the time of one operation divided by that of another operation of the same driver."""
        return median_ratio(self._of(driver, operation), self._of(driver, base))

    def plain(self) -> dict[str, dict[str, list[float]]]:
        """Return all figures as plain lists, for a file."""
        return {
            driver: {operation: list(by_round.values()) for operation, by_round in operations.items()}
            for driver, operations in self._figures.items()
        }

    def _of(self, driver: str, operation: str) -> dict[int, float]:
        return self._figures.get(driver, {}).get(operation, {})


def median_ratio(over: Mapping[int, float], under: Mapping[int, float]) -> float | None:
    """Return the median ratio over the rounds that both have, or None if there are none."""
    ratios = [over[turn] / under[turn] for turn in over if under.get(turn)]
    return median(ratios) if ratios else None
