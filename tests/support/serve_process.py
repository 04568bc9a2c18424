"""`oms serve` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def served(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The command on a free port, and its address; killed when the block is left."""
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("oms serves http://127.0.0.1:")
            yield process, said.split()[-1]
        finally:
            process.kill()
