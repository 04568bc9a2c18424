"""`oms serve --check`: the settings, their sources, and all problems with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import typer
from rich.console import Console

from oms.api import server
from oms.cli.exit_codes import ExitCode
from oms.cli.serve_plan import Plan
from oms.cli.serve_settings import Setting, settings
from oms.cli.serve_values import Loaded
from oms.cli.style import heading, new_console, new_table
from oms.errors import OmsError
from oms.journal.openable import check_openable

__all__ = ["check_all", "problems_of", "report"]

_COMPUTED: dict[str, Callable[[Plan], object]] = {
    "journal": lambda plan: plan.chosen_file(),
    "self_trade_prevention": lambda plan: plan.policy().value,
}
"""The settings whose default depends on others."""


def report(loaded: Loaded) -> ExitCode:
    """Print the settings and all problems, without changing anything. Return the exit code."""
    console, plan = new_console(), Plan(loaded)
    table = new_table()
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source", no_wrap=True)
    for setting in settings():
        if not setting.hidden:
            table.add_row(setting.name, _shown(setting, loaded, plan), loaded.sources[setting.name])
    console.print(table)
    for line in loaded.ignored:
        console.print(f"ignored: {line}")
    return _print_problems(console, list(problems_of(loaded)))


def check_all(loaded: Loaded) -> None:
    """Raise the first problem with the settings. The message contains the number of other problems.

    If the settings are valid, this function checks neither the port nor the journal.
    """
    if loaded.problems or any(_problem_of(check) for check in Plan(loaded).checks()):
        first, *others = problems_of(loaded)
        more = f" ({len(others)} more; oms serve --check lists all problems)" if others else ""
        raise typer.BadParameter(f"{first}{more}")


def _print_problems(console: Console, problems: list[str]) -> ExitCode:
    if not problems:
        console.print("no problems")
        return ExitCode.FINE
    console.print(heading("1 problem" if len(problems) == 1 else f"{len(problems)} problems"))
    for problem in problems:
        console.print(f"- {problem}")
    return ExitCode.WRONG_USE


def _shown(setting: Setting, loaded: Loaded, plan: Plan) -> str:
    """Return the value that the service would use. For a secret, return only whether it is set."""
    value: Any = getattr(loaded.values, setting.name)
    if setting.name in loaded.invalid:
        return "invalid"
    if setting.is_secret:
        return "not set" if value is None else "set"
    if setting.name in _COMPUTED:
        value = _COMPUTED[setting.name](plan)
    if setting.is_switch:
        return "true" if value else "false"
    if setting.is_list:
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)


def problems_of(loaded: Loaded) -> Iterator[str]:
    """Yield a one-line description of each problem that would keep the service from starting."""
    yield from loaded.problems
    plan = Plan(loaded)
    checks: tuple[Callable[[], object], ...] = (
        *plan.checks(),
        lambda: _check_address(loaded),
        lambda: _check_journal(plan),
    )
    problems = map(_problem_of, checks)
    yield from dict.fromkeys(filter(None, problems))  # several checks may find the same problem


def _problem_of(check: Callable[[], object]) -> str | None:
    """Return the problem that a check finds, or None."""
    try:
        check()
    except typer.BadParameter as error:
        return error.message
    except OmsError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _check_address(loaded: Loaded) -> None:
    if not loaded.invalid & {"host", "port"}:  # otherwise, this would check a default
        server.listen(loaded.values.host, loaded.values.port).close()


def _check_journal(plan: Plan) -> None:
    file = plan.journal_file()
    if file is not None:
        check_openable(file)
