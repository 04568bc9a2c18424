"""Workers and gateways as processes, on a cluster of real servers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from support.nats_cluster import NatsCluster

__all__ = ["Processes", "running_processes", "within"]


def within(seconds: float, condition: Callable[[], Any]) -> Any:
    """Return the first true result of a condition. Fail if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if result := condition():
                return result
        assert time.monotonic() < end, "the condition does not become true"
        time.sleep(0.05)


class Processes:
    """The processes of workers and gateways, each with its own log file in `folder`."""

    def __init__(self, nats: NatsCluster, folder: Path) -> None:
        self._nats, self._folder = nats, folder
        self.processes: dict[str, subprocess.Popen[str]] = {}  # the latest process of each name
        self.all: list[subprocess.Popen[str]] = []
        self.urls: dict[str, str] = {}

    def start(self, name: str, *options: str) -> str:
        """Start a worker, and return its URL."""
        places = [word for url in self._nats.urls for word in ("--servers", url)]
        places += [word for url in self._nats.monitoring for word in ("--monitoring", url)]
        command = ["cluster", "worker", *places, "--name", name, "--lease-seconds", "2", *options]
        line = self._start(name, command)
        assert line.startswith(f"worker {name} serves http://127.0.0.1:"), self.log(name)
        self.urls[name] = line.split()[-1]
        return self.urls[name]

    def start_gateway(self, *options: str) -> str:
        """Start the gateway, whose name is `gateway`, and return its URL."""
        places = [word for url in self._nats.urls for word in ("--cluster", url)]
        line = self._start("gateway", ["serve", "--port", "0", *places, *options])
        assert "http://" in line, self.log("gateway")
        self.urls["gateway"] = line.split()[-1]
        return self.urls["gateway"]

    def _start(self, name: str, command: list[str]) -> str:
        """Start a process, and return the first line of its output."""
        with (self._folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "oms", *command], stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.processes[name] = process
        self.all.append(process)
        assert process.stdout is not None
        return process.stdout.readline()

    def kill(self, name: str) -> None:
        """Kill a process, and wait until it has ended."""
        self.processes[name].kill()
        self.processes[name].wait()

    def log(self, name: str) -> str:
        """Return the log of a worker."""
        return (self._folder / f"{name}.log").read_text()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker."""
        self.processes[name].send_signal(number)

    def is_owner(self, name: str, shard: str) -> bool:
        """Return True if a worker serves a shard as its owner."""
        response = httpx.get(f"{self.urls[name]}/shards/{shard}/ready", timeout=5)
        return response.status_code == 200 and "role" not in response.json()

    def owner(self, shard: str, names: Sequence[str]) -> str | None:
        """Return which of these workers serves a shard as its owner, or None."""
        for name in names:
            with suppress(httpx.TransportError):
                if self.is_owner(name, shard):
                    return name
        return None

    def request(self, name: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to a worker."""
        return httpx.request(method, f"{self.urls[name]}{path}", timeout=15, **options)


@contextmanager
def running_processes(nats: NatsCluster, folder: Path) -> Iterator[Processes]:
    """Return a context manager that kills all processes at the end."""
    processes = Processes(nats, folder)
    try:
        yield processes
    finally:
        for process in processes.all:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
