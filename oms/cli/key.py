"""`oms key`: make API keys for a file of keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oms import extras
from oms.cli.exit_codes import ExitCode

__all__ = ["app"]

app = typer.Typer(name="key", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="The name of the key in the log.")]
AccessName = Annotated[
    str,
    typer.Option(
        "--access", metavar="ACCESS", help="The requests that the key allows: trading (all) or read-only."
    ),
]
Owner = Annotated[
    str | None,
    typer.Option(
        "--owner",
        metavar="OWNER",
        help="With oms serve --engine: requests with this key can only see and change the orders of this"
        " owner.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Use the key in this file instead of a new one.",
        exists=True,
        dir_okay=False,
    ),
]


@app.callback()
def _key() -> None:
    """Make API keys for oms serve --keys-file."""


@app.command()
def new(name: Name, access: AccessName, *, owner: Owner = None, key_file: KeyFile = None) -> None:
    """Make a key. Print its entry for a file of keys on stdout, and the key itself on stderr.

    The entry contains only the hash of the key, and the key is shown only once. To add a key to a file, run
    oms key new --name bot1 --access trading >> keys.toml.
    """
    try:
        from oms.api.keys import Access, ApiKey, as_entry, generate_key  # noqa: PLC0415 - as in serve
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "api"):
            raise
        print(extras.how_to_install("oms: `oms key`", "api", "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None
    if access not in list(Access):
        raise typer.BadParameter(f"--access must be {' or '.join(Access)}, not {access!r}")
    # Non-ASCII bytes become replacement characters, which ApiKey rejects.
    text = key_file.read_text("ascii", "replace").strip() if key_file is not None else generate_key()
    print(as_entry(ApiKey.of(text, name=name, access=Access(access), owner=owner)), flush=True)
    if key_file is None:
        print(f"The API key, which is shown only this time: {text}", file=sys.stderr)
