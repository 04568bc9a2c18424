"""A cluster of three NATS servers on the loopback interface, each with its own folder."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

__all__ = ["SYSTEM", "NatsCluster", "running_cluster", "server_binary"]

SYSTEM = {"user": "system", "password": "secret"}


def server_binary() -> str | None:
    """Return the path of the program `nats-server`, or None if it is not installed."""
    scripts = sysconfig.get_path("scripts")
    return shutil.which("nats-server", path=scripts) or shutil.which("nats-server")


def free_ports(count: int) -> list[int]:
    """Return ports that no program uses at present."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class NatsCluster:
    """Three servers in the folder `root`. `sync` is the setting `sync_interval`."""

    def __init__(self, root: Path, *, sync: str = "always", size: int = 3) -> None:
        binary = server_binary()
        assert binary is not None, "nats-server is not installed"
        self.binary, self.root, self.size = binary, root, size
        ports = free_ports(3 * size)
        self.client_ports, self.route_ports = ports[:size], ports[size : 2 * size]
        self.monitoring_ports = ports[2 * size :]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * size
        for number in range(size):
            self._configure(number, sync)

    def _configure(self, number: int, sync: str) -> None:
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.route_ports)
        cluster = (
            f'cluster {{ name: test, listen: "127.0.0.1:{self.route_ports[number]}", routes: [{routes}] }}'
        )
        self.root.mkdir(parents=True, exist_ok=True)
        self.config(number).write_text(
            f"server_name: n{number}\n"
            f'listen: "127.0.0.1:{self.client_ports[number]}"\n'
            f'http: "127.0.0.1:{self.monitoring_ports[number]}"\n'
            f'jetstream {{ store_dir: "{self.folder(number)}", sync_interval: {sync} }}\n'
            f"{cluster if self.size > 1 else ''}\n"
            "accounts {\n"
            f"  $SYS {{ users: [{{ user: {SYSTEM['user']}, password: {SYSTEM['password']} }}] }}\n"
            "  OMS { jetstream: enabled, users: [{ user: oms, password: oms }] }\n"
            "}\n"
            "no_auth_user: oms\n"
        )

    def config(self, number: int) -> Path:
        return self.root / f"n{number}.conf"

    def folder(self, number: int) -> Path:
        return self.root / f"n{number}"

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.client_ports]

    @property
    def monitoring(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.monitoring_ports]

    def start(self, *numbers: int) -> None:
        """Start these servers, or all."""
        for number in numbers or range(self.size):
            with (self.root / f"n{number}.log").open("ab") as output:
                self.processes[number] = subprocess.Popen(
                    [self.binary, "-c", str(self.config(number))], stdout=output, stderr=output
                )

    def kill(self, *numbers: int, signal_number: int = signal.SIGKILL) -> None:
        """Kill these servers, or all, and wait until they have ended."""
        for number in numbers or range(self.size):
            process = self.processes[number]
            if process is not None:
                process.send_signal(signal_number)
        for number in numbers or range(self.size):
            process = self.processes[number]
            if process is not None:
                process.wait()
            self.processes[number] = None

    def monitor(self, path: str, number: int) -> dict[str, Any] | None:
        """Return a report of a server, or None if it does not answer."""
        try:
            with urlopen(f"{self.monitoring[number]}/{path}", timeout=1) as response:  # noqa: S310  # http
                return json.load(response)  # type: ignore[no-any-return]  # a JSON object
        except OSError:
            return None

    def wait(self, seconds: float = 60) -> None:
        """Wait until the running servers have a leader and are up to date."""
        end = time.monotonic() + seconds
        while not all(self._is_ready(n) for n, process in enumerate(self.processes) if process is not None):
            assert time.monotonic() < end, "the cluster does not start"
            time.sleep(0.1)

    def _is_ready(self, number: int) -> bool:
        health = self.monitor("healthz", number)
        if self.size == 1:
            return health == {"status": "ok"}
        meta = ((self.monitor("jsz", number) or {}).get("meta_cluster") or {}).get("leader")
        return health == {"status": "ok"} and bool(meta)

    def leader_of(self, stream: str) -> int | None:
        """Return the number of the server that leads a stream, or None if there is no leader at present."""
        for number, process in enumerate(self.processes):
            report = None if process is None else self.monitor("jsz?streams=true&accounts=true", number)
            for account in (report or {}).get("account_details", []):
                for each in account.get("stream_detail", []):
                    leader = (each.get("cluster") or {}).get("leader")
                    if each["name"] == stream and leader:
                        return int(leader.removeprefix("n"))
        return None


@contextmanager
def running_cluster(root: Path, *, sync: str = "always", size: int = 3) -> Iterator[NatsCluster]:
    """Return a context manager that starts a cluster, waits until it is ready, and kills it in the end."""
    cluster = NatsCluster(root, sync=sync, size=size)
    try:
        cluster.start()
        cluster.wait()
        yield cluster
    finally:
        cluster.kill()
