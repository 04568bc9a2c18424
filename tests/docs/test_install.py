"""The install page and the README name requirements that pip understands, and extras that exist."""

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


def lines() -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"^```(?:sh|bat)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return sorted({part.strip() for part in parts if re.match(r"\S*pip install", part.strip())})


@pytest.mark.parametrize("line", lines())
def test_a_line_installs_this_project_with_extras_that_it_has(line: str) -> None:
    (target,) = [word for word in shlex.split(line, posix=True)[2:] if not word.startswith("-")]
    if target.startswith("git+file://"):
        extras = set()
    elif target.startswith("oms"):
        requirement = Requirement(target)
        assert requirement.name == "oms-orderbook", "the name oms in the public index is another project's"
        assert requirement.url, "the distribution is in no index, so its requirement has a URL"
        extras = requirement.extras
    else:
        folder, _, listed = target.partition("[")
        assert folder in {".", "path/to/oms"}
        extras = {each for each in listed.rstrip("]").split(",") if each}
    assert extras <= PROJECT["optional-dependencies"].keys()


def test_the_page_explains_every_extra_and_what_it_installs() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", INSTALL, re.MULTILINE))
    assert rows.keys() == PROJECT["optional-dependencies"].keys()
    for extra, requirements in PROJECT["optional-dependencies"].items():
        names = {Requirement(each).name for each in requirements} - {"oms-orderbook"}
        if extra != "dev":
            assert {name for name in names if name not in rows[extra]} == set()


def test_the_extra_client_is_httpx_alone_and_the_service_does_not_need_it() -> None:
    extras = {
        extra: {Requirement(each).name for each in requirements}
        for extra, requirements in PROJECT["optional-dependencies"].items()
    }
    assert extras["client"] == {"httpx"}
    assert "httpx" not in extras["api"]


def test_the_pythons_of_the_docs_are_those_that_the_project_declares() -> None:
    declared = sorted(
        version for each in PROJECT["classifiers"] for version in re.findall(r"Python :: (3\.\d+)$", each)
    )
    sentence = f"{', '.join(declared[:-1])}, and {declared[-1]}"
    assert f"CPython {sentence}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert sentence.replace("and", "or") in INSTALL
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"for version in {' '.join(declared[1:])};" in gate


def test_the_urls_of_the_project_are_files_that_exist() -> None:
    assert {path for path in PROJECT["urls"].values() if not (ROOT / path).is_file()} == set()


@pytest.mark.parametrize(("room", "absent"), [("api", "httpx"), ("cli", "httpx"), ("notebook", "pandas")])
def test_a_room_loads_without_what_its_extra_does_not_install(room: str, absent: str) -> None:
    script = f"import sys; sys.modules[{absent!r}] = None; import oms.{room}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
