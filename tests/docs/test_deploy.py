"""The files on the page about deployment are valid, and its commands do what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from oms import journal
from support.deploy_page import PAGE, commands_in, file_on_page
from support.deployment import Deployment

pytestmark = pytest.mark.long

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


# ---------------------------------------------------------------------- the commands


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path)
    try:
        yield deployment
    finally:
        deployment.close()


def installed(deployment: Deployment) -> str:
    """Run the commands that install and start the service, and return the API key that they print."""
    output = deployment.run_section("Install")
    assert "no problems" in output
    ready = deployment.run_section("Run the service with systemd")
    assert '"ready":true' in ready.replace(" ", "")
    return key_in(output)


def key_in(output: str) -> str:
    (key,) = re.findall(r"shown only this time: (\S+)", output)
    return str(key)


def send(deployment: Deployment, key: str, order_id: int) -> httpx.Response:
    """Send a new order to the service."""
    body = {"order_id": order_id, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
    return httpx.post(f"{deployment.url}/orders", json=body, headers=bearer(key), timeout=60)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def count(deployment: Deployment, key: str) -> int:
    return int(httpx.get(f"{deployment.url}/count", headers=bearer(key), timeout=60).json()["count"])


def test_the_installed_service_accepts_the_printed_key_and_stores_changes(deployment: Deployment) -> None:
    key = installed(deployment)
    assert deployment.status("/orders") == 401
    assert send(deployment, key, 1).headers["location"] == "/oms/orders/1"
    deployment.run("sudo systemctl stop oms")
    deployment.run("sudo systemctl start oms")
    assert count(deployment, key) == 1
    assert json.loads(deployment.log().splitlines()[-1])["level"]


def test_a_restored_backup_has_the_orders_of_its_time(deployment: Deployment) -> None:
    key = installed(deployment)
    send(deployment, key, 1)
    deployment.run_section("Back up the journal")
    send(deployment, key, 2)
    deployment.run_by_shell(deployment.command_of("ExecStart", "oms-backup.service"))
    output = deployment.run_section("Restore a backup")
    assert "The file agrees with its event log" in output
    assert count(deployment, key) == 1
    backups = sorted(path.name for path in deployment.path("/var/backups/oms").iterdir())
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d{6}\.db before-upgrade\.db", " ".join(backups))
    with journal.open(deployment.path("/var/backups/oms") / backups[0]) as om:
        assert len(om) == 2
    assert deployment.path("/var/lib/oms/damaged/oms.db").is_file()


def test_old_backups_are_deleted_and_others_remain(deployment: Deployment) -> None:
    folder = deployment.path("/var/backups/oms")
    for name, days in (("2026-01-01T000000.db", 40), ("2026-02-01T000000.db", 2), ("before-upgrade.db", 40)):
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    deployment.run_by_shell(deployment.command_of("ExecStartPost", "oms-backup.service"))
    assert sorted(path.name for path in folder.iterdir()) == ["2026-02-01T000000.db", "before-upgrade.db"]


def test_a_replaced_key_is_valid_until_its_entry_is_removed(deployment: Deployment) -> None:
    old = installed(deployment)
    keys = deployment.path("/etc/oms/keys.toml")
    entry = keys.read_text()
    steps = commands_in("Replace an API key")
    new = key_in(deployment.run(steps[0]))
    wait_until(lambda: deployment.status("/count", new) == 200)
    assert deployment.status("/count", old) == 200
    keys.write_text(keys.read_text().removeprefix(entry))
    deployment.run("sudo systemctl reload oms")
    wait_until(lambda: deployment.status("/count", old) == 401)
    assert deployment.status("/count", new) == 200


def test_the_service_is_not_ready_while_it_drains_and_still_accepts_changes(deployment: Deployment) -> None:
    key = installed(deployment)
    deployment.begin_to_stop()
    wait_until(lambda: deployment.status("/ready") == 503)
    assert send(deployment, key, 1).status_code == 201
    deployment.stop()


def test_the_service_has_every_metric_with_an_alert(deployment: Deployment) -> None:
    key = installed(deployment)
    send(deployment, key, 1)
    metrics = httpx.get(f"{deployment.url}/metrics", headers=bearer(key), timeout=60).text
    section = PAGE.read_text().partition("## Monitor the service")[2]
    names = set(re.findall(r"\boms_\w+", section))
    assert len(names) >= 8
    assert [name for name in sorted(names) if not re.search(rf"^{name}[ {{]", metrics, re.MULTILINE)] == []
    labels = set(re.findall(r"\b(\w+)=\"", section)) - {"job"}
    assert [label for label in sorted(labels) if f'{label}="' not in metrics] == []


def test_the_container_s_variables_are_settings_and_its_health_check_works(deployment: Deployment) -> None:
    dockerfile = file_on_page("Dockerfile").replace("\\\n", " ")
    installed(deployment)
    (variables,) = re.findall(r"^ENV (.*)$", dockerfile, re.MULTILINE)
    local = variables.replace("/run/secrets", "/etc/oms").replace("8080", "0")
    (arguments,) = re.findall(r"CMD (\[.*\])$", dockerfile, re.MULTILINE)
    _, *code = json.loads(deployment.localized(arguments))
    run(sys.executable, *code)
    deployment.run("sudo systemctl stop oms")
    assert subprocess.run([sys.executable, *code], capture_output=True, check=False).returncode != 0
    output = deployment.run_by_shell(f"env {local} /opt/oms/bin/oms serve --check")
    assert "no problems" in output
    assert "ignored" not in output
    assert len(re.findall(r"\benvironment\b", output)) == len(local.split())


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until a condition is true. Fail after a minute."""
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)
