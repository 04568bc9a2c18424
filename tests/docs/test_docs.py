"""The site builds without a warning, documents every public name, and has no dead link."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any

import pytest
from typer.main import get_command

import oms
from oms.cli import app
from oms.client import AsyncClient, Client
from support.chromium import chromium
from support.site_pages import ROOT, Page, build, documented_names, signatures

WITHOUT_REFERENCE = {"cli"}  # a page describes the commands, so their modules are not in the API reference
MARKDOWN = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("docs")
    warnings = build(folder)
    return folder / "site", warnings


@pytest.fixture(scope="module")
def site(built: tuple[Path, str]) -> Path:
    return built[0]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.resolve().rglob("*.html")}


# ------------------------------------------------------------------ the pages


@pytest.mark.long
def test_the_site_builds_without_a_warning(built: tuple[Path, str]) -> None:
    _, warnings = built
    assert warnings == ""


@pytest.mark.long
def test_every_page_is_reachable_from_the_index(site: Path, pages: dict[Path, Page]) -> None:
    reached: set[Path] = set()
    unvisited = {(site / "index.html").resolve()}
    while unvisited:
        page = unvisited.pop()
        reached.add(page)
        unvisited |= {target for target, _ in pages[page].targets() if target in pages} - reached
    assert {path.relative_to(site) for path in pages.keys() - reached} == set()
    sources = {
        path.with_suffix("").relative_to(ROOT / "docs") for path in MARKDOWN[1:] if "docs" in path.parts
    }
    assert {page.relative_to(site.resolve()).with_suffix("") for page in reached} >= sources


@pytest.mark.long
def test_every_link_within_the_site_works(site: Path, pages: dict[Path, Page]) -> None:
    dead = {
        (page.path.name, str(target), anchor)
        for page in pages.values()
        for target, anchor in page.targets()
        if not target.exists() or (target in pages and anchor not in pages[target].anchors)
    }
    assert dead == set()


@pytest.mark.long
def test_a_page_loads_nothing_from_other_servers(pages: dict[Path, Page]) -> None:
    assert {load for page in pages.values() for load in page.loads if re.match(r"\w+:|//", load)} <= {"data:"}


# ------------------------------------------------------------------ the reference


def public_names() -> Iterator[str]:
    """Yield all public names of the packages, and the methods of their classes."""
    packages = [f"oms.{module.name}" for module in pkgutil.iter_modules(oms.__path__) if module.ispkg]
    for name in ["oms", *packages]:
        if name.rpartition(".")[2] not in WITHOUT_REFERENCE:
            yield from names_in(importlib.import_module(name))


def names_in(module: ModuleType) -> Iterator[str]:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from names_in(value)
            continue
        yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            fields = getattr(value, "_fields", ()) or getattr(value, "__dataclass_fields__", ())
            inherited = {attribute for base in value.__mro__[1:] for attribute in vars(base)}
            public = {attribute for attribute in vars(value) if not attribute.startswith("_")}
            methods = public - {*fields} - inherited
            yield from (f"{module.__name__}.{name}.{method}" for method in methods)


@pytest.mark.long
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    missing = set(public_names()) - documented_names(site)
    assert missing == set(), "docs/reference/ must name them"


@pytest.mark.long
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_reference_shows_the_argument_and_result_types_of_a_client_s_methods(
    site: Path, client: type
) -> None:
    reference = signatures(site / "reference" / "client.html")
    methods = {name: value for name, value in vars(client).items() if inspect.isfunction(value)}
    names = [name for name in methods if name[0] != "_"]
    assert len(names) >= 18
    for name in names:
        signature = inspect.signature(getattr(client, name), eval_str=True)
        text = reference[f"oms.client.{client.__name__}.{name}"]
        returned = short_annotation(signature.return_annotation or NoneType).replace("NoneType", "None")
        assert text.removesuffix("¶").endswith(f"→ {returned}"), text
        is_coroutine = client is AsyncClient and not returned.startswith("AsyncIterator")
        assert text.startswith("async ") is is_coroutine, text
        for parameter in list(signature.parameters.values())[1:]:
            assert f"{parameter.name}: {short_annotation(parameter.annotation)}" in text, text
    assert "Generator[" not in " ".join(reference.values())


def short_annotation(annotation: object) -> str:
    """Return an annotation as text, without the names of modules."""
    return re.sub(r"\b(oms(\.[a-z_]+)+|collections\.abc|typing)\.", "", inspect.formatannotation(annotation))


def commands(command: Any, name: str = "oms") -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name.

    The commands have no common type, because some versions of typer contain their own click.
    """
    if hasattr(command, "commands"):
        for word, subcommand in command.commands.items():
            yield from commands(subcommand, f"{name} {word}")
    else:
        yield name, command


def test_every_command_and_option_is_on_the_page_of_the_command() -> None:
    page = (ROOT / "docs" / "reference" / "command.md").read_text()
    for name, command in commands(get_command(app)):
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}"))
        if "Settings](settings.md)" in row:
            assert name == "oms serve"  # tests/cli/test_serve_settings.py compares that page with its flags
        visible = (param for param in command.params if not getattr(param, "hidden", False))
        options = {option for param in visible for option in param.opts if option.startswith("--")}
        assert set(re.findall(r"`(--[a-z-]+)`", row)) == options - {"--help"}, name


# ------------------------------------------------------------------ the design


def test_the_tables_of_the_design_page_name_every_core_file_and_every_package_once() -> None:
    page = (ROOT / "docs" / "explanation" / "design.md").read_text()
    rows = re.findall(r"^\| \d\. \w+ \| (.*?) \|", page, flags=re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    files = {path.stem for path in (ROOT / "oms").glob("*.py")} - {"__init__", "__main__"}
    folders = {path.parent.name for path in (ROOT / "oms").glob("*/__init__.py")}
    assert sorted(names) == sorted(files | folders)


# ------------------------------------------------------------------ links between the source files


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_between_source_files_is_valid(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


# ------------------------------------------------------------------ the copy button


@pytest.mark.long
@pytest.mark.parametrize(
    ("page", "start", "excluded"),
    [
        ("how-to/plots.html", "import pandas as pd", (">>>", "... ", "<OrderManagement")),
        ("install.html", "python3 -m venv", ("$ ",)),
        ("notebooks/pricing_a_large_order.html", "from random import Random", ("[1]",)),
    ],
)
def test_the_copy_button_copies_code_without_prompts_and_output(
    page: str, start: str, excluded: tuple[str, ...], site: Path
) -> None:
    with chromium() as browser:
        tab = browser.new_page()
        tab.goto((site / page).resolve().as_uri())
        tab.evaluate("addEventListener('copy', (event) => { window.copied = event.target.value; }, true)")
        copied = []
        for button in tab.locator("button.copybtn").all():
            button.dispatch_event("click")
            copied.append(str(tab.evaluate("window.copied")))
        code = tab.locator("div.highlight-python, div.highlight-sh, div.highlight-bat")
        assert len(copied) == code.count(), "each example has a button, and nothing else has"
    assert copied[0].startswith(start)
    assert [text for text in copied for word in excluded if word in text] == []
