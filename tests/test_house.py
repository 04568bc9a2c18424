"""Checks of the structure of the code: imports, file sizes, public names, and install instructions."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest
from sortedcontainers import SortedDict, SortedKeyList, SortedList, SortedSet

import oms
from oms import columns, errors, events, extras, limits, models, positions, submission
from oms.engine_events import ENGINE_KINDS
from oms.feeds.formats import AnyFeed

ROOT = Path(oms.__file__).parent
TESTS = Path(__file__).parent
TEST_FILES = sorted(TESTS.glob("*/**/test_*.py"))
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
        "order_rows",
        "events",
        "instrument",
        "size",
        "shown",
        "clock",
        "sides",
        "frames",
        "decimal_orders",
        "submission",
        "submission_checks",
        "limits",
        "engine_state",
        "engine_events",
        "top_of_book",
        "fills",
        "fees",
        "positions",
        "cost_basis",
        "columns",
    },
    "book": {"level", "price_sums", "order_book", "pricing", "register", "usage"},
    "books": {
        "books",
        "ladder",
        "owner",
        "call_stack",
        "subscribers",
        "fork",
        "savepoint",
        "in_flight",
        "admission",
        "ledger",
        "engine_books",
        "plain_changes",
        "crossing",
        "preview",
        "limit_rules",
        "durability",
        "state",
        "transaction",
        "locked",
        "reference_data",
        "copies",
    },
    "facade": {
        "facade",
        "queries",
        "management",
        "batch",
        "direct_books",
        "id_map",
        "limited",
        "matching",
        "account",
        "__init__",
    },
}
"""The files of the core by layer, lowest first. A file imports only from its own layer and lower layers."""

ADAPTER_IMPORTS: dict[str, set[str]] = {
    "feeds": set(),
    "journal": set(),
    "simulation": set(),
    "client": set(),
    "api": {"journal"},
    "cluster": {"api", "client", "journal"},
    "notebook": {"feeds", "simulation"},
    "cli": {"api", "cluster", "feeds", "journal", "notebook", "simulation"},
}
"""The adapters, each with the other adapters that it may import."""

TESTED_THROUGH = {
    "oms.call_stack": "core/test_interrupts.py",
    "oms.conversions": "core/test_messages.py",
    "oms.copies": "core/test_state.py",
    "oms.facade": "core/test_management.py",
    "oms.savepoint": "core/test_transactions.py",
    "oms.ladder": "cli/test_tables.py",
    "oms.transaction": "core/test_transactions.py",
    "oms.feeds.compression": "feeds/test_text_file.py",
    "oms.feeds.orders.exported_rows": "feeds/test_lobster.py",
    "oms.feeds.orders.followed_book": "feeds/test_replay.py",
    "oms.feeds.orders.replayer": "feeds/test_replay.py",
    "oms.journal.compaction": "journal/test_upkeep.py",
    "oms.journal.engine_replay": "journal/test_damage.py",
    "oms.journal.engine_rows": "journal/test_upkeep.py",
    "oms.journal.event_log": "journal/test_damage.py",
    "oms.journal.extracts": "api/test_selection.py",
    "oms.journal.group_commit": "journal/test_disk.py",
    "oms.journal.open_file": "journal/test_place.py",
    "oms.journal.rebuilding": "journal/test_rebuild.py",
    "oms.journal.replies": "journal/test_journal.py",
    "oms.journal.sqlite_journal": "journal/test_journal.py",
    "oms.journal.writer": "journal/test_disk.py",
    "oms.journal.writer_lock": "journal/test_place.py",
    "oms.cluster.log.log_archive": "cluster/log/test_log_journal.py",
    "oms.cluster.log.stored": "cluster/log/test_log_journal.py",
    "oms.cluster.jetstream.jetstream_bucket": "cluster/ownership/test_bucket.py",
    "oms.cluster.worker.app": "cluster/worker/test_worker_app.py",
    "oms.cluster.worker.figures": "cluster/worker/test_worker_app.py",
    "oms.cluster.worker.opening": "cluster/worker/test_worker_processes.py",
    "oms.client.errors": "client/test_failures.py",
    "oms.client.in_process": "client/test_clients.py",
    "oms.client.operations": "client/test_clients.py",
    "oms.client.questions": "client/test_bulk.py",
    "oms.client.requests": "client/test_clients.py",
    "oms.client.responses": "client/test_echoes.py",
    "oms.client.retries": "client/test_failures.py",
    "oms.client.steps": "client/test_bulk.py",
    "oms.client.verbs": "client/test_bulk.py",
    "oms.api.answer_models": "api/test_schema.py",
    "oms.api.app": "api/test_rest.py",
    "oms.api.batches": "api/test_transactions.py",
    "oms.api.body_lists": "api/test_transactions.py",
    "oms.api.bulk_responses": "api/test_schema.py",
    "oms.api.credentials": "api/test_auth.py",
    "oms.api.descriptions": "api/test_schema.py",
    "oms.api.engine.descriptions": "api/test_schema.py",
    "oms.api.event_subjects": "core/test_events.py",
    "oms.api.field_types": "api/test_schema.py",
    "oms.api.openapi": "api/test_schema.py",
    "oms.api.orders": "api/test_rest.py",
    "oms.api.page.documentation": "api/test_page_docs.py",
    "oms.api.page.request_examples": "api/test_page_docs.py",
    "oms.api.page.try_out": "api/test_page_docs.py",
    "oms.api.pooled_server": "api/test_connections.py",
    "oms.api.query_models": "api/test_schema.py",
    "oms.api.question_models": "api/test_what_if.py",
    "oms.api.questions": "api/test_rest.py",
    "oms.api.request_metrics": "api/test_metrics.py",
    "oms.api.restoring": "api/test_selection.py",
    "oms.api.route": "api/test_rest.py",
    "oms.api.settings": "api/test_server.py",
    "oms.api.subjects": "api/test_transactions.py",
    "oms.api.verb_models": "api/test_transactions.py",
    "oms.api.verbs": "api/test_transactions.py",
    "oms.cluster.gateway.app": "cluster/gateway/test_front.py",
    "oms.cluster.gateway.opening": "cluster/gateway/test_gateway_processes.py",
    "oms.cluster.gateway.problems": "cluster/gateway/test_front.py",
    "oms.cli.capture": "cli/test_captures.py",
    "oms.cli.cluster_options": "cli/test_cluster.py",
    "oms.cli.exit_codes": "cli/test_cli.py",
    "oms.cli.instruments": "cli/test_serve.py",
    "oms.cli.replay": "cli/test_cli.py",
    "oms.cli.summary": "cli/test_cli.py",
}
"""Modules without a test file of their own name, and the file that tests each through another module."""

OUTSIDE = {"sortedcontainers"}
FOR_TYPES = {"typing_extensions"}  # type checkers contain this module; the program never imports it
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
            assert module.split(".")[0] in sys.stdlib_module_names | OUTSIDE | FOR_TYPES, (
                f"{path.name} imports {module}"
            )


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


def exchange_files() -> list[Path]:
    """The one file of `oms/feeds` that each supported exchange has."""
    files = [list((ROOT / "feeds").glob(f"*/{feed}.py")) for feed in get_args(AnyFeed)]
    assert [len(each) for each in files] == [1] * len(files)
    return [file for [file] in files]


@pytest.mark.parametrize("path", exchange_files(), ids=lambda path: path.stem)
def test_the_file_of_an_exchange_does_not_import_the_file_of_another(path: Path) -> None:
    others = {module_name(other) for other in exchange_files()} - {module_name(path)}
    assert others.isdisjoint(imports_of(path))


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
    modules = columns, errors, events, limits, models, submission, positions
    names = {name for module in modules for name in module.__all__}
    public = names - {"EVENT_COLUMNS", "Exact", "MAX_INT", "OrderId", "event_rows"}
    public |= {"Account", "CostBasis", "FeeRounding", "FeeSchedule", "FeeTier", "FeeVolume"}
    public |= {"IdMap", "Instrument", "MatchingEngine", "OrderManagement", "SUBMITTER_SIDES", "TopOfBook"}
    public |= {kind.__name__ for kind in ENGINE_KINDS}
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


@pytest.mark.parametrize("adapter", ["api", "client", "cluster", "notebook"])
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


def has_a_test_file(path: Path) -> bool:
    """Return True if the module's folder of tests contains `test_<module>.py`."""
    room = path.relative_to(ROOT).parts[0] if path.parent != ROOT else "core"
    return any((TESTS / room).rglob(f"test_{path.stem}.py"))


def is_named_in_a_test_file(path: Path) -> bool:
    """Return True if a test file imports the module, or its docstring names the module in full."""
    name = module_name(path)
    return any(
        name in imported_names(test) or re.search(rf"\b{re.escape(name)}\b(?!\.)", docstring_of(test))
        for test in TEST_FILES
    )


@cache
def imported_names(path: Path) -> frozenset[str]:
    return frozenset(imports_of(path))


@cache
def docstring_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize(
    "path",
    [path for path in CORE + ADAPTERS if path.name != "__init__.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_module_has_a_test_file_or_is_named_in_one(path: Path) -> None:
    is_tested_directly = has_a_test_file(path) or is_named_in_a_test_file(path)
    other = TESTED_THROUGH.get(module_name(path))
    assert is_tested_directly or other is not None, f"no test file names {module_name(path)}"


@pytest.mark.parametrize(("module", "file"), TESTED_THROUGH.items())
def test_a_module_that_is_tested_through_another_exists_and_so_does_the_test_file(
    module: str, file: str
) -> None:
    path = ROOT.parent.joinpath(*module.split(".")).with_suffix(".py")
    assert path.is_file()
    assert (TESTS / file).is_file()
    assert not has_a_test_file(path), f"{module} has a test file of its own: remove it from TESTED_THROUGH"


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


@pytest.mark.parametrize(
    "path",
    [path for room in ("cluster", "journal") for path in sorted((ROOT / room).rglob("*.py"))],
    ids=lambda path: f"{path.parent.stem}.{path.stem}",
)
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
