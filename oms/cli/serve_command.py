"""The options of `oms serve`, created from its settings.

The problem. The settings need pydantic, which takes 0.2 seconds to import and belongs to the `api` extra. The
other commands need neither. But Typer asks for the options of all commands when it starts.

The solution. This command creates its options only when they are needed: to parse the arguments of `oms
serve`, or to show its help. Each option has the default None, which means that the flag was not passed. The
values are passed on unchanged, because the settings check them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from oms import extras
from oms.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from oms.cli.serve_settings import Setting

__all__ = ["ServeCommand"]


class ServeCommand(TyperCommand):
    """A command with the settings of `oms serve` as its options. The context's `obj` holds their values."""

    _options: list[Any] | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all options. If the `api` extra is missing, print how to install it, and exit."""
        if self._options is None:
            self._options = _options()
        *own, help_option = super().get_params(ctx)
        return [*self._options, *own, help_option]

    def invoke(self, ctx: Any) -> Any:
        """Run the command, with the values of the flags that were passed in the context's `obj`."""
        names = {option.name for option in self._options or ()}
        flags = {name: ctx.params.pop(name) for name in names}
        ctx.obj = {name: value for name, value in flags.items() if value not in (None, (), [])}
        return super().invoke(ctx)


def _options() -> list[Any]:
    try:
        from oms.cli.serve_settings import settings  # noqa: PLC0415 - other commands work without pydantic
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "api"):
            raise
        print(extras.how_to_install("oms: `oms serve`", "api", "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None
    listed = typer.Typer(add_completion=False)
    listed.command()(_function_with([setting for setting in settings() if setting.flag is not None]))
    return list(get_command(listed).params)


def _function_with(listed: list[Setting]) -> Callable[..., None]:
    """Return a function with one parameter for each setting. Typer turns its parameters into options."""

    def function() -> None:
        raise NotImplementedError

    annotations = {setting.name: _annotation(setting) for setting in listed}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in annotations.items()
    ]
    function.__annotations__ = annotations
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect allows
    return function


def _annotation(setting: Setting) -> Any:
    kind: Any = bool if setting.is_switch else list[str] if setting.is_list else str
    option = typer.Option(
        setting.flag,
        metavar=None if setting.is_switch else setting.metavar,
        help=_help(setting),
        show_default=False,
        hidden=setting.hidden,
    )
    return Annotated[kind | None, option]


def _help(setting: Setting) -> str:
    """Return the description and the default. The description says what happens without a value."""
    has_default = setting.default not in (None, (), "") and not setting.is_switch
    return f"{setting.description} Default: {setting.default}." if has_default else setting.description
