"""Every command of the contributing page is run or read by a test, and every file that it names exists."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it comes with myst-nb, and without types

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
CHECK = (ROOT / ".ci" / "check").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def starting_with(start: str) -> list[str]:
    return [line for line in commands(PAGE) if line.startswith(start)]


def ran(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def words(line: str) -> list[str]:
    """Split a command of a script or the page; name its program as the page does."""
    return re.findall(r"[\w./-]+", line.replace("$bin/", ".venv/bin/"))


# ------------------------------------------------------------------ each command is one of these

PYTEST = starting_with(".venv/bin/python -m pytest")
TOOLS = [
    *starting_with(".venv/bin/ruff"),
    *starting_with(".venv/bin/mypy"),
    *starting_with(".venv/bin/basedpyright"),
]
SCRIPTS = [*starting_with(".ci/check"), *starting_with(".ci/run")]
OTHERS = {
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'": "the README's test command begins with it",
    "pre-commit install": "its configuration is read below",
    "python3 benchmarks/peers/run.py": "installs other libraries; test_peers.py tests its parts",
    ".venv/bin/sphinx-build -W --keep-going -q -b html docs .ci/tmp/site": "test_docs.py builds the site",
    ".venv/bin/python docs/pictures.py": "test_pictures.py and test_notebooks.py run its parts",
}


def test_every_command_on_the_page_is_tested_here_or_names_its_test() -> None:
    assert sorted(commands(PAGE)) == sorted([*PYTEST, *TOOLS, *SCRIPTS, *OTHERS])


def test_the_page_sets_up_what_the_readme_tests() -> None:
    (test_command,) = [line for line in commands(README) if "-m pytest" in line]
    assert test_command.startswith(starting_with("python3 -m venv")[0])
    assert test_command.endswith(f" && {EVERYTHING}")
    assert EVERYTHING in PYTEST


# ------------------------------------------------------------------ pytest

EVERYTHING = ".venv/bin/python -m pytest -q"


@pytest.mark.parametrize("line", PYTEST)
def test_a_test_command_names_files_and_marks_that_exist(line: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="mark", default="not long")
    for option in ("-q", "-s"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("-k", dest="word", default="")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args(shlex.split(line)[3:])
    assert set(re.findall(r"\w+", options.mark)) - {"not", "and", "or"} <= {"slow", "long"}
    files = [ROOT / path.partition("::")[0] for path in options.paths]
    assert [path for path in files if not path.exists()] == []
    if options.word:
        tests = "".join(path.read_text() for folder in files for path in folder.glob("test_*.py"))
        assert re.search(rf"def test_\w*{options.word}", tests)


@pytest.mark.slow
def test_the_one_test_that_the_page_runs_passes() -> None:
    (line,) = [line for line in PYTEST if "::" in line]
    ended = ran(sys.executable, *shlex.split(line)[1:], "-q")
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the rules of this one, a fast test, and a slow one."""
    folder = tmp_path_factory.mktemp("project")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    marks = "\n    ".join(settings["markers"])
    (folder / "pytest.ini").write_text(
        f"[pytest]\ntestpaths = tests\naddopts = -m 'not long'\nmarkers =\n    {marks}\n"
    )
    room = folder / "tests" / "core"
    room.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    for name, mark in (("fast", ""), ("slow", "@pytest.mark.slow\n"), ("long", "@pytest.mark.long\n")):
        (room / f"test_{name}.py").write_text(f"import pytest\n{mark}def test_{name}():\n    pass\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("", "fast slow"),
        ("tests/core", "fast"),
        ("tests/core/test_slow.py", ""),
        ("tests/core/test_slow.py::test_slow", "slow"),
        ("tests/core -m 'not long'", "fast slow"),
        ("tests/core -k slow", "slow"),
        ("-m long", "long"),
    ],
)
def test_slow_tests_are_left_out_only_where_files_or_folders_are_named(
    selection: str, expected: str, project: Path
) -> None:
    ended = ran(sys.executable, "-m", "pytest", "-v", *shlex.split(selection), folder=project)
    assert re.findall(r"test_(\w+) PASSED", ended.stdout) == expected.split()
    assert ("1 slow tests were left out" in ended.stdout) == (
        selection.startswith("tests/core") and "slow" not in expected
    )


# ------------------------------------------------------------------ lint, types, and the scripts


@pytest.mark.parametrize("line", TOOLS)
def test_a_tool_runs_in_the_gate_and_in_the_check_as_on_the_page(line: str) -> None:
    for script in (GATE, CHECK):
        runs = [words(part) for each in script.splitlines() for part in re.split(r"&&|; }", each)]
        assert any(set(words(line)) <= set(each) for each in runs)


def test_the_linter_runs() -> None:
    ended = ran(sys.executable, "-m", "ruff", "check", "docs/pictures.py")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("script", ["check", "run"])
def test_a_script_is_executable_and_bash_can_read_it(script: str) -> None:
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111
    assert ran("bash", "-n", str(path)).returncode == 0


def steps() -> list[str]:
    (listed,) = re.findall(r"^steps=\((.*)\)$", GATE, re.MULTILINE)
    return str(listed).split()


def test_every_step_of_the_gate_has_a_function_and_a_row_on_the_page() -> None:
    assert re.findall(r"^step_(\w+)\(\)", GATE, re.MULTILINE) == steps()
    section = PAGE.partition("## The gate")[2].partition("\n## ")[0]
    rows = [cell for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for cell in row.split(", ")]
    assert [cell.strip("`") for cell in rows] == steps()


@pytest.mark.parametrize("line", SCRIPTS)
def test_a_script_is_called_with_steps_and_rooms_that_exist(line: str) -> None:
    script, *named = shlex.split(line)
    if script == ".ci/run":
        assert set(named) <= set(steps())
    else:
        assert all((ROOT / "tests" / room).is_dir() for room in named)


def test_a_step_that_does_not_exist_is_an_error_that_lists_those_that_do() -> None:
    ended = ran(".ci/run", "nothing")
    assert ended.returncode == 2
    assert all(step in ended.stderr for step in steps())


def test_a_step_runs_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    one = re.sub(
        r"^step_lint\(\) \{.*?^\}", "step_lint() {\n    echo linted\n}", GATE, flags=re.DOTALL | re.MULTILINE
    )
    (tmp_path / ".ci" / "run").write_text(one)
    ended = ran("bash", ".ci/run", "lint", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "\nlinted\n" in ended.stdout
    assert "=== types" not in ended.stdout


def test_the_gate_uses_no_environment_but_its_own() -> None:
    code = "\n".join(line for line in GATE.splitlines() if not line.lstrip().startswith("#"))
    outside_quotes = re.sub(r"readme_command '[^']*'", "", code)
    assert ".venv" not in outside_quotes


# ------------------------------------------------------------------ hooks


def test_the_hooks_are_local_and_run_the_tools_of_the_page() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system", "any other language downloads something"
        assert words(hook["entry"])[0] in {words(line)[0] for line in TOOLS}


# ------------------------------------------------------------------ names


def test_every_file_and_folder_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:oms|tests|docs|benchmarks)/[\w/.-]*)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "oms").glob("*/__init__.py")}
    assert {room for room in rooms if f"`oms/{room}/" not in PAGE} == set()
