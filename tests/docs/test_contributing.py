"""The contributing page: its commands work, and the files that it names exist."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # a dependency of myst-nb, without types

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
CHECK = (ROOT / ".ci" / "check").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def commands_starting_with(start: str) -> list[str]:
    return [line for line in commands(PAGE) if line.startswith(start)]


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def words(line: str) -> list[str]:
    """Split a command of a script or of the page, with the path of its program as on the page."""
    return re.findall(r"[\w./-]+", line.replace("$bin/", ".venv/bin/"))


# ------------------------------------------------------------------ all commands

PYTEST = commands_starting_with(".venv/bin/python -m pytest")
TOOLS = [
    *commands_starting_with(".venv/bin/ruff"),
    *commands_starting_with(".venv/bin/mypy"),
    *commands_starting_with(".venv/bin/basedpyright"),
]
SCRIPTS = [*commands_starting_with(".ci/check"), *commands_starting_with(".ci/run")]
OTHERS = {
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'": "the README command begins with this",
    "pre-commit install": "the tests of the hooks read its configuration",
    "python3 benchmarks/peers/run.py": "installs other libraries; test_peers.py tests its parts",
    ".venv/bin/sphinx-build -W --keep-going -q -b html docs .ci/tmp/site": "test_docs.py builds the site",
    ".venv/bin/python docs/pictures.py": "test_pictures.py and test_notebooks.py run its parts",
}


def test_every_command_on_the_page_is_in_one_of_the_lists() -> None:
    assert sorted(commands(PAGE)) == sorted([*PYTEST, *TOOLS, *SCRIPTS, *OTHERS])


def test_the_page_has_the_setup_and_test_commands_of_the_readme() -> None:
    (test_command,) = [line for line in commands(README) if "-m pytest" in line]
    assert test_command.startswith(commands_starting_with("python3 -m venv")[0])
    assert test_command.endswith(f" && {EVERYTHING}")
    assert EVERYTHING in PYTEST


# ------------------------------------------------------------------ pytest

EVERYTHING = ".venv/bin/python -m pytest -q -n 2"


@pytest.mark.parametrize("line", PYTEST)
def test_the_files_and_marks_of_a_test_command_exist(line: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="mark", default="not long and not soak")
    for option in ("-q", "-s"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("-n", type=int)
    parser.add_argument("-k", dest="word", default="")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args(shlex.split(line)[3:])
    assert set(re.findall(r"\w+", options.mark)) - {"not", "and", "or"} <= {"slow", "long", "soak"}
    files = [ROOT / path.partition("::")[0] for path in options.paths]
    assert [path for path in files if not path.exists()] == []
    if options.word:
        tests = "".join(path.read_text() for folder in files for path in folder.glob("test_*.py"))
        assert re.search(rf"def test_\w*{options.word}", tests)


@pytest.mark.long
def test_the_example_of_a_single_test_passes() -> None:
    (line,) = [line for line in PYTEST if "::" in line]
    process = run(sys.executable, *shlex.split(line)[1:], "-q")
    assert process.returncode == 0, process.stdout
    assert "1 passed" in process.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a project with the test settings of this project, and one test with each mark."""
    folder = tmp_path_factory.mktemp("project")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    marks = "\n    ".join(settings["markers"])
    (folder / "pytest.ini").write_text(
        f"[pytest]\ntestpaths = tests\naddopts = -m 'not long and not soak'\nmarkers =\n    {marks}\n"
    )
    tests = folder / "tests" / "core"
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    for name, mark in (
        ("fast", ""),
        ("slow", "@pytest.mark.slow\n"),
        ("long", "@pytest.mark.long\n"),
        ("soak", "@pytest.mark.soak\n"),
    ):
        (tests / f"test_{name}.py").write_text(f"import pytest\n{mark}def test_{name}():\n    pass\n")
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("", "fast slow"),
        ("tests/core", "fast"),
        ("tests/core/test_slow.py", ""),
        ("tests/core/test_slow.py::test_slow", "slow"),
        ("tests/core -m 'not long and not soak'", "fast slow"),
        ("tests/core -k slow", "slow"),
        ("-m long", "long"),
        ("-m soak", "soak"),
    ],
)
def test_slow_tests_are_left_out_only_if_the_command_names_folders(
    selection: str, expected: str, project: Path
) -> None:
    process = run(sys.executable, "-m", "pytest", "-v", *shlex.split(selection), folder=project)
    assert re.findall(r"test_(\w+) PASSED", process.stdout) == expected.split()
    assert ("1 slow tests were left out" in process.stdout) == (
        selection.startswith("tests/core") and "slow" not in expected
    )


# ------------------------------------------------------------------ lint, types, and the scripts


@pytest.mark.parametrize("line", TOOLS)
def test_the_gate_and_the_check_run_a_tool_as_the_page_does(line: str) -> None:
    for script in (GATE, CHECK):
        parts = [words(part) for row in script.splitlines() for part in re.split(r"&&|; }", row)]
        assert any(set(words(line)) <= set(part) for part in parts)


def test_the_linter_runs() -> None:
    process = run(sys.executable, "-m", "ruff", "check", "docs/pictures.py")
    assert process.returncode == 0, process.stdout


@pytest.mark.parametrize("script", ["check", "run"])
def test_a_script_is_executable_and_bash_can_read_it(script: str) -> None:
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o111
    assert run("bash", "-n", str(path)).returncode == 0


def steps() -> list[str]:
    (names,) = re.findall(r"^steps=\((.*)\)$", GATE, re.MULTILINE)
    return str(names).split()


def test_every_step_of_the_gate_has_a_function_and_a_row_on_the_page() -> None:
    assert re.findall(r"^step_([\w.]+)\(\)", GATE, re.MULTILINE) == steps()
    section = PAGE.partition("## The gate")[2].partition("\n## ")[0]
    rows = [cell for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for cell in row.split(", ")]
    assert [cell.strip("`") for cell in rows] == steps()


@pytest.mark.parametrize("line", SCRIPTS)
def test_the_arguments_of_a_script_are_existing_steps_or_test_folders(line: str) -> None:
    script, *arguments = shlex.split(line)
    if script == ".ci/run":
        assert set(arguments) <= set(steps())
    else:
        assert all((ROOT / "tests" / name).is_dir() for name in arguments)


def test_an_unknown_step_is_an_error_that_lists_all_steps() -> None:
    process = run(".ci/run", "nothing")
    assert process.returncode == 2
    assert all(step in process.stderr for step in steps())


def test_the_gate_runs_only_the_named_step(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    script = re.sub(
        r"^step_lint\(\) \{.*?^\}", "step_lint() {\n    echo linted\n}", GATE, flags=re.DOTALL | re.MULTILINE
    )
    (tmp_path / ".ci" / "run").write_text(script)
    process = run("bash", ".ci/run", "lint", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "\nlinted\n" in process.stdout
    assert "=== types" not in process.stdout


def run_with_short_steps(folder: Path, failing: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the whole gate in a folder, where each step only prints that it ran, and one step may fail."""
    shortened = [
        f"step_{name}() {{ sh -c 'kill -INT $$; echo ignored SIGINT' || true; echo {name} ran; "
        f"{'false' if name == failing else 'true'}; }}"
        for name in steps()
    ]
    before, _, runner = re.split(r"^# -+ (run them)$", GATE, flags=re.MULTILINE)
    (folder / ".ci").mkdir()
    script = folder / ".ci" / "run"
    script.write_text("\n".join([before, "environment() { true; }", *shortened, runner]))
    script.chmod(0o755)
    return run("bash", ".ci/run", folder=folder)


def test_the_whole_gate_runs_each_step_once(tmp_path: Path) -> None:
    process = run_with_short_steps(tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    ran = [line.removesuffix(" ran") for line in process.stdout.splitlines() if line.endswith(" ran")]
    assert sorted(ran) == sorted(steps())


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="SIGINT is ignored here")
def test_no_step_of_the_gate_ignores_sigint(tmp_path: Path) -> None:
    assert "ignored SIGINT" not in run_with_short_steps(tmp_path).stdout


@pytest.mark.parametrize("failing", steps())
def test_the_whole_gate_fails_if_a_step_fails(tmp_path: Path, failing: str) -> None:
    process = run_with_short_steps(tmp_path, failing)
    assert process.returncode != 0
    assert f"\n{failing} ran\n" in process.stdout


def test_the_gate_uses_only_its_own_environment() -> None:
    code = "\n".join(line for line in GATE.splitlines() if not line.lstrip().startswith("#"))
    outside_quotes = re.sub(r"run_readme_command \w+ '[^']*'", "", code)
    assert ".venv" not in outside_quotes


# ------------------------------------------------------------------ hooks


def test_the_hooks_are_local_and_run_the_tools_of_the_page() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system", "any other language downloads something"
        assert words(hook["entry"])[0] in {words(line)[0] for line in TOOLS}


# ------------------------------------------------------------------ names


def test_every_file_and_folder_on_the_page_exists() -> None:
    names = re.findall(r"`((?:oms|tests|docs|benchmarks)/[\w/.-]*)`", PAGE)
    assert len(names) > 20
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_page_names_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "oms").glob("*/__init__.py")}
    assert {package for package in packages if f"`oms/{package}/" not in PAGE} == set()
