"""`oms serve` in a separate process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO


@contextmanager
def oms_serve(
    *options: str, stderr: IO[str] | None = None, files: int | None = None
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run `oms serve` on a free port, yield the process and its URL, and kill the process at the end.

    If `files` is given, the process may open at most this number of files.
    """
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", *options]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("oms serves http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()
