"""The command: environments, checks, rounds, tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from peers.catalogue import BARE, DRIVERS, OMS, PEERS, with_oms
from peers.environments import (
    Environment,
    EnvironmentFailedError,
    distribution_python,
    installed_python,
    prepare,
)
from peers.measuring import Rounds, Settings
from peers.process import ROOT
from peers.report import Results, readings, report
from peers.shipping import wheel_kilobytes
from peers.targets import TARGETS, verdict

CACHE = ROOT / ".benchmarks" / "peers"
RECORDING = (
    ROOT.parent / "shared/data/lobster_AAPL_L50_30min/AAPL_2012-06-21_34200000_36000000_message_50.csv.gz"
)


def parser() -> argparse.ArgumentParser:
    """What can be said to it."""
    says = argparse.ArgumentParser(
        prog="benchmarks/peers/run.py", description="Measure oms against its peers, side by side, in one run."
    )
    says.add_argument("--quick", action="store_true", help="fewer rounds, a shorter session")
    says.add_argument("--rounds", type=int, help="how many rounds (7; 3 when quick)")
    says.add_argument("--only", metavar="NAMES", help=f"these peers, by commas; of {', '.join(PEERS)}")
    says.add_argument("--python", default=distribution_python(), help="an optimized build (%(default)s)")
    says.add_argument(
        "--python313", metavar="PYTHON", help="3.13 for peers that need it ('none' to do without)"
    )
    says.add_argument("--recording", type=Path, default=RECORDING, help="LOBSTER messages, .csv.gz")
    says.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    says.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    return says


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all; 1 if an environment could not be made."""
    says = parser()
    said = says.parse_args(arguments)
    peers = said.only.split(",") if said.only else list(PEERS)
    if unknown := set(peers) - set(DRIVERS):
        says.error(f"no such peer: {', '.join(sorted(unknown))}")
    start = perf_counter()
    notes: list[str] = []
    try:
        environments = prepared(said.python, said.python313, peers, notes)
    except EnvironmentFailedError as error:
        print(error)
        return 1
    settings = settled(said, notes)
    results = measured(environments, settings)
    notes.append(machine())
    print(f"measured in {perf_counter() - start:.0f} s\n")
    text = report(results, notes)
    print(text)
    if said.markdown:
        said.markdown.write_text(text)
    if said.json:
        said.json.write_text(json.dumps(figures(results, notes), indent=1))
    return 0


def prepared(python: str, python313: str | None, peers: list[str], notes: list[str]) -> list[Environment]:
    """All peers on the first interpreter; on the second those whose newest release needs it."""
    first = prepare(python, with_oms(peers), CACHE)
    later = [name for name in peers if DRIVERS[name].needs > first.minor]
    second = python313 or installed_python("3.13")
    if not later or second == "none":
        return [first]
    if second is None:
        notes.append(f"No Python 3.13 was found: {', '.join(later)} in older releases or not at all.")
        return [first]
    return [first, prepare(second, with_oms(later), CACHE)]


def settled(said: argparse.Namespace, notes: list[str]) -> Settings:
    """How much is measured, and a word on it."""
    recording: Path | None = said.recording
    if recording and not recording.exists():
        notes.append(f"No recording was found where {recording.name} was looked for: no session is measured.")
        recording = None
    usual, alone, messages, weighed = (3, 1, 5_000, 50_000) if said.quick else (7, 3, 30_000, 200_000)
    rounds = said.rounds or usual
    notes.append(
        f"{rounds} rounds, each in fresh processes that take turns; a session is {messages:,} messages; "
        f"memory over {weighed:,} orders; figures are medians, ratios medians of the rounds' ratios."
    )
    return Settings(rounds, alone, messages, weighed, recording)


def measured(environments: list[Environment], settings: Settings) -> list[Results]:
    """Each environment in turn; what is asked of oms alone and the wheel on the first only."""
    results = []
    for environment in environments:
        print(f"{environment.label}: checking {len(environment.installed)} drivers", flush=True)
        rounds = Rounds(environment, settings)
        rounds.check()
        for turn in range(settings.rounds):
            print(f"{environment.label}: round {turn + 1} of {settings.rounds}", flush=True)
            rounds.play(turn)
        rounds.weigh()
        results.append(Results(environment, rounds.measured, rounds.failed))
        if environment is environments[0]:
            print(f"{environment.label}: oms alone", flush=True)
            for turn in range(settings.alone):
                rounds.alone(turn)
            if (kilobytes := wheel_kilobytes(environment.python, CACHE)) is not None:
                rounds.measured.note(OMS, 0, {"wheel kB": kilobytes})
    return results


def machine() -> str:
    """What it ran on."""
    load = os.getloadavg()[0]
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the end."


def figures(results: list[Results], notes: list[str]) -> dict[str, object]:
    """Everything, for a program to read."""
    judged = []
    for target in TARGETS:
        found = readings(target, results)
        judged.append(
            {
                "operation": target.row,
                "measure": target.claim,
                "at most": target.limit,
                "unit": target.unit,
                "readings": {label: asdict(reading) for label, reading in found.items()},
                "verdict": verdict(target, found),
            }
        )
    by_interpreter = {
        result.environment.label: {
            "build": result.environment.build,
            "installed": result.environment.installed,
            "not installed": result.environment.refused,
            "failed": result.failed,
            "figures": result.measured.plain(),
        }
        for result in results
    }
    return {"notes": notes, "targets": judged, "interpreters": by_interpreter, "calibration": BARE}
