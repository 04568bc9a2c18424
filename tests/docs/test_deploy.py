"""The files on the page about deployment are valid, and its commands do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.deploy_page import file_on_page

UNITS = ["oms.service", "oms-backup.service", "oms-backup.timer"]
MOST_EXPOSURE = 1.5  # on the scale of systemd-analyze, from 0 (safe) to 10


def program(name: str) -> str:
    """Return the path of an installed program. Skip the test if it is not installed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    """Run a command, and return its output. Fail if its exit code is not 0."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


# ---------------------------------------------------------------------- systemd


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Write the units on the page to files. Their programs are in the folder of the test."""
    for name in ("oms", "oms-backup"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    paths = [tmp_path / name for name in UNITS]
    for path in paths:
        text = file_on_page(f"/etc/systemd/system/{path.name}")
        text = text.replace("/opt/oms/bin/oms", str(tmp_path / "oms")).replace("=oms\n", "=root\n")
        path.write_text(text.replace("StateDirectory=root", "StateDirectory=oms"))
    return paths


def test_systemd_accepts_the_units(units: list[Path]) -> None:
    assert run(program("systemd-analyze"), "verify", *units) == ""


def test_a_misspelled_setting_of_a_unit_would_be_found(units: list[Path]) -> None:
    service = units[0]
    service.write_text(service.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    ended = subprocess.run(
        [program("systemd-analyze"), "verify", service], capture_output=True, text=True, check=False
    )
    assert "NoNewPrivilege" in ended.stderr


def test_the_unit_of_the_service_gives_it_few_rights(tmp_path: Path) -> None:
    unit = tmp_path / "oms.service"
    unit.write_text(file_on_page("/etc/systemd/system/oms.service"))
    threshold = f"--threshold={MOST_EXPOSURE * 10:.0f}"
    output = run(program("systemd-analyze"), "security", "--offline=true", threshold, "--no-pager", unit)
    (exposure,) = re.findall(r"Overall exposure level for oms.service: ([\d.]+)", output)
    assert float(exposure) <= MOST_EXPOSURE


def test_the_time_to_stop_is_enough_to_drain() -> None:
    """`TimeoutStopSec` is above the time to drain plus the time that open requests may take."""
    (stop,) = re.findall(
        r"^TimeoutStopSec=(\d+)s$", file_on_page("/etc/systemd/system/oms.service"), re.MULTILINE
    )
    (drain,) = re.findall(r"^drain_seconds = (\d+)", file_on_page("/etc/oms/oms.toml"), re.MULTILINE)
    assert int(stop) >= int(drain) + 10 + 5


# ---------------------------------------------------------------------- the proxies and the container


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    caddy = program("caddy")
    (tmp_path / "Caddyfile").write_text(file_on_page("/etc/caddy/Caddyfile"))
    output = run(caddy, "validate", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile")
    assert "Valid configuration" in output
    assert "warn" not in output.lower()
    run(caddy, "fmt", "--diff", tmp_path / "Caddyfile")


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(file_on_page("Dockerfile"))
    assert run(program("hadolint"), "--failure-threshold", "style", tmp_path / "Dockerfile") == ""


def test_the_container_does_not_run_as_root_and_its_base_has_a_version() -> None:
    dockerfile = file_on_page("Dockerfile")
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001"]
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert len(set(bases)) == 1
