"""A pytest plugin that skips slow tests when the command line names files or folders.

A slow test takes more than a second on an idle machine and is marked with `@pytest.mark.slow`. The test
command of the README names no file, so that command runs all tests. `pytest tests/core` gives quick feedback
while you edit, so it runs only the fast tests. If you select tests with `-m`, `-k`, or `::`, your selection
runs unchanged. For example, `pytest tests/core -m "not long and not soak"` runs the slow tests too.
"""

from __future__ import annotations

import gc
import sys

import hypothesis
import pytest

# On a busy machine any example can take long, so no test depends on the time of an example.
hypothesis.settings.register_profile("oms", deadline=None)
hypothesis.settings.load_profile("oms")

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


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection, which would look at them again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Release the applications of a file's tests.

    FastAPI's caches keep the endpoints of the last applications alive, and so the books, with up to 1,000,000
    orders. Each garbage collection would look at all of them.
    """
    if nextitem is None or nextitem.path != item.path:
        for value in list(vars(sys.modules.get("fastapi.dependencies.models", sys)).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many slow tests were left out, and how to run them."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f'{left_out} slow tests were left out; -m "not long and not soak" runs them too'
        )
