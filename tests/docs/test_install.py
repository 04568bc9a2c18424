"""The install commands in the docs are valid, and their extras exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def install_commands() -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"^```(?:sh|bat)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return sorted({part.strip() for part in parts if re.match(r"\S*pip install", part.strip())})


@pytest.mark.parametrize("line", install_commands())
def test_an_install_command_installs_this_project_with_existing_extras(line: str) -> None:
    target, *tools = [word for word in shlex.split(line, posix=True)[2:] if not word.startswith("-")]
    tested = {Requirement(each).name for each in PROJECT["optional-dependencies"]["dev"]}
    assert set(tools) <= tested, "the tests must use a tool that a page installs"
    if target.startswith("git+file://"):
        extras = set()
    elif target.startswith("oms"):
        requirement = Requirement(target)
        assert requirement.name == "oms-orderbook", (
            "in the public index the name oms belongs to another project"
        )
        assert requirement.url, "the distribution is not in the public index, so its requirement needs a URL"
        extras = requirement.extras
    else:
        folder, _, names = target.partition("[")
        assert folder in {".", "path/to/oms"}
        extras = {name for name in names.rstrip("]").split(",") if name}
    assert extras <= PROJECT["optional-dependencies"].keys()


def test_the_page_explains_every_extra_and_what_it_installs() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", INSTALL, re.MULTILINE))
    assert rows.keys() == PROJECT["optional-dependencies"].keys()
    for extra, requirements in PROJECT["optional-dependencies"].items():
        names = {Requirement(each).name for each in requirements} - {"oms-orderbook"}
        if extra != "dev":
            assert {name for name in names if name not in rows[extra]} == set()


def test_the_client_extra_installs_only_httpx_and_the_api_extra_does_not() -> None:
    extras = {
        extra: {Requirement(each).name for each in requirements}
        for extra, requirements in PROJECT["optional-dependencies"].items()
    }
    assert extras["client"] == {"httpx"}
    assert "httpx" not in extras["api"]


def test_the_docs_and_the_gate_name_the_python_versions_of_the_project() -> None:
    declared = sorted(
        version for line in PROJECT["classifiers"] for version in re.findall(r"Python :: (3\.\d+)$", line)
    )
    sentence = f"{', '.join(declared[:-1])}, and {declared[-1]}"
    assert f"CPython {sentence}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert sentence.replace("and", "or") in INSTALL
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^step_python(\S+)\(\)", gate, re.MULTILINE) == declared[1:]


def test_the_urls_of_the_project_are_existing_files() -> None:
    assert {path for path in PROJECT["urls"].values() if not (ROOT / path).is_file()} == set()


@pytest.mark.parametrize(("package", "absent"), [("api", "httpx"), ("cli", "httpx"), ("notebook", "pandas")])
def test_a_package_loads_without_packages_that_its_extra_does_not_install(package: str, absent: str) -> None:
    script = f"import sys; sys.modules[{absent!r}] = None; import oms.{package}"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
