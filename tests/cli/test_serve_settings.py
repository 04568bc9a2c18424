"""The settings of `oms serve`: their sources, their precedence, and the table in the docs.

This file also tests `oms.cli.serve_command`, which makes the flags.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from oms.api import Settings
from oms.cli import app, run
from oms.cli import serve_settings as module
from oms.cli.serve_settings import Setting, limits_of, serve_model
from oms.cli.serve_values import Loaded, load

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
ALL = {setting.name: setting for setting in module.settings()}
VISIBLE = [setting for setting in ALL.values() if not setting.hidden]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OMS_")]:
        monkeypatch.delenv(name)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def file_with(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a TOML file. JSON strings, numbers, booleans, and lists are also TOML."""
    file = folder / "oms.toml"
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in content.items()))
    return file


# ---------------------------------------------------------------------- precedence

WORDS = st.text("abcdefgh-.", min_size=1)


def values_of(setting: Setting) -> st.SearchStrategy[Any]:
    """Return a strategy of valid values, in the types of TOML."""
    info = serve_model().model_fields[setting.name]
    kinds = {info.annotation, *getattr(info.annotation, "__args__", ())}
    if setting.is_switch:
        return st.booleans()
    if setting.is_list:
        return st.lists(WORDS, min_size=1, max_size=3)
    if int in kinds:
        return st.integers(1, 60_000)
    if float in kinds:
        return st.floats(0.1, 1e6)
    choices = {
        "log_format": ["text", "json"],
        "reads_from": ["owner", "standby"],
        "self_trade_prevention": ["NONE", "CANCEL_BOTH"],
    }
    return st.sampled_from(choices[setting.name]) if setting.name in choices else WORDS


def as_flag(value: Any) -> Any:
    return value if isinstance(value, bool | list) else str(value)


def as_variable(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def plain(value: Any) -> Any:
    """Return a loaded value in the types of TOML."""
    secret = getattr(value, "get_secret_value", None)
    if secret is not None:
        return secret()
    match value:
        case tuple():
            return list(value)
        case bool() | int() | float() | str() | None:
            return getattr(value, "value", value)
        case _:
            return str(value)


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the values of flags, of variables, and of the file."""

    def some(allowed: list[Setting]) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(allowed), unique_by=lambda setting: setting.name, max_size=8))
        return {setting.name: draw(values_of(setting)) for setting in chosen}

    usual = [setting for setting in VISIBLE if setting.name != "config"]
    return some([setting for setting in usual if setting.flag]), some(usual), some(usual)


JOURNALS = {"journal", "no_journal"}


def overrides(*drawn: Mapping[str, Any]) -> bool:
    """Return True if both settings of the journal are set. The next test is about these."""
    return {name for layer in drawn for name in layer} >= JOURNALS


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers())
def test_a_flag_precedes_a_variable_which_precedes_the_file_which_precedes_the_default(
    tmp_path: Path, drawn: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
) -> None:
    flags, variables, in_file = drawn
    file = file_with(tmp_path, in_file)
    given_flags = {name: as_flag(value) for name, value in flags.items()}
    with environment({f"OMS_{name.upper()}": as_variable(value) for name, value in variables.items()}):
        loaded = load({**given_flags, "config": str(file)})
    assert loaded.problems == ()
    for name, setting in ALL.items():
        if name == "config" or (name in JOURNALS and overrides(flags, variables, in_file)):
            continue
        expected, source = plain(setting.default), "default"
        for layer, label in ((in_file, "file"), (variables, "environment"), (flags, "flag")):
            if name in layer:
                expected, source = layer[name], label
        assert plain(getattr(loaded.values, name)) == expected, name
        assert loaded.sources[name] == source, name


@pytest.mark.parametrize(
    ("flags", "variables", "in_file", "expected"),
    [
        ({"no_journal": True}, {}, {"journal": "x.db"}, (None, True)),
        ({"no_journal": True}, {"OMS_JOURNAL": "x.db"}, {}, (None, True)),
        ({}, {"OMS_NO_JOURNAL": "true"}, {"journal": "x.db"}, (None, True)),
        ({"journal": "x.db"}, {}, {"no_journal": True}, ("x.db", False)),
        ({"journal": "x.db"}, {"OMS_NO_JOURNAL": "true"}, {}, ("x.db", False)),
        ({}, {"OMS_JOURNAL": "x.db"}, {"no_journal": True}, ("x.db", False)),
        ({}, {"OMS_NO_JOURNAL": "false"}, {"journal": "x.db"}, ("x.db", False)),
        ({"journal": "x.db", "no_journal": True}, {}, {}, ("x.db", True)),  # Plan rejects both
    ],
)
def test_no_journal_and_journal_override_each_other_by_precedence(
    flags: dict[str, Any],
    variables: dict[str, str],
    in_file: dict[str, Any],
    expected: tuple[str | None, bool],
    tmp_path: Path,
) -> None:
    with environment(variables):
        loaded = load({**flags, "config": str(file_with(tmp_path, in_file))})
    journal = None if loaded.values.journal is None else str(loaded.values.journal)
    assert (journal, loaded.values.no_journal) == expected
    for name, is_set in (("journal", expected[0] is not None), ("no_journal", expected[1])):
        assert is_set == (loaded.sources[name] != "default") or variables.get("OMS_NO_JOURNAL") == "false"


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    file = file_with(tmp_path, {"port": 9000})
    other = file_with(tmp_path, {"port": 9001}).rename(tmp_path / "other.toml")
    file = file_with(tmp_path, {"port": 9000})
    with environment({"OMS_CONFIG": str(file)}):
        assert load({}).values.port == 9000
        assert load({"config": str(other)}).values.port == 9001


# ---------------------------------------------------------------------- invalid values


def problems(tmp_path: Path, content: str, **flags: object) -> tuple[str, ...]:
    file = tmp_path / "oms.toml"
    file.write_text(content)
    return tuple(
        problem.replace(str(file), "FILE") for problem in load({"config": str(file), **flags}).problems
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("port = true", "port in FILE must not be true or false, not True"),
        ("port = 80.0", "port in FILE must not be a decimal number, not 80.0"),
        ("port = 65536", "port in FILE must be less than or equal to 65535, not 65536"),
        ("host = 5", "host in FILE must be a valid string, not 5"),
        ("body_seconds = nan", "body_seconds in FILE must be a finite number, not nan"),
        ("body_limit = -1", "body_limit in FILE must be greater than or equal to 0, not -1"),
        ("log_format = 'xml'", "log_format in FILE must be 'text' or 'json', not 'xml'"),
        ("hosst = 'x'", "hosst in FILE is not a setting; did you mean host?"),
        ("[server]\nport = 1", "server in FILE is not a setting"),
        ("config = 'x'", "config in FILE is not a setting of a file; use a flag or a variable"),
        ("port =", "the settings file FILE cannot be read: Invalid value (at end of document)"),
        ("\udcff", "the settings file FILE cannot be read: 'utf-8' codec can't decode byte 0xff"),
    ],
    ids=range(12),
)
def test_an_invalid_value_is_reported_with_its_place_and_what_is_allowed(
    content: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "oms.toml"
    file.write_bytes(content.encode(errors="surrogateescape"))
    loaded = load({"config": str(file)})
    (message,) = loaded.problems
    assert message.replace(str(file), "FILE").startswith(problem)
    assert loaded.values == serve_model().model_validate({"config": file})


def test_all_problems_are_reported_and_the_valid_values_are_used(tmp_path: Path) -> None:
    with environment({"OMS_MOST_STREAMS": "many", "OMS_HOST": "::1"}):
        found = problems(tmp_path, "body_limit = -1\nport = 7", stream_backlog="x")
        loaded = load({"stream_backlog": "x"})
    integer = "must be a valid integer, unable to parse string as an integer"
    assert sorted(found) == [
        f"--stream-backlog {integer}, not 'x'",
        f"OMS_MOST_STREAMS {integer}, not 'many'",
        "body_limit in FILE must be greater than or equal to 0, not -1",
    ]
    assert loaded.values.host == "::1"


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    (problem,) = load({"config": str(tmp_path / "none.toml")}).problems
    assert problem.endswith("none.toml cannot be read: No such file or directory")


def test_a_variable_that_is_not_a_setting_is_named(tmp_path: Path) -> None:
    with environment({"OMS_PROT": "1", "OMS_XYZ": "x"}):
        loaded = load({})
    assert loaded.problems == ()
    assert loaded.ignored == (
        "OMS_PROT is not a setting; did you mean OMS_PORT?",
        "OMS_XYZ is not a setting",
    )


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    key = "correct-horse-battery"
    with environment({"OMS_API_KEY": key}):
        loaded = load({})
    assert key not in repr(loaded)
    assert key not in repr(problems(tmp_path, f"api_key = ['{key}']"))
    assert problems(tmp_path, f"api_key = ['{key}']") == ("api_key in FILE must be a valid string",)


# ---------------------------------------------------------------------- the service's own settings


def test_every_setting_of_the_service_is_a_setting_of_the_command_unless_the_command_computes_it() -> None:
    by_command = module._BY_COMMAND
    names = {field.name for field in fields(Settings)}
    assert by_command <= names
    for field in fields(Settings):
        if field.name not in by_command:
            assert ALL[field.name].default == field.default
            assert ALL[field.name].description, f"the docstring of Settings must describe {field.name}"


def test_the_limits_reach_the_settings_of_the_service() -> None:
    loaded = load({"body_limit": "5", "most_streams": "7", "access_log": False})
    service = Settings(**limits_of(loaded.values))
    assert (service.body_limit, service.most_streams, service.access_log) == (5, 7, False)


# ---------------------------------------------------------------------- flags


def passed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Loaded:
    """Return what `oms serve` loads."""
    kept: list[Loaded] = []

    def keep(loaded: Loaded) -> int:
        kept.append(loaded)
        return 0

    monkeypatch.setattr("oms.cli.serve_check.report", keep)
    get_command(app).main(["serve", "--check", *arguments], standalone_mode=False)
    return kept[0]


def test_every_setting_except_the_key_has_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = passed(monkeypatch, "--port", "9", "--no-engine", "--instrument", "a", "--instrument", "b,c")
    assert {name for name, source in loaded.sources.items() if source == "flag"} == {
        "port",
        "engine",
        "instrument",
    }
    assert (loaded.values.port, loaded.values.engine) == (9, False)
    assert loaded.values.instrument == ("a", "b,c")
    assert [setting.name for setting in ALL.values() if setting.flag is None] == ["api_key"]


def test_a_flag_turns_off_what_a_variable_turns_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with environment({"OMS_ENGINE": "true", "OMS_CLOCK": "false"}):
        assert passed(monkeypatch).values.engine is True
        loaded = passed(monkeypatch, "--no-engine", "--clock")
    assert (loaded.values.engine, loaded.values.clock) == (False, True)


def test_the_help_lists_every_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["serve", "--help"]) == 0
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for setting in VISIBLE:
        assert setting.flag is None or setting.flag.partition("/")[0] in shown
    assert "--workers" not in shown
    assert "--check" in shown


def test_the_list_of_commands_does_not_import_the_settings() -> None:
    command = get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    assert [param.name for param in command.commands["serve"].params] == ["check"]


# ---------------------------------------------------------------------- the docs


def row(setting: Setting) -> str:
    """Return the row of the table in the docs."""
    flags = "" if setting.flag is None else ", ".join(f"`{flag}`" for flag in setting.flag.split("/"))
    default = setting.default
    if setting.is_switch:
        default = "true" if default else "false"
    shown = "" if default in (None, (), "") else f"`{default}`"
    cells = [f"`{setting.name}`", flags, f"`{setting.variable}`", shown, setting.description]
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def test_the_table_in_the_docs_contains_every_setting_with_its_flag_variable_default_and_meaning() -> None:
    rows = re.findall(r"^\| `.*$", PAGE.read_text(), re.MULTILINE)
    assert rows == [row(setting) for setting in VISIBLE]
