"""An older version of oms, read from the history of the checkout, to measure both versions in one run."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from peers.process import ROOT

COMMIT = "4a0ec0b3e6176c05ffbd38934110dbf67a3a6908"
"""The last commit before the book of levels. Targets that say "before" compare with this version."""


def extracted(cache: Path, commit: str = COMMIT) -> Path | None:
    """Return a directory that contains the package `oms` of a commit, or None if there is no such commit.

    A source distribution has no history, and a shallow clone has only a part of it.
    """
    directory = cache / f"oms-{commit[:12]}"
    if (directory / "oms").is_dir():
        return directory
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(ROOT), "archive", "--format=tar", commit, "oms"]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory
