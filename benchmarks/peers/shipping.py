"""Measure the import time and the size of the wheel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from time import perf_counter

from peers.process import ROOT


def import_ms(python: Path, imports: dict[str, str], repeats: int = 7) -> dict[str, float]:
    """Return milliseconds above an empty interpreter, the fastest of several turns."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)  # users import compiled files
    best: dict[str, float] = {}
    for _ in range(repeats):
        for name, code in {"": "pass", **imports}.items():
            start = perf_counter()
            subprocess.run(
                [str(python), "-c", code],
                env=surroundings,
                capture_output=True,
                check=True,
            )
            best[name] = min(best.get(name, float("inf")), perf_counter() - start)
    return {name: (best[name] - best[""]) * 1e3 for name in imports}


def wheel_kilobytes(python: Path, cache: Path) -> float | None:
    """Return the size of this checkout's wheel; None if it cannot be built here."""
    folder = cache / "wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    pip = [str(python), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    if subprocess.run([*pip, str(ROOT)], capture_output=True, check=False).returncode:
        return None
    return next(folder.glob("*.whl")).stat().st_size / 1_000
