"""Rounds of measurements: in each, every driver has a fresh process, and the processes take turns.

Within a round one operation is measured for all drivers, one right after another, before the next operation:
so the two sides of a ratio lie within seconds of each other, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from peers.catalogue import BARE, DRIVERS, OMS
from peers.environments import Environment
from peers.ratios import Measured

BENCHMARKS = Path(__file__).resolve().parents[1]
ROOT = BENCHMARKS.parent
ANSWER_SECONDS = 120
SLOW_SECONDS = 4.0
"""A session that takes longer is measured once: it decides no target closely."""
TURNS = ("quotes", "changed", "orders", "trades")
ALONE = ("in_bulk", "many_prices", "sizes")


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    rounds: int
    messages: int
    weighed: int
    """Orders that are added to see what one weighs."""
    recording: Path | None


class WorkerFailedError(RuntimeError):
    """A process that measures ended, took too long or raised."""


class Process:
    """A worker process in an environment; what it says is a dict."""

    def __init__(self, python: Path, name: str) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", "peers.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=BENCHMARKS,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # some libraries leave threads behind that would never end
        self._process.communicate()

    def send(self, do: str, **how: object) -> None:
        """Ask for something."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **how}) + "\n")
        except OSError as error:
            raise WorkerFailedError("the process ended") from error

    def answer(self) -> dict[str, Any]:
        """What it says to the oldest unanswered question."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise WorkerFailedError("the process ended" if ready else f"no answer in {ANSWER_SECONDS} s")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise WorkerFailedError(said["error"])
        return said

    def ask(self, do: str, **how: object) -> dict[str, Any]:
        """Ask and wait."""
        self.send(do, **how)
        return self.answer()


class Rounds:
    """All that is measured in one environment."""

    def __init__(self, environment: Environment, settings: Settings) -> None:
        self.measured = Measured()
        self.failed: dict[str, str] = {}
        """Why a driver was left out, in whole or from an operation on."""
        self._python = environment.python
        self._settings = settings
        self._names = list(environment.installed)
        self._slow: set[str] = set()

    def check(self) -> None:
        """Leave out every driver that does not answer as a plain list does."""
        for name in list(self._names):
            with Process(self._python, name) as process:
                try:
                    disagreement = process.ask("check")["disagreement"]
                except WorkerFailedError as error:
                    disagreement = str(error)
            if disagreement:
                self.failed[name] = f"not timed: {disagreement}"
                self._names.remove(name)

    def play(self, turn: int) -> None:
        """One round."""
        with ExitStack() as stack:
            processes = {name: stack.enter_context(Process(self._python, name)) for name in self._names}
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

    def weigh(self) -> None:
        """What an order weighs and an import takes; once, since neither depends on the minute."""
        for name in list(self._names):
            with Process(self._python, name) as process:
                self._note(name, 0, process, "memory", orders=self._settings.weighed)
        imports = {name: f"import {DRIVERS[name].module}" for name in self._names}
        for name, ms in import_ms(self._python, imports).items():
            self.measured.note(name, 0, {"import ms": ms})

    def alone(self, turn: int) -> None:
        """What is asked of oms only."""
        for question in ALONE:
            with Process(self._python, OMS) as process:
                self._note(OMS, turn, process, "alone", question=question)

    def _note(self, name: str, turn: int, process: Process, do: str, **how: object) -> None:
        if name not in self._names:
            return
        try:
            self.measured.note(name, turn, process.ask(do, **how))
        except WorkerFailedError as error:
            self.failed[name] = f"left out from {do!r} on: {error}"
            self._names.remove(name)


def import_ms(python: Path, imports: dict[str, str], repeats: int = 5) -> dict[str, float]:
    """Milliseconds over a bare interpreter, the fastest of several, all taking turns."""
    best: dict[str, float] = {}
    for _ in range(repeats):
        for name, code in {"": "pass", **imports}.items():
            start = perf_counter()
            subprocess.run(
                [str(python), "-c", code],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=True,
            )
            best[name] = min(best.get(name, float("inf")), perf_counter() - start)
    return {name: (best[name] - best[""]) * 1e3 for name in imports}


def wheel_kilobytes(python: Path, cache: Path) -> float | None:
    """The size of the wheel that this checkout makes; None if it makes none here."""
    folder = cache / "wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    pip = [str(python), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    if subprocess.run([*pip, str(ROOT)], capture_output=True, check=False).returncode:
        return None
    return next(folder.glob("*.whl")).stat().st_size / 1_000


def first_in(names: list[str]) -> list[str]:
    """Drivers in the order of the catalogue, oms and the bare container always among them."""
    return [name for name in DRIVERS if name in {OMS, BARE, *names}]
