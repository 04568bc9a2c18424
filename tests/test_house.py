"""The rules of the house, held by a machine."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest
from sortedcontainers import SortedDict, SortedKeyList, SortedList, SortedSet

import oms
from oms import columns, errors, events, extras, models
from oms.feeds.formats import AnyFeed

ROOT = Path(oms.__file__).parent
CORE = sorted(path for path in ROOT.glob("*.py") if path.name != "__main__.py")
ADAPTERS = sorted(path for path in ROOT.glob("*/**/*.py"))
STOREYS = {
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
"""The core, from the bottom up: a file imports only from its own storey and from those below."""

ROOMS: dict[str, set[str]] = {
    "feeds": set(),
    "journal": set(),
    "client": set(),
    "api": {"journal"},
    "notebook": {"feeds"},
    "cli": {"api", "feeds", "journal"},
}
"""The adapters, and the other adapters that each may import."""

OUTSIDE = {"sortedcontainers"}
MODULES = {".".join(["oms", *path.relative_to(ROOT).with_suffix("").parts]) for path in CORE + ADAPTERS}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, typing-only imports included."""
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


def module_name(path: Path) -> str:
    return ".".join(["oms", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def test_the_storeys_name_every_core_file_once() -> None:
    named = [name for storey in STOREYS.values() for name in storey]
    assert sorted(path.stem for path in CORE) == sorted(named)


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_imports_only_the_standard_library_sortedcontainers_and_its_own_storey_or_below(
    path: Path,
) -> None:
    floor = next(n for n, storey in enumerate(STOREYS.values()) if path.stem in storey)
    below = {f"oms.{name}" for storey in list(STOREYS.values())[: floor + 1] for name in storey}
    for module in imported(path):
        if module.split(".")[0] == "oms":
            assert module in below, f"{path.name} imports {module}, which is above it"
        else:
            assert module.split(".")[0] in sys.stdlib_module_names | OUTSIDE, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_adapter_imports_core_itself_and_the_adapters_listed_for_it(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for module in imported(path):
        root, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if root == "oms" and other in ROOMS and other != room:
            assert other in ROOMS[room], f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize(("wing", "other"), [("orders", "levels"), ("levels", "orders")])
def test_feeds_by_order_and_feeds_by_level_do_not_import_each_other(wing: str, other: str) -> None:
    paths = sorted((ROOT / "feeds" / wing).glob("*.py"))
    assert paths
    for path in paths:
        crossing = [name for name in imported(path) if f"{name}.".startswith(f"oms.feeds.{other}.")]
        assert not crossing, f"{path.relative_to(ROOT)} imports {crossing[0]}"


def exchange_files() -> list[Path]:
    """The one file of `oms/feeds` that each supported exchange has."""
    files = [list((ROOT / "feeds").glob(f"*/{feed}.py")) for feed in get_args(AnyFeed)]
    assert [len(each) for each in files] == [1] * len(files)
    return [file for [file] in files]


@pytest.mark.parametrize("path", exchange_files(), ids=lambda path: path.stem)
def test_the_file_of_an_exchange_does_not_import_the_file_of_another(path: Path) -> None:
    others = {module_name(other) for other in exchange_files()} - {module_name(path)}
    assert others.isdisjoint(imported(path))


def test_no_module_imports_itself_by_a_detour() -> None:
    every = {module_name(path): path for path in CORE + ADAPTERS}
    order = TopologicalSorter(
        {name: set(imported(path)) & (every.keys() - {name}) for name, path in every.items()}
    )
    order.prepare()  # raises CycleError


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_core_file_stays_under_three_hundred_lines_of_code(path: Path) -> None:
    assert lines_of_code(path) < 300


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_public_list_is_sorted_and_true(path: Path) -> None:
    name = module_name(path)
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if path.name == "__main__.py":
        return
    assert listed is not None, f"{name} has no __all__"
    assert list(listed) == sorted(set(listed))
    assert all(hasattr(module, public) for public in listed)


def test_the_front_door_exports_every_value_and_every_error() -> None:
    listed = {*columns.__all__, *errors.__all__, *events.__all__, *models.__all__}
    public = listed - {"EVENT_COLUMNS", "MAX_INT", "event_rows"} | {"Instrument", "OrderManagement"}
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


@pytest.mark.parametrize("room", ["api", "client", "notebook"])
def test_a_room_without_its_extra_says_what_to_install(room: str) -> None:
    (needed, *_) = sorted(extras.EXTRAS[room])
    script = f"import sys; sys.modules[{needed!r}] = None; import oms.{room}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().splitlines()[-1] == extras.how_to_install(f"oms.{room}", room)


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_one_file_writes_how_to_install_an_extra(path: Path) -> None:
    assert ("pip install" in path.read_text()) is (path.name == "extras.py")


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_told_to_install_from_an_index_where_a_stranger_may_own_the_name(path: Path) -> None:
    assert "install oms" not in path.read_text()


def private_names_of_sortedcontainers() -> set[str]:
    collections: tuple[object, ...] = (SortedList(), SortedKeyList(key=abs), SortedDict(), SortedSet())
    names = {name for each in collections for name in (*dir(each), *vars(each))}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_private_attribute_of_a_sorted_collection_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if "sortedcontainers" not in set(imported(path)):
        return
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    private = private_names_of_sortedcontainers() - own
    assert {"_lists", "_maxes", "_load"} <= private
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            assert node.attr not in private, ast.unparse(node)


def attributes_set(function: ast.AST) -> set[str]:
    """The attributes of `self` that a function assigns to."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


@pytest.mark.parametrize("path", sorted((ROOT / "journal").glob("*.py")), ids=lambda path: path.stem)
def test_a_class_of_the_journal_sets_all_its_attributes_in_init(path: Path) -> None:
    for each in ast.walk(ast.parse(path.read_text())):
        if isinstance(each, ast.ClassDef):
            methods = {node.name: node for node in each.body if isinstance(node, ast.FunctionDef)}
            initial = attributes_set(methods["__init__"]) if "__init__" in methods else set()
            for name, method in methods.items():
                assert attributes_set(method) <= initial, f"{each.name}.{name}"


@pytest.mark.parametrize("path", CORE + ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_asks_what_kind_of_journal_it_is(path: Path) -> None:
    asked = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and "SqliteJournal" in ast.unparse(node)
    ]
    assert asked == []
