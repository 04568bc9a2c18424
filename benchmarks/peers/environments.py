"""The environments with the peers: one per interpreter, created once in a folder that git ignores.

Peers are installed one by one. If one cannot be installed, the reason is reported and the others continue.
A file in the environment notes both, so that the next run does not query the package index again. Delete the
folder to install newer releases.
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

Notes = dict[str, dict[str, str]]
"""Two groups: "installed" maps packages to releases, and "unavailable" maps others to pip's reasons."""


class EnvironmentFailedError(RuntimeError):
    """An interpreter is missing, is too old, or cannot create an environment."""


@dataclass(frozen=True)
class Environment:
    """An interpreter and the peers that are installed for it."""

    python: Path
    version: str
    build: str
    installed: dict[str, str] = field(default_factory=dict)
    """The release of each driver's package."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Why the others could not be installed."""

    @property
    def label(self) -> str:
        """Return the name of the interpreter in the tables."""
        return f"Python {self.version}"

    @property
    def minor(self) -> tuple[int, int]:
        """Return the first two numbers of the version, for example (3, 11)."""
        return minor(self.version)


def minor(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version.

    >>> minor("3.11.2")
    (3, 11)

    """
    first, second, *_ = version.split(".")
    return int(first), int(second)


def distribution_python() -> str:
    """Return the python3 of the operating system, which is an optimized build."""
    return shutil.which("python3", path=os.defpath) or "python3"


def installed_python(version: str) -> str | None:
    """Return a working Python of this version from the path or from pyenv, or None."""
    versions_folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        f"python{version}",
        *map(str, sorted(versions_folder.glob(f"{version}.*/bin/python{version}"))),
    ]
    return next((candidate for candidate in candidates if describe(candidate)), None)


def describe(interpreter: str) -> tuple[str, str] | None:
    """Return the version and the build of an interpreter, or None if it does not run."""
    script = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.version]))"
    try:
        run = subprocess.run([interpreter, "-c", script], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version, build = json.loads(run.stdout)
    return version, " ".join(build.split())


def prepare(interpreter: str, names: list[str], cache: Path) -> Environment:
    """Return the environment of an interpreter, and install the packages of these drivers."""
    described = describe(interpreter)
    if described is None:
        raise EnvironmentFailedError(f"{interpreter} does not run; give another with --python or --python313")
    version, build = described
    if minor(version) < (3, 11):
        raise EnvironmentFailedError(f"{interpreter} is Python {version}; oms needs 3.11 or later")
    home = cache / f"python-{version}"
    python = home / "bin" / "python"
    if not python.exists():
        make(interpreter, home)
    note = home / NOTE
    notes: Notes = json.loads(note.read_text()) if note.exists() else {"installed": {}, "unavailable": {}}
    for name in names:
        package = DRIVERS[name].package
        if package not in notes["installed"] and package not in notes["unavailable"]:
            print(f"  installing {package} for {version} ...", flush=True)
            notes.update(after_installing(python, package, notes))
            note.write_text(json.dumps(notes, indent=1))
    return Environment(python, version, build, **of_drivers(names, notes))


def make(interpreter: str, home: Path) -> None:
    """Create a virtual environment."""
    home.parent.mkdir(parents=True, exist_ok=True)
    command = [interpreter, "-m", "venv", "--clear", str(home)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        shutil.rmtree(home, ignore_errors=True)
        raise EnvironmentFailedError(
            f"{interpreter} cannot create a virtual environment (on Debian: apt-get install python3-venv):\n"
            f"{run.stdout}{run.stderr}"
        )


def after_installing(python: Path, package: str, notes: Notes) -> Notes:
    """Install the newest release that this Python supports; return the updated entry of Notes."""
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
        late = f"the installation took longer than {INSTALL_SECONDS} s"
        return {"unavailable": notes["unavailable"] | {package: late}}
    if run.returncode:
        return {"unavailable": notes["unavailable"] | {package: reason(run.stderr)}}
    process = subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {normal(entry["name"]): entry["version"] for entry in json.loads(process.stdout)}
    return {"installed": notes["installed"] | {package: versions[normal(package)]}}


def reason(errors: str) -> str:
    """Return the most useful line of pip's errors: the required Python, or otherwise the last error."""
    lines = [line.removeprefix("ERROR:").strip() for line in errors.splitlines() if "ERROR" in line]
    requirements = re.findall(r"\S+ Requires-Python \S+", errors)
    return requirements[-1] if requirements else (lines or ["pip printed no error"])[-1][:200]


def normal(package: str) -> str:
    """Normalize a package name: case, dots, dashes, and underscores do not matter."""
    return re.sub(r"[-_.]+", "-", package).lower()


def of_drivers(names: list[str], notes: Notes) -> Notes:
    """Convert the keys from package names to driver names."""

    def named(by_package: dict[str, str]) -> Iterator[tuple[str, str]]:
        for name in names:
            if DRIVERS[name].package in by_package:
                yield name, by_package[DRIVERS[name].package]

    return {group: dict(named(by_package)) for group, by_package in notes.items()}
