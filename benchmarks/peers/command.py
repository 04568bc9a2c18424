"""The command, which prepares environments, checks drivers, measures in rounds, and prints tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from peers.before import extracted
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


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers/run.py", description="Measure oms against its peers, side by side, in one run."
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a shorter session")
    parser.add_argument("--rounds", type=int, help="the number of rounds (7; 3 with --quick)")
    parser.add_argument(
        "--only", metavar="NAMES", help=f"measure only these, separated by commas: {', '.join(PEERS)}"
    )
    parser.add_argument("--python", default=distribution_python(), help="an optimized Python (%(default)s)")
    parser.add_argument(
        "--python313", metavar="PYTHON", help="a Python 3.13 for peers that need it ('none' to skip them)"
    )
    parser.add_argument("--recording", type=Path, default=RECORDING, help="LOBSTER messages, .csv.gz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the whole benchmark. Return 1 if an environment could not be created."""
    parser = command_line()
    options = parser.parse_args(arguments)
    peers = options.only.split(",") if options.only else list(PEERS)
    if unknown := set(peers) - set(DRIVERS):
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; the peers are {', '.join(PEERS)}")
    start = perf_counter()
    notes: list[str] = []
    try:
        environments = prepared(options.python, options.python313, peers, notes)
    except EnvironmentFailedError as error:
        print(error)
        return 1
    settings = settled(options, notes)
    results = measured(environments, settings)
    notes.append(machine())
    print(f"measured in {perf_counter() - start:.0f} s\n")
    text = report(results, notes)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps(figures(results, notes), indent=1))
    return 0


def prepared(python: str, python313: str | None, peers: list[str], notes: list[str]) -> list[Environment]:
    """Prepare all peers on the first interpreter, and peers that need a newer Python on the second."""
    first = prepare(python, with_oms(peers), CACHE)
    later = [name for name in peers if DRIVERS[name].needs > first.minor]
    second = python313 or installed_python("3.13")
    if not later or second == "none":
        return [first]
    if second is None:
        notes.append(f"No Python 3.13 was found, so these are older releases or missing: {', '.join(later)}.")
        return [first]
    return [first, prepare(second, with_oms(later), CACHE)]


def settled(options: argparse.Namespace, notes: list[str]) -> Settings:
    """Return the settings, and add notes that describe them."""
    recording: Path | None = options.recording
    if recording and not recording.exists():
        notes.append(f"The recording {recording.name} was not found, so no session is measured.")
        recording = None
    usual, alone, messages, memory_orders = (
        (3, 1, 5_000, 50_000) if options.quick else (7, 3, 30_000, 200_000)
    )
    rounds = options.rounds or usual
    notes += [
        f"There were {rounds} rounds. In each round, every driver runs in a new process, "
        "and the processes take turns.",
        f"A session is {messages:,} messages. Memory is measured over {memory_orders:,} orders.",
        "A figure is the median of the rounds. A ratio is the median of the rounds' ratios.",
    ]
    return Settings(rounds, alone, messages, memory_orders, recording)


def measured(environments: list[Environment], settings: Settings) -> list[Results]:
    """Measure each environment in turn. Measure oms alone and the wheel in the first one only."""
    results = []
    for environment in environments:
        print(f"{environment.label}: checking {len(environment.installed)} drivers", flush=True)
        rounds = Rounds(environment, settings, extracted(CACHE))
        rounds.check()
        for turn in range(settings.rounds):
            print(f"{environment.label}: round {turn + 1} of {settings.rounds}", flush=True)
            rounds.play(turn)
        rounds.measure_once()
        print(f"{environment.label}: recordings", flush=True)
        for turn in range(settings.alone):
            rounds.replays(turn)
        results.append(Results(environment, rounds.measured, rounds.failed))
        if environment is environments[0]:
            print(f"{environment.label}: oms alone", flush=True)
            for turn in range(settings.alone):
                rounds.alone(turn)
            if (kilobytes := wheel_kilobytes(environment.python, CACHE)) is not None:
                rounds.measured.note(OMS, 0, {"wheel kB": kilobytes})
    return results


def machine() -> str:
    """Return a description of the machine."""
    load = os.getloadavg()[0]
    kind = f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores"
    return f"The machine was {kind} (load {load:.1f} at the end)."


def figures(results: list[Results], notes: list[str]) -> dict[str, object]:
    """Return all results as one JSON object."""
    judged = []
    for target in TARGETS:
        by_label = readings(target, results)
        judged.append(
            {
                "operation": target.row,
                "measure": target.claim,
                "at most": target.limit,
                "unit": target.unit,
                "readings": {label: asdict(reading) for label, reading in by_label.items()},
                "verdict": verdict(target, by_label),
            }
        )
    by_interpreter = {
        result.environment.label: {
            "build": result.environment.build,
            "installed": result.environment.installed,
            "not installed": result.environment.unavailable,
            "failed": result.failed,
            "figures": result.measured.plain(),
        }
        for result in results
    }
    return {"notes": notes, "targets": judged, "interpreters": by_interpreter, "calibration": BARE}
