"""A client of a measuring process, which sends requests, receives responses, and can kill the process."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BENCHMARKS = Path(__file__).resolve().parents[1]
ROOT = BENCHMARKS.parent
RESPONSE_SECONDS = 120


class WorkerFailedError(RuntimeError):
    """A measuring process ended, took too long, or raised an exception."""


class Process:
    """A worker process in an environment. Each response is a dict."""

    def __init__(self, python: Path, name: str, source: Path = ROOT) -> None:
        """Start a process that imports `oms` from the directory `source`."""
        self._process = subprocess.Popen(
            [str(python), "-m", "peers.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=BENCHMARKS,
            env={**os.environ, "PYTHONPATH": str(source)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # some libraries leave threads behind that never end
        self._process.communicate()

    def send(self, do: str, **how: object) -> None:
        """Send a request."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **how}) + "\n")
        except OSError as error:
            raise WorkerFailedError("the process ended") from error

    def response(self) -> dict[str, Any]:
        """Return the response to the oldest request without a response."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], RESPONSE_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise WorkerFailedError(
                "the process ended" if ready else f"no response within {RESPONSE_SECONDS} s"
            )
        result: dict[str, Any] = json.loads(line)
        if "error" in result:
            raise WorkerFailedError(result["error"])
        return result

    def request(self, do: str, **how: object) -> dict[str, Any]:
        """Send a request and return its response."""
        self.send(do, **how)
        return self.response()
