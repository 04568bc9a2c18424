"""The commands of the page about clusters run as they are printed, and print what the page shows."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.nats_cluster import server_binary

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "cluster.md"
PORTS = ("422", "822", "622", "810")
"""The beginnings of all ports on the page. The last digit is the number of a server or worker."""


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def free_prefix() -> str:
    """Return the first three or four digits of ports that no program uses at present."""
    for _ in range(1_000):
        prefix = str(random.randrange(1_100, 3_200))
        with suppress(OSError):
            for digit in (1, 2, 3, 8, 9):
                with socket.socket() as free:
                    free.bind(("127.0.0.1", int(f"{prefix}{digit}")))
            return prefix
    raise AssertionError("there are no free ports")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a `.venv` that has the commands on the page."""
    nats = server_binary()
    if nats is None or shutil.which("curl") is None:
        pytest.skip("nats-server or curl is not installed")
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "nats-server").symlink_to(nats)
    (scripts / "oms").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m oms "$@"\n')
    (scripts / "oms").chmod(0o755)
    return tmp_path


@pytest.fixture
def script() -> str:
    """All commands of the page, except for the installation, on ports that are free."""
    install, *others = blocks()
    assert "pip install" in install
    text = "\n".join(others)
    for port in PORTS:
        prefix = free_prefix()
        text = re.sub(rf"(127\.0\.0\.1:|--port ){port}(?=[\d$])", rf"\g<1>{prefix}", text)
    return text


@pytest.fixture
def output(folder: Path, script: str) -> Iterator[str]:
    """Run all commands in a shell, and return their output. Kill what is left at the end."""
    process = subprocess.Popen(
        [str(shutil.which("bash")), "-c", f"{script}\nwait"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the shell says which of its jobs were killed
        text=True,
        start_new_session=True,
    )
    try:
        text, _ = process.communicate(timeout=240)
        yield text
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_commands_lead_to_a_book_that_is_right_after_a_worker_was_killed(output: str) -> None:
    expected = re.findall(r"^# (\{.*)$", PAGE.read_text(), re.MULTILINE)
    lines = re.sub(r"}(?={|oms-)", "}\n", output).splitlines()  # curl prints no newlines
    assert [line for line in lines if line.startswith("{")] == expected
    assert {"oms-role: standby", "oms-lag-messages: 0", "oms-lag-events: 0"} <= set(lines)
    assert "all shards are served" in output
