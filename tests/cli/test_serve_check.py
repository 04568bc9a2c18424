"""`oms serve --check`: it shows all settings and all problems, and changes nothing.

This file also tests `oms.cli.serve_plan`, which has the checks.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from oms import Side, journal
from oms.api import ApiKey
from oms.api.keys import as_entry
from oms.cli import run
from oms.cli.serve_settings import settings

KEY = "correct-horse-battery"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, without variables."""
    for name in [name for name in os.environ if name.startswith("OMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        code = run(["serve", "--check", "--port", "0", *arguments])
        output = capsys.readouterr()
        assert output.err == ""
        return code, output.out

    return call


Check = Callable[..., tuple[int, str]]


def rows(output: str) -> dict[str, tuple[str, str]]:
    """Return the value and the source of each setting in the table."""
    table = output.partition("─ \n")[2].partition("\n  ")[0]
    cells = [line.split() for line in table.splitlines()]
    return {name: (" ".join(value), source) for name, *value, source in cells}


def problems(output: str) -> list[str]:
    return " ".join(output.splitlines()).split("- ")[1:]


def test_the_table_shows_every_setting_its_value_and_its_source(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my.toml").write_text("most_streams = 7\nport = 1\n")
    monkeypatch.setenv("OMS_ALLOWED_HOST", "a.example,b.example")
    code, output = check("--config", "my.toml", "--no-clock")
    assert code == 0
    shown = rows(output)
    assert list(shown) == [setting.name for setting in settings() if not setting.hidden]
    assert shown["config"] == ("my.toml", "flag")
    assert shown["port"] == ("0", "flag")
    assert shown["most_streams"] == ("7", "file")
    assert shown["allowed_host"] == ("a.example, b.example", "environment")
    assert shown["clock"] == ("false", "flag")
    assert shown["journal"] == ("oms.db", "default")
    assert shown["self_trade_prevention"] == ("NONE", "default")
    assert output.splitlines()[-1] == "no problems"


def test_secrets_are_shown_as_set_or_not_set(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(check()[1])["api_key"] == ("not set", "default")
    monkeypatch.setenv("OMS_API_KEY", KEY)
    _, output = check()
    assert rows(output)["api_key"] == ("set", "environment")
    assert KEY not in output


def test_all_problems_are_listed(check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "taken.db").touch()
    monkeypatch.setenv("COLUMNS", "400")  # otherwise, a long path is wrapped
    monkeypatch.setenv("OMS_PROT", "1")
    monkeypatch.setenv("OMS_BODY_LIMIT", "-1")
    code, output = check(
        *("--host", "0.0.0.0", "--root-path", "x", "--self-trade-prevention", "CANCEL_BOTH"),  # noqa: S104  # the test is about this address
        *("--instrument", "AAPL", "--journal", "taken.db", "--log-format", "xml"),
    )
    assert code == 2
    assert "ignored: OMS_PROT is not a setting; did you mean OMS_PORT?" in output
    assert "7 problems" in output
    assert [problem.split()[0] for problem in problems(output)] == [
        "--log-format",
        "OMS_BODY_LIMIT",
        "--root-path",
        "--self-trade-prevention",
        "--host",
        "--instrument",
        str(folder / "taken.db:"),
    ]


def test_a_port_that_is_taken_is_a_problem(check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, output = check("--port", port)
    assert code == 2
    assert f"127.0.0.1, port {port}: " in output


def test_a_journal_that_is_open_is_a_problem(check: Check, folder: Path) -> None:
    with journal.open(folder / "oms.db"):
        code, output = check()
    assert code == 2
    assert "it is open elsewhere" in " ".join(output.split())
    assert check()[0] == 0


@pytest.mark.parametrize("option", ["--api-key-file", "--instruments"])
def test_a_file_that_cannot_be_read_is_a_problem(option: str, check: Check) -> None:
    code, output = check("--engine", option, "missing.txt")
    assert code == 2
    assert problems(output) == [f"{option} missing.txt cannot be read: No such file or directory"]


def test_a_problem_names_the_place_of_the_setting(check: Check, folder: Path) -> None:
    (folder / "my.toml").write_text('host = "::"\n')
    code, output = check("--config", "my.toml")
    assert code == 2
    assert problems(output)[0].startswith("host = '::' in my.toml can be reached from other machines")


def test_a_wrong_setting_hides_no_other_and_the_command_counts_the_same_problems(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMS_API_KEY", "a key with spaces")
    (folder / "my.toml").write_text('port = "abc"\nrate_limit = "many"\nkeys_file = "none.toml"\n')
    options = ("--instrument", "A", "--instrument", "B", "--instruments", "none.json")
    assert run(["serve", "--check", "--config", "my.toml", *options]) == 2
    output = capsys.readouterr().out
    first, *others = problems(output)
    assert "7 problems" in output
    assert rows(output)["port"] == ("invalid", "file")
    assert first.startswith("port in my.toml must be a valid integer")
    assert [problem.split(";")[0][:44] for problem in others] == [
        "rate_limit must be a number of requests per ",
        "OMS_API_KEY: api_key must be at least 16 vis",
        "keys_file = 'none.toml' in my.toml: No such ",
        "--instrument A must be SYMBOL=TICK:LOT or SY",
        "--instrument B must be SYMBOL=TICK:LOT or SY",
        "--instruments none.json cannot be read: No s",
    ]
    assert run(["serve", "--config", "my.toml", *options]) == 2
    assert "(6 more; oms serve --check lists all problems)" in capsys.readouterr().err


def test_keys_that_contradict_each_other_are_a_problem(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_API_KEY", KEY)
    (folder / "keys.toml").write_text(as_entry(ApiKey.of(KEY, name="bot1")))
    code, output = check("--keys-file", "keys.toml")
    assert code == 2
    assert problems(output) == ["--keys-file keys.toml: 'operator' and 'bot1' are the same key"]


def test_the_check_creates_and_changes_no_file(check: Check, folder: Path) -> None:
    assert check()[0] == 0
    assert list(folder.iterdir()) == []
    with journal.open(folder / "oms.db") as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert check()[0] == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_no_line_is_longer_than_the_terminal_is_wide(check: Check, folder: Path) -> None:
    name = "a-very-long-name-of-a-folder-" * 3
    _, output = check("--journal", f"{name}/book.db", "--allowed-host", name)
    assert max(map(len, output.splitlines())) <= 80
    assert "".join(name.split()) in "".join(output.split()).replace("flag", "")


def test_without_check_the_first_problem_and_the_number_of_others_are_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["serve", "--port", "x", "--body-limit", "y", "--no-journal"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("oms: Invalid value: --port must be a valid integer")
    assert "not 'x' (1 more; oms serve --check lists all problems)" in error


def test_the_example_in_the_docs_has_no_problems(check: Check, folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "service.md").read_text()
    (content,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^\.venv/bin/oms serve (.*) --check$", page, re.MULTILINE)
    (folder / "oms.toml").write_text(content)
    code, output = check(*command.split())  # on a free port
    assert code == 0
    assert rows(output)["allowed_host"] == ("books.example", "file")
