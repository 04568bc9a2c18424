"""The tour of `oms demo`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oms.cli import app
from oms.cli.synthetic_session import write_session
from oms.feeds import Kind, lobster


@pytest.fixture(scope="module")
def shown() -> str:
    result = CliRunner().invoke(app, ["demo"], env={"COLUMNS": "80", "FORCE_COLOR": None})
    assert result.exit_code == 0
    return result.output


def test_the_tour_begins_with_an_example_of_the_four_methods(shown: str) -> None:
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert 'calculate_price("JPM", BUY, 20) 400 20 x 20' in rows
    assert 'calculate_price("JPM", BUY, 10) 200 10 x 20' in rows
    assert 'calculate_price("JPM", BUY, 22) 442 20 x 20 + 2 x 21' in rows
    assert 'place_trade("JPM", BUY, 22) 442 8 of order 4 remain' in rows


def test_the_tour_shows_a_replay_the_books_prices_and_a_trade(shown: str) -> None:
    assert "30,000" in shown
    assert "The data agree with the published data." in shown
    assert shown.count("BUY (asks)") == 6 + 5
    assert shown.count("SELL (bids)") == 6 + 5
    assert "spread" in shown
    assert "only 97,336 available" in shown
    assert "calculate_price returned 70,011.1000; place_trade cost 70,011.1000." in shown


def test_the_tour_fits_eighty_columns_without_truncated_numbers(shown: str) -> None:
    assert max(map(len, shown.splitlines())) <= 80
    assert "\u2026" not in shown


@pytest.mark.slow
def test_the_tour_is_the_same_every_time(shown: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    again = subprocess.run(
        [sys.executable, "-m", "oms", "demo"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**env, "COLUMNS": "80", "PYTHONHASHSEED": "7", "PYTHONUTF8": "1"},
    )
    assert again.stdout == shown
    assert again.stderr == ""  # no progress bar without a terminal


def test_the_session_has_the_requested_length_and_every_kind_of_message(tmp_path: Path) -> None:
    messages = list(lobster.read(write_session(tmp_path, rows=3_000)))
    assert len(messages) >= 3_000
    assert {message.kind for message in messages} == {
        Kind.SUBMITTED,
        Kind.REDUCED,
        Kind.DELETED,
        Kind.EXECUTED,
    }
    assert [message.time for message in messages] == sorted(message.time for message in messages)
