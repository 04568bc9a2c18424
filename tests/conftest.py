"""A pytest plugin that skips slow tests when the command line names files or folders.

A slow test takes more than a second on an idle machine and is marked with `@pytest.mark.slow`. The test
command of the README names no file, so that command runs all tests. `pytest tests/core` gives quick feedback
while you edit, so it runs only the fast tests. If you select tests with `-m`, `-k`, or `::`, your selection
runs unchanged. For example, `pytest tests/core -m "not long and not soak"` runs the slow tests too.

The plugin also puts the temporary files of tests into memory, if Linux has a folder there with enough space.
The tests of journals sync many small files, and would wait for the disk for half of their time. Tests of
power failures simulate the disk, so no test needs a real one. `--basetemp` and PYTEST_DEBUG_TEMPROOT set
another folder.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path

import hypothesis
import pytest

# On a busy machine any example can take a long time, so no test depends on the time of an example.
hypothesis.settings.register_profile("oms", deadline=None)
hypothesis.settings.register_profile("versions", deadline=None, max_examples=25)  # for `--hypothesis-profile`
hypothesis.settings.load_profile("oms")

_MEMORY = Path("/dev/shm")  # noqa: S108  # pytest creates a folder of its own there, with safe rights
_NEEDED = 4 * 2**30  # bytes
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _NEEDED:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

_LEFT_OUT = pytest.StashKey[int]()


def _has_own_selection(config: pytest.Config) -> bool:
    arguments = config.invocation_params.args
    has_markers = any(argument.startswith(("-m", "--markexpr")) for argument in arguments)
    return has_markers or bool(config.option.keyword) or any("::" in argument for argument in arguments)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests if the command line names files or folders and selects no tests itself."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS or _has_own_selection(config):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]
    config.stash[_LEFT_OUT] = len(slow)


def _shorten_garbage_collections() -> None:
    """Exclude all objects that are alive now, because each collection would look at them again."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection."""
    _shorten_garbage_collections()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Release the applications of a file's tests, and exclude what stays alive from garbage collection.

    FastAPI's caches keep the endpoints of the last applications alive, and so the books, with up to 1,000,000
    orders. Imported modules and pytest's reports stay alive until the end.
    """
    if nextitem is None or nextitem.path != item.path:
        for value in list(vars(sys.modules.get("fastapi.dependencies.models", sys)).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        _shorten_garbage_collections()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many slow tests were left out, and how to run them."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f'{left_out} slow tests were left out; -m "not long and not soak" runs them too'
        )
