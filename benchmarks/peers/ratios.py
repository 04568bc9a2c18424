"""Figures by driver, operation and round, and what they say: medians, and ratios taken round by round."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median


class Measured:
    """What one interpreter's rounds gave.

    A ratio is taken within each round, where its two sides were measured seconds apart, and the median of
    those ratios counts: never the ratio of two medians.

    >>> measured = Measured()
    >>> measured.note("oms", 0, {"add": 20.0})
    >>> measured.note("bare", 0, {"add": 10.0})
    >>> measured.ratio("add", "oms", "bare")
    2.0

    """

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, dict[int, float]]] = {}

    def note(self, driver: str, turn: int, figures: Mapping[str, float]) -> None:
        """Keep what a driver took in a round."""
        for operation, figure in figures.items():
            self._figures.setdefault(driver, {}).setdefault(operation, {})[turn] = figure

    def drivers(self) -> list[str]:
        """Everybody with a figure."""
        return list(self._figures)

    def typical(self, driver: str, operation: str) -> float | None:
        """The median over the rounds; None if it was not measured."""
        figures = self._of(driver, operation)
        return median(figures.values()) if figures else None

    def ratio(self, operation: str, of: str, to: str) -> float | None:
        """How many times longer one driver takes than another; None if they share no round."""
        return median_ratio(self._of(of, operation), self._of(to, operation))

    def within(self, driver: str, operation: str, base: str) -> float | None:
        """How many times longer one operation of a driver takes than another of its own."""
        return median_ratio(self._of(driver, operation), self._of(driver, base))

    def plain(self) -> dict[str, dict[str, list[float]]]:
        """All figures, for a file."""
        return {
            driver: {operation: list(by_round.values()) for operation, by_round in operations.items()}
            for driver, operations in self._figures.items()
        }

    def _of(self, driver: str, operation: str) -> dict[int, float]:
        return self._figures.get(driver, {}).get(operation, {})


def median_ratio(over: Mapping[int, float], under: Mapping[int, float]) -> float | None:
    """The median of the ratios of the rounds that both have."""
    ratios = [over[turn] / under[turn] for turn in over if under.get(turn)]
    return median(ratios) if ratios else None
