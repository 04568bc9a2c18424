"""Checks of the structure of the code: imports, file sizes, public names, and install instructions."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from sortedcontainers import SortedDict, SortedKeyList, SortedList, SortedSet

import oms
from oms import columns, errors, events, extras, models

ROOT = Path(oms.__file__).parent
CORE = sorted(path for path in ROOT.glob("*.py") if path.name != "__main__.py")
ADAPTERS = sorted(path for path in ROOT.glob("*/**/*.py"))
LAYERS = {
    "values": {
        "errors",
        "display",
        "conversions",
        "contract",
        "extras",
        "palette",
        "models",
        "events",
        "instrument",
        "columns",
    },
    "book": {"level", "price_sums", "order_book", "pricing"},
    "books": {
        "books",
        "ladder",
        "owner",
        "call_stack",
        "subscribers",
        "ledger",
        "durability",
        "transaction",
        "locked",
    },
    "facade": {"management", "__init__"},
}
"""The files of the core by layer, lowest first. A file imports only from its own layer and lower layers."""

ADAPTER_IMPORTS: dict[str, set[str]] = {
    "feeds": set(),
    "journal": set(),
    "client": set(),
    "api": {"journal"},
    "notebook": {"feeds"},
    "cli": {"api", "feeds", "journal"},
}
"""The adapters, each with the other adapters that it may import."""

OUTSIDE = {"sortedcontainers"}
MODULES = {".".join(["oms", *path.relative_to(ROOT).with_suffix("").parts]) for path in CORE + ADAPTERS}


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports anywhere, including imports for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            assert node.module is not None
            for name in node.names:
                within = f"{node.module}.{name.name}"
                yield within if node.module == "oms" or within in MODULES else node.module


def lines_of_code(path: Path) -> int:
    """Return the number of lines of code. Blank lines, comments, and docstrings do not count."""
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


def module_name(path: Path) -> str:
    return ".".join(["oms", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def test_every_core_file_belongs_to_exactly_one_layer() -> None:
    layered = [name for layer in LAYERS.values() for name in layer]
    assert sorted(path.stem for path in CORE) == sorted(layered)


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_imports_only_the_standard_library_sortedcontainers_and_its_own_layer_or_lower_ones(
    path: Path,
) -> None:
    level = next(n for n, layer in enumerate(LAYERS.values()) if path.stem in layer)
    allowed = {f"oms.{name}" for layer in list(LAYERS.values())[: level + 1] for name in layer}
    for module in imports_of(path):
        if module.split(".")[0] == "oms":
            assert module in allowed, f"{path.name} imports {module}, which is in a higher layer"
        else:
            assert module.split(".")[0] in sys.stdlib_module_names | OUTSIDE, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_adapter_imports_no_other_adapter_except_those_listed_for_it(path: Path) -> None:
    adapter = path.relative_to(ROOT).parts[0]
    for module in imports_of(path):
        root, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if root == "oms" and other in ADAPTER_IMPORTS and other != adapter:
            assert other in ADAPTER_IMPORTS[adapter], f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize(("package", "other"), [("orders", "levels"), ("levels", "orders")])
def test_order_feeds_and_level_feeds_do_not_import_each_other(package: str, other: str) -> None:
    paths = sorted((ROOT / "feeds" / package).glob("*.py"))
    assert paths
    for path in paths:
        imports = [name for name in imports_of(path) if f"{name}.".startswith(f"oms.feeds.{other}.")]
        assert not imports, f"{path.relative_to(ROOT)} imports {imports[0]}"


def test_no_modules_import_each_other_in_a_cycle() -> None:
    paths = {module_name(path): path for path in CORE + ADAPTERS}
    order = TopologicalSorter(
        {name: set(imports_of(path)) & (paths.keys() - {name}) for name, path in paths.items()}
    )
    order.prepare()  # raises CycleError


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_has_fewer_than_three_hundred_lines_of_code(path: Path) -> None:
    assert lines_of_code(path) < 300


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_all_list_of_a_module_is_sorted_and_names_only_what_exists(path: Path) -> None:
    name = module_name(path)
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if path.name == "__main__.py":
        return
    assert names is not None, f"{name} has no __all__"
    assert list(names) == sorted(set(names))
    assert all(hasattr(module, public) for public in names)


def test_the_oms_package_exports_every_value_class_and_every_error_class() -> None:
    names = {*columns.__all__, *errors.__all__, *events.__all__, *models.__all__}
    public = names - {"EVENT_COLUMNS", "MAX_INT", "event_rows"} | {"Instrument", "OrderManagement"}
    assert public == set(oms.__all__)


def test_importing_oms_loads_no_adapter_and_no_third_party_package_except_sortedcontainers() -> None:
    script = "import sys; before = set(sys.modules); import oms; print(*sorted(set(sys.modules) - before))"
    process = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    modules = process.stdout.split()
    core = {"oms", *(f"oms.{path.stem}" for path in CORE if path.stem != "__init__")}
    assert "oms.management" in modules
    assert {name for name in modules if name.split(".")[0] == "oms"} <= core
    outside = {name.split(".")[0] for name in modules} - {"oms"} - OUTSIDE
    assert outside <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("adapter", ["api", "client", "notebook"])
def test_importing_an_adapter_without_its_extra_prints_the_install_command(adapter: str) -> None:
    (package, *_) = sorted(extras.EXTRAS[adapter])
    script = f"import sys; sys.modules[{package!r}] = None; import oms.{adapter}"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.rstrip().splitlines()[-1] == extras.how_to_install(f"oms.{adapter}", adapter)


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_one_file_contains_install_instructions(path: Path) -> None:
    assert ("pip install" in path.read_text()) is (path.name == "extras.py")


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_recommends_installing_oms_by_name_from_a_package_index(path: Path) -> None:
    assert "install oms" not in path.read_text()


def private_names_of_sortedcontainers() -> set[str]:
    collections: tuple[object, ...] = (SortedList(), SortedKeyList(key=abs), SortedDict(), SortedSet())
    names = {name for each in collections for name in (*dir(each), *vars(each))}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_attribute_of_a_sorted_collection_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if "sortedcontainers" not in set(imports_of(path)):
        return
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    private = private_names_of_sortedcontainers() - own
    assert {"_lists", "_maxes", "_load"} <= private
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            assert node.attr not in private, ast.unparse(node)


def assigned_attributes(function: ast.AST) -> set[str]:
    """Return the names of the attributes of `self` that a function assigns to."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


@pytest.mark.parametrize("path", sorted((ROOT / "journal").glob("*.py")), ids=lambda path: path.stem)
def test_a_journal_class_sets_all_its_attributes_in_init(path: Path) -> None:
    for each in ast.walk(ast.parse(path.read_text())):
        if isinstance(each, ast.ClassDef):
            methods = {node.name: node for node in each.body if isinstance(node, ast.FunctionDef)}
            initial = assigned_attributes(methods["__init__"]) if "__init__" in methods else set()
            for name, method in methods.items():
                assert assigned_attributes(method) <= initial, f"{each.name}.{name}"


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_checks_whether_a_journal_is_an_sqlite_journal(path: Path) -> None:
    class_checks = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and "SqliteJournal" in ast.unparse(node)
    ]
    assert class_checks == []
