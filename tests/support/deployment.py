"""A deployment as the page describes it, below the folder of a test, without systemd, root, and other users.

The commands of the page run with other paths, and without `sudo`. `systemctl` starts and stops a process
with the command in the unit.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from support.deploy_page import commands_in, file_on_page

NEEDS_THE_SYSTEM = (
    "sudo useradd",
    "sudo python3 -m venv",  # the gate tests the installation
    "sudo /opt/oms/bin/pip install",
    "sudo install -d",
    "sudo systemctl daemon-reload",
    "sudo systemctl enable",
    "journalctl",
)
_FOLDERS = ("/opt/oms/bin", "/etc/oms", "/var/lib/oms", "/var/backups/oms")


class Deployment:
    """The files of a deployment, and its running service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        for path in _FOLDERS:
            self.path(path).mkdir(parents=True)
        program = self.path("/opt/oms/bin/oms")
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m oms "$@"\n')
        program.chmod(0o755)
        self.path("/etc/oms/oms.toml").write_text(self.localized(file_on_page("/etc/oms/oms.toml")))
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "log").open("wb")

    def path(self, path: str) -> Path:
        """Return the place of a file of the page."""
        return self._folder / path.removeprefix("/")

    def localized(self, text: str) -> str:
        """Replace the paths, the port, and the time to drain."""
        for path in _FOLDERS:
            text = text.replace(path, str(self.path(path)))
        port = self.url.rpartition(":")[2]
        text = re.sub(r"localhost:8080|127\.0\.0\.1:8080", f"127.0.0.1:{port}", text)
        return text.replace("port = 8080", f"port = {port}").replace("drain_seconds = 5", "drain_seconds = 1")

    def log(self) -> str:
        """Return everything that the service has written."""
        return (self._folder / "log").read_text()

    # ------------------------------------------------------------------ commands

    def run_section(self, section: str) -> str:
        """Run the commands of a section that need no system, and return their output."""
        return "".join(self.run(line) for line in commands_in(section))

    def run(self, line: str) -> str:
        """Run a command of the page, and return its output."""
        if line.startswith(NEEDS_THE_SYSTEM):
            return ""
        if match := re.fullmatch(r"sudo systemctl (\w+) oms", line):
            {"start": self.start, "stop": self.stop, "reload": self.reload}[match[1]]()
            return ""
        return self.run_by_shell(re.sub(r"\bsudo (-u oms )?", "", line))

    def run_by_shell(self, command: str) -> str:
        """Run a shell command with the paths of this deployment, and return its output."""
        ended = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", self.localized(command)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "no_proxy": "*"},
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    # ------------------------------------------------------------------ the service

    def command_of(self, setting: str, unit: str = "oms.service") -> str:
        """Return a command in a unit."""
        text = file_on_page(f"/etc/systemd/system/{unit}").replace("\\\n", " ")
        (command,) = re.findall(rf"^{setting}=(.*)$", text, re.MULTILINE)
        return str(command).replace("$$", "$").replace("%%", "%")

    def start(self) -> None:
        """Start the service, and wait until it answers."""
        command = shlex.split(self.localized(self.command_of("ExecStart")))
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        while self.status("/health") != 200:
            assert self._process.poll() is None, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the service, and check that it ends by itself."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait() == 0

    def begin_to_stop(self) -> None:
        """Send the signal that stops the service."""
        assert self._process is not None
        self._process.terminate()

    def reload(self) -> None:
        """Send the signal that makes the service read its keys again."""
        assert self._process is not None
        assert self.command_of("ExecReload") == "/bin/kill -HUP $MAINPID"
        self._process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """Kill the service, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def status(self, path: str, key: str | None = None) -> int:
        """Return the status of a GET request, or 0 if the service does not answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            return httpx.get(self.url + path, headers=headers, timeout=60).status_code
        except httpx.TransportError:
            return 0
