"""Leave slow tests out of a run that names files or folders.

A test is slow if it takes more than a second on an idle machine; it carries `@pytest.mark.slow`. The test
command of the README names no file, so it runs all tests. `pytest tests/core` is for the minutes between two
changes, so it runs the fast ones. A run that selects tests itself, by `-m`, `-k` or `::`, gets what it
selects: `pytest tests/core -m "not long"` runs the slow tests too.
"""

from __future__ import annotations

import pytest

_LEFT_OUT = pytest.StashKey[int]()


def _selects_itself(config: pytest.Config) -> bool:
    words = config.invocation_params.args
    marked = any(word.startswith(("-m", "--markexpr")) for word in words)
    return marked or bool(config.option.keyword) or any("::" in word for word in words)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests where the command line names files or folders."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS or _selects_itself(config):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]
    config.stash[_LEFT_OUT] = len(slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many slow tests were left out, and how to run them."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f'{left_out} slow tests were left out; -m "not long" runs them too')
