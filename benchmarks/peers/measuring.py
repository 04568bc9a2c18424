"""Rounds of measurements. In each round every driver has a new process, and the processes take turns.

A round measures one operation for all drivers before the next operation. So the two times of a ratio are
measured within seconds of each other, and other work on the machine affects both.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from peers.catalogue import BEFORE, DRIVERS, OMS
from peers.environments import Environment
from peers.process import ROOT, Process, WorkerFailedError
from peers.ratios import Measurements
from peers.shipping import import_ms

SLOW_SECONDS = 4.0
"""A session that takes longer is measured only once, because a slow peer does not affect any target."""
TURNS = ("quotes", "changed", "orders", "trades")
VERSIONS = (OMS, BEFORE)
ALONE = ("in_bulk", "many_prices", "sizes")


@dataclass(frozen=True)
class Settings:
    """The settings of a run."""

    rounds: int
    alone: int
    """The number of rounds for the measurements of oms alone."""
    messages: int
    memory_orders: int
    """The number of orders that are added to measure the memory per order."""
    recording: Path | None


class Rounds:
    """All measurements in one environment."""

    def __init__(self, environment: Environment, settings: Settings, before: Path | None) -> None:
        """Prepare rounds. `before` is the source of the older version, or None if it is not available."""
        self.measured = Measurements()
        self.failed: dict[str, str] = {}
        """Why a driver was excluded, by driver. A driver can be excluded after some operations."""
        self._python = environment.python
        self._settings = settings
        self._names = list(environment.installed)
        self._slow: set[str] = set()
        self._before = before
        if before is None and BEFORE in self._names:
            self._names.remove(BEFORE)
            self.failed[BEFORE] = "not measured: the history of this checkout does not contain that version"

    def _process(self, name: str) -> Process:
        source = self._before if name == BEFORE and self._before else ROOT
        return Process(self._python, name, source)

    def check(self) -> None:
        """Exclude every driver whose results differ from those of a plain list."""
        for name in list(self._names):
            with self._process(name) as process:
                try:
                    disagreement = process.request("check")["disagreement"]
                except WorkerFailedError as error:
                    disagreement = str(error)
            if disagreement:
                self.failed[name] = f"not timed: {disagreement}"
                self._names.remove(name)

    def play(self, turn: int) -> None:
        """Measure one round."""
        with ExitStack() as stack:
            processes = {name: stack.enter_context(self._process(name)) for name in self._names}
            for name, process in processes.items():
                self._note(name, turn, process, "build")
            for do in TURNS:
                for name, process in processes.items():
                    self._note(name, turn, process, do)
            if self._settings.recording:
                for name, process in processes.items():
                    self._session(name, turn, process, self._settings.recording)

    def _session(self, name: str, turn: int, process: Process, recording: Path) -> None:
        if name in self._slow:
            return
        start = perf_counter()
        self._note(name, turn, process, "session", recording=str(recording), messages=self._settings.messages)
        if perf_counter() - start > SLOW_SECONDS:
            self._slow.add(name)

    def measure_once(self) -> None:
        """Measure memory per order and import time, once, because neither varies much."""
        for name in list(self._names):
            with self._process(name) as process:
                self._note(name, 0, process, "memory", orders=self._settings.memory_orders)
        imports = {name: f"import {DRIVERS[name].module}" for name in self._names if name != BEFORE}
        for name, ms in import_ms(self._python, imports).items():
            self.measured.note(name, 0, {"import ms": ms})

    def replays(self, turn: int) -> None:
        """Measure replays of recorded market data with both versions of oms."""
        for name in VERSIONS:
            if name in self._names:
                with self._process(name) as process:
                    self._note(name, turn, process, "replays")

    def alone(self, turn: int) -> None:
        """Measure oms alone."""
        for measurement in ALONE:
            with Process(self._python, OMS) as process:
                self._note(OMS, turn, process, "alone", measurement=measurement)

    def _note(self, name: str, turn: int, process: Process, do: str, **how: object) -> None:
        if name not in self._names:
            return
        try:
            self.measured.note(name, turn, process.request(do, **how))
        except WorkerFailedError as error:
            self.failed[name] = f"left out after {do!r} failed: {error}"
            self._names.remove(name)
