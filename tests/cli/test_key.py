"""`oms key new`: the entry on stdout, the key on stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oms.api import Access, ApiKey
from oms.api.keys import parse_keys
from oms.cli import run
from oms.extras import how_to_install

NEW = ["key", "new", "--name", "bot1", "--access"]


def test_a_new_key_is_printed_once_and_its_entry_has_only_its_hash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*NEW, "trading", "--owner", 'Ann "A" Smith']) == 0
    output = capsys.readouterr()
    text = output.err.split()[-1]
    (key,) = parse_keys(output.out)
    assert key == ApiKey.of(text, name="bot1", access=Access.TRADING, owner='Ann "A" Smith')
    assert text not in output.out


def test_the_entries_of_several_keys_form_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    for access in Access:
        assert run([*NEW[:3], f"bot-{access}", "--access", access]) == 0
    assert [key.access for key in parse_keys(capsys.readouterr().out)] == list(Access)


def test_a_key_in_a_file_can_be_used_and_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text("sixteen-letters!\n")
    assert run([*NEW, "read-only", "--from", str(file)]) == 0
    output = capsys.readouterr()
    assert parse_keys(output.out) == (ApiKey.of("sixteen-letters!", name="bot1", access=Access.READ_ONLY),)
    assert output.err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*NEW, "admin"], "--access must be read-only or trading, not 'admin'"),
        (["key", "new", "--name", "bot 1", "--access", "trading"], "name must be 1 to 64 letters"),
        ([*NEW, "trading", "--owner", ""], "owner must be a non-empty str"),
    ],
)
def test_an_invalid_option_is_named_with_what_is_allowed(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(options) == 2
    output = capsys.readouterr()
    assert (output.out, message in output.err) == ("", True)


def test_a_short_key_in_a_file_is_rejected_and_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text("geheim")
    assert run([*NEW, "trading", "--from", str(file)]) == 2
    output = capsys.readouterr()
    assert "at least 16 visible ASCII characters, not '6 characters'" in output.err
    assert "geheim" not in output.err + output.out


def test_without_its_extra_the_command_prints_how_to_install_it() -> None:
    without = "import sys; sys.modules['fastapi'] = None"
    script = f"{without}; from oms.cli import run; sys.exit(run({[*NEW, 'trading']}))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"{how_to_install('oms: `oms key`', 'api', 'cli')}\n"
