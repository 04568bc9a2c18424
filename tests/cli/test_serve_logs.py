"""The log of `oms serve`, as a process that is followed by other programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ORDER = {"order_id": 7, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 19}
KEY = "correct-horse-battery"


def start(stderr: int, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start a service, and return its process and its URL."""
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, "OMS_API_KEY": KEY}
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1]


def lines_of(url: str, process: subprocess.Popen[str]) -> list[str]:
    """Send a few requests, stop the service, and return the lines of its log."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        client.post("/orders", json=ORDER).raise_for_status()
        client.get("/orders/7?decimals=true").raise_for_status()
        assert client.get("/orders", headers={"Authorization": "Bearer wrong"}).status_code == 401
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert KEY not in log
    return log.splitlines()


def test_json_lines_contain_the_journal_s_state_each_request_and_the_reason_of_a_rejection(
    tmp_path: Path,
) -> None:
    file = tmp_path / "book.db"
    process, url = start(subprocess.PIPE, "--journal", str(file), "--log-format", "json")
    opened, added, found, reason, rejected, *end = map(json.loads, lines_of(url, process))
    assert opened["message"] == f"{file} is open, and its last event is 0"
    assert (added["route"], added["status"], added["sequence"]) == ("/orders", 201, 1)
    assert (found["route"], found["status"], found["sequence"]) == ("/orders/{order_id}", 200, None)
    assert (reason["level"], reason["logger"]) == ("WARNING", "oms.api")
    assert "401 unauthorized" in reason["message"]
    assert (rejected["route"], rejected["status"]) == ("/orders", 401)
    assert [(line["logger"], line["message"]) for line in end] == [
        ("oms.api", "received SIGTERM, draining for 0 s"),
        ("oms.api", "stopping, after the open requests have finished"),
        ("oms.journal", f"{file} is closed, and its last event is 1"),
    ]


def test_without_the_access_log_the_journal_s_state_and_rejections_are_still_logged(tmp_path: Path) -> None:
    process, url = start(subprocess.PIPE, "--journal", str(tmp_path / "book.db"), "--no-access-log")
    opened, rejected, drains, stops, closed = lines_of(url, process)
    assert " INFO oms.journal: " in opened
    assert " WARNING oms.api: rejected GET '/orders'" in rejected
    assert all(" INFO oms.api: " in line for line in (drains, stops))
    assert " INFO oms.journal: " in closed


@pytest.mark.long
def test_a_service_whose_stderr_is_never_read_still_answers_and_stops() -> None:
    process, url = start(subprocess.PIPE, "--no-journal")
    with httpx.Client(base_url=url) as client:
        for _ in range(1_500):  # a pipe has room for about 600 lines
            assert client.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    process.communicate()
