"""`oms serve` in a separate process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def oms_serve(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run `oms serve` on a free port, yield the process and its URL, and kill the process at the end."""
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("oms serves http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()
