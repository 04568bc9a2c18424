"""The rules of the house, held by a machine."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import oms
from oms import columns, errors, events, models

ROOT = Path(oms.__file__).parent
CORE = sorted(path for path in ROOT.glob("*.py") if path.name != "__main__.py")
ADAPTERS = sorted(path for path in ROOT.glob("*/**/*.py"))
FLOW = [
    "errors",
    "display",
    "models",
    "events",
    "columns",
    "level",
    "price_sums",
    "order_book",
    "pricing",
    "books",
    "ladder",
    "ledger",
    "durability",
    "transaction",
    "management",
    "__init__",
]
OUTSIDE = {"sortedcontainers"}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, typing-only imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            assert node.module is not None
            yield from (
                (f"{node.module}.{name.name}" for name in node.names)
                if node.module == "oms"
                else [node.module]
            )


def lines_of_code(path: Path) -> int:
    """Lines that hold code: no blank line, comment or docstring counts."""
    tree = ast.parse(path.read_text())
    prose: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in prose
        for number, line in enumerate(path.read_text().splitlines(), 1)
    )


def test_the_flow_names_every_core_file() -> None:
    assert {path.stem for path in CORE} == set(FLOW)


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_imports_only_the_standard_library_sortedcontainers_and_what_is_above_it(
    path: Path,
) -> None:
    above = {f"oms.{name}" for name in FLOW[: FLOW.index(path.stem)]}
    for module in imported(path):
        if module.split(".")[0] == "oms":
            assert module in above, f"{path.name} imports {module} against the flow"
        else:
            assert module.split(".")[0] in sys.stdlib_module_names | OUTSIDE, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_stays_under_three_hundred_lines_of_code(path: Path) -> None:
    assert lines_of_code(path) < 300


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_public_list_is_sorted_and_true(path: Path) -> None:
    name = ".".join(["oms", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if path.name == "__main__.py":
        return
    assert listed is not None, f"{name} has no __all__"
    assert list(listed) == sorted(set(listed))
    assert all(hasattr(module, public) for public in listed)


def test_the_front_door_exports_every_value_and_every_error() -> None:
    listed = {*columns.__all__, *errors.__all__, *events.__all__, *models.__all__}
    public = listed - {"EVENT_COLUMNS", "MAX_INT", "event_rows"} | {"OrderManagement"}
    assert public == set(oms.__all__)


def test_importing_oms_loads_no_adapter_and_nothing_but_the_standard_library_and_sortedcontainers() -> None:
    script = "import sys; before = set(sys.modules); import oms; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    core = {"oms", *(f"oms.{path.stem}" for path in CORE if path.stem != "__init__")}
    assert "oms.management" in loaded
    assert {name for name in loaded if name.split(".")[0] == "oms"} <= core
    outside = {name.split(".")[0] for name in loaded} - {"oms"} - OUTSIDE
    assert outside <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("adapter", "needed", "extra"), [("notebook", "matplotlib", "notebook"), ("api", "fastapi", "api")]
)
def test_an_adapter_without_its_extra_says_what_to_install(adapter: str, needed: str, extra: str) -> None:
    script = f"import sys; sys.modules[{needed!r}] = None; import oms.{adapter}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert (
        ended.stderr.rstrip()
        .splitlines()[-1]
        .startswith(f"oms.{adapter} needs an extra: install oms-orderbook[{extra}]")
    )
