"""The extras, the modules that each one installs, and the message that explains how to install them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from oms.extras import EXTRAS, add_note, how_to_install, is_missing

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
DECLARED: dict[str, list[str]] = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
INSTALLED_WITH_FASTAPI = {"pydantic", "starlette"}
NOT_IMPORTED = {"sniffio"}  # only httpcore imports it
MODULES = {"nats_py": "nats"}  # of packages with another name than their module


@pytest.mark.parametrize("extra", list(EXTRAS))
def test_an_extra_lists_the_packages_that_pyproject_declares_for_it(extra: str) -> None:
    packages = {Requirement(requirement).name.replace("-", "_") for requirement in DECLARED[extra]}
    declared = {MODULES.get(package, package) for package in packages - {"oms_orderbook", *NOT_IMPORTED}}
    assert EXTRAS[extra] - INSTALLED_WITH_FASTAPI == declared


def test_the_message_names_the_extras_and_the_pip_commands_for_a_checkout_and_for_a_git_url() -> None:
    assert how_to_install("oms: `serve`", "api", "cli") == (
        "oms: `serve` needs the api and cli extras:"
        " in a checkout of the project, run pip install '.[api,cli]';"
        " with its git URL, run pip install 'oms-orderbook[api,cli] @ git+URL'"
    )


@pytest.mark.parametrize("extras", [("client",), ("api", "cli")])
def test_pip_can_parse_the_requirement_in_the_message(extras: tuple[str, ...]) -> None:
    message = how_to_install("x", *extras).replace("git+URL", "git+https://host/oms.git")
    local, remote = re.findall(r"pip install '([^']+)'", message)
    requirement = Requirement(remote)
    assert (requirement.name, requirement.extras) == ("oms-orderbook", set(extras))
    assert local == f".[{','.join(extras)}]"
    assert set(extras) <= DECLARED.keys()


@pytest.mark.parametrize(
    ("module", "missing"), [("fastapi", True), ("fastapi.routing", True), ("oms.feeds", False), (None, False)]
)
def test_the_message_is_added_only_to_errors_about_a_package_of_the_extra(
    module: str | None, missing: bool
) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    add_note(error, "oms.api", "api")
    assert is_missing(error, "cli", "api") is missing
    assert getattr(error, "__notes__", []) == [how_to_install("oms.api", "api")] * missing
