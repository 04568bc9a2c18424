"""Environments of the peers: one per interpreter, made once and kept in a folder that git ignores.

Peers are installed one by one, so that one that cannot be installed is reported with its reason and the
others go on. What was installed, and what could not be, is noted in the environment: the next run asks no
index. Delete the folder for newer releases.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from peers.catalogue import DRIVERS

INSTALL_SECONDS = 600
NOTE = "peers.json"

Known = dict[str, dict[str, str]]
"""By package: under "installed" its release, under "refused" the reason."""


class EnvironmentFailedError(RuntimeError):
    """An interpreter is not there, is too old, or makes no environment."""


@dataclass(frozen=True)
class Environment:
    """An interpreter with peers."""

    python: Path
    version: str
    build: str
    installed: dict[str, str] = field(default_factory=dict)
    """The release of each driver's package."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why the others could not be installed."""

    @property
    def label(self) -> str:
        """How tables call it."""
        return f"Python {self.version}"

    @property
    def minor(self) -> tuple[int, int]:
        """What releases are made for: (3, 11)."""
        return minor(self.version)


def minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version.

    >>> minor("3.11.2")
    (3, 11)

    """
    first, second, *_ = version.split(".")
    return int(first), int(second)


def distribution_python() -> str:
    """The python3 that the operating system's distribution built: optimized, whatever else is installed."""
    return shutil.which("python3", path=os.defpath) or "python3"


def installed_python(version: str) -> str | None:
    """A Python of this version that runs: on the path, or kept by pyenv."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [f"python{version}", *map(str, sorted(kept.glob(f"{version}.*/bin/python{version}")))]
    return next((candidate for candidate in candidates if describe(candidate)), None)


def describe(interpreter: str) -> tuple[str, str] | None:
    """Its version and how it was built; None if it does not run."""
    script = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.version]))"
    try:
        run = subprocess.run([interpreter, "-c", script], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version, build = json.loads(run.stdout)
    return version, " ".join(build.split())


def prepare(interpreter: str, names: list[str], cache: Path) -> Environment:
    """The environment of an interpreter, with the packages of these drivers."""
    described = describe(interpreter)
    if described is None:
        raise EnvironmentFailedError(f"{interpreter} does not run")
    version, build = described
    if minor(version) < (3, 11):
        raise EnvironmentFailedError(f"{interpreter} is {version}: oms needs 3.11")
    home = cache / f"python-{version}"
    python = home / "bin" / "python"
    if not python.exists():
        make(interpreter, home)
    note = home / NOTE
    known: Known = json.loads(note.read_text()) if note.exists() else {"installed": {}, "refused": {}}
    for name in names:
        package = DRIVERS[name].package
        if package not in known["installed"] and package not in known["refused"]:
            print(f"  installing {package} for {version} ...", flush=True)
            known.update(after_installing(python, package, known))
            note.write_text(json.dumps(known, indent=1))
    return Environment(python, version, build, **of_drivers(names, known))


def make(interpreter: str, home: Path) -> None:
    """A fresh virtual environment."""
    home.parent.mkdir(parents=True, exist_ok=True)
    command = [interpreter, "-m", "venv", "--clear", str(home)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        shutil.rmtree(home, ignore_errors=True)
        raise EnvironmentFailedError(
            f"{interpreter} makes no virtual environment (on Debian: apt-get install python3-venv):\n"
            f"{run.stdout}{run.stderr}"
        )


def after_installing(python: Path, package: str, known: Known) -> Known:
    """What is known once the newest release that this Python takes is installed, or is not."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    try:
        run = subprocess.run(
            [*pip, "install", "--quiet", package],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"refused": known["refused"] | {package: f"not installed in {INSTALL_SECONDS} s"}}
    if run.returncode:
        return {"refused": known["refused"] | {package: reason(run.stderr)}}
    listed = subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {normal(entry["name"]): entry["version"] for entry in json.loads(listed.stdout)}
    return {"installed": known["installed"] | {package: versions[normal(package)]}}


def reason(errors: str) -> str:
    """The line of pip's errors that says most: which Python it wants, or the last error."""
    lines = [line.removeprefix("ERROR:").strip() for line in errors.splitlines() if "ERROR" in line]
    wanted = re.findall(r"\S+ Requires-Python \S+", errors)
    return wanted[-1] if wanted else (lines or ["pip said nothing"])[-1][:200]


def normal(package: str) -> str:
    """Names of packages that differ only in case, dots, dashes and underscores are one."""
    return re.sub(r"[-_.]+", "-", package).lower()


def of_drivers(names: list[str], known: Known) -> Known:
    """The same by name of driver."""

    def named(by_package: dict[str, str]) -> Iterator[tuple[str, str]]:
        for name in names:
            if DRIVERS[name].package in by_package:
                yield name, by_package[DRIVERS[name].package]

    return {group: dict(named(by_package)) for group, by_package in known.items()}
