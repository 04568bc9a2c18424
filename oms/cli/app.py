"""The command-line interface: its commands, errors, and exit codes."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from typer.main import get_command

from oms.cli.cluster import app as cluster
from oms.cli.demo import demo
from oms.cli.exit_codes import ExitCode
from oms.cli.journal import app as journal
from oms.cli.key import app as key
from oms.cli.options import ManyValuesCommand
from oms.cli.replay import replay
from oms.cli.serve import serve
from oms.cli.serve_command import ServeCommand
from oms.cli.simulate import simulate
from oms.errors import OmsError

__all__ = ["app", "run"]

app = typer.Typer(
    name="oms",
    help="Exact prices and trades against order books.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command(cls=ManyValuesCommand)(replay)
app.command()(simulate)
app.command(cls=ServeCommand)(serve)
app.add_typer(cluster)
app.add_typer(journal)
app.add_typer(key)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            print("oms", version("oms-orderbook"))
        except PackageNotFoundError:  # a checkout that is not installed
            print("oms, not installed")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Exact prices and trades against order books."""


def run(args: Sequence[str] | None = None) -> int:
    """Run the `oms` command, and return its exit code. `args` defaults to the process's own arguments.

    If an argument or a file is invalid, the command prints a one-line error to stderr.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # some terminals cannot print every file name
    try:
        code = _run(list(sys.argv[1:] if args is None else args))
        _flush()
    except BrokenPipeError:
        return _leave_closed_pipe()
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except OmsError as error:
        return _report_error(str(error))
    except OSError as error:
        return _report_error(error.strerror or str(error))
    except Exception as error:
        # Typer raises click exceptions. Newer versions of Typer bundle their own copy of click.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "oms")
        problem = _plain(message())
        return _report_error(f"{problem}{' See' if problem.endswith('?') else '; see'} {command} --help")
    return code


def _run(args: list[str]) -> int:
    try:
        code = get_command(app).main(args or ["--help"], prog_name="oms", standalone_mode=False)
    except SystemExit as stop:
        if stop.code == 1:  # typer and rich exit this way when a pipe is closed
            raise BrokenPipeError from stop
        raise
    return code if isinstance(code, int) else ExitCode.FINE


def _flush() -> None:
    """Flush stdout now, so that a write error does not first appear when Python shuts down."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - the shell may have closed it
        sys.stdout.flush()


def _leave_closed_pipe() -> int:
    with suppress(OSError):  # Python flushes again at shutdown, which must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.PIPE_CLOSED


def _plain(message: str) -> str:
    """Return an error message without the final period and without prefixes that libraries add.

    >>> _plain("Invalid value for '--format': Value error, 'nyse' is not one of 'bitstamp', 'lobster'.")
    "Invalid value for '--format': 'nyse' is not one of 'bitstamp', 'lobster'"
    >>> _plain("Got unexpected extra argument(s) (abc)")
    'Got unexpected extra argument: abc'

    """
    message = message.replace(": Value error, ", ": ", 1).removesuffix(".")
    return re.sub(r"argument(s?)(?:\(s\))? \((.*)\)$", r"argument\1: \2", message)


def _report_error(problem: str) -> int:
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(problem.split()))
    print(f"oms: {line}", file=sys.stderr)
    return ExitCode.WRONG_USE
