"""`oms serve`: run the HTTP API and its web page on a local port."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import Annotated

import typer

from oms import Instrument, InvalidArgumentError, OrderManagement, Side, extras, journal
from oms.cli.exit_codes import ExitCode
from oms.cli.instruments import read_instruments
from oms.clock import Clock

__all__ = ["serve"]

_DEFAULT_FILE = Path("oms.db")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")

Host = Annotated[
    str,
    typer.Option(
        "--host", help="The address to listen on. Any address other than loopback requires an API key."
    ),
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port to listen on. 0 picks a free port.")
]
Demo = Annotated[bool, typer.Option("--demo", help="Start with two example orders, without a journal.")]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", show_default=str(_DEFAULT_FILE), help="The journal file."),
]
NoJournal = Annotated[
    bool,
    typer.Option("--no-journal", help="Keep the books only in memory. They are lost when the process ends."),
]
NoClock = Annotated[bool, typer.Option("--no-clock", help="Give events no time.")]
InstrumentTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument",
        metavar="SYMBOL=TICK:LOT[:CURRENCY]",
        help="The tick size, the lot size, and the currency of a symbol, such as AAPL=0.01:1:USD. Can be"
        " repeated.",
    ),
]
InstrumentsFile = Annotated[
    Path | None,
    typer.Option(
        "--instruments",
        metavar="FILE",
        help="A JSON file with instruments, in the form of the response to GET /instruments.",
        exists=True,
        dir_okay=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        help="A file that contains the API key. By default, the OMS_API_KEY environment variable is used.",
        exists=True,
        dir_okay=False,
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="Another host name of this server. Can be repeated.",
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        metavar="URL",
        help="Another site whose pages may send requests. Can be repeated.",
    ),
]
RootPath = Annotated[
    str,
    typer.Option("--root-path", metavar="PATH", help="The path prefix that a proxy strips, such as /oms."),
]
Workers = Annotated[int, typer.Option("--workers", hidden=True)]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    *,
    demo: Demo = False,
    journal_file: JournalFile = None,
    no_journal: NoJournal = False,
    no_clock: NoClock = False,
    instrument: InstrumentTexts = None,
    instruments: InstrumentsFile = None,
    api_key_file: KeyFile = None,
    allowed_host: AllowedHosts = None,
    cors_origin: Origins = None,
    root_path: RootPath = "",
    workers: Workers = 1,
) -> None:
    """Serve the API, its documentation, and a web page over HTTP and WebSockets. Stop with Ctrl-C."""
    try:
        from oms.api import (  # noqa: PLC0415 - the other commands work without this extra
            Settings,
            create_app,
            server,
        )
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "api"):
            raise
        print(extras.how_to_install("oms: `oms serve`", "api", "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None
    server.check_workers(workers)
    root_path = _checked_root_path(root_path)
    settings = Settings(
        api_key=_api_key(api_key_file),
        checks_host=True,
        hosts=("localhost", host.lower(), *(name.lower() for name in allowed_host or ())),
        cors_origins=tuple(cors_origin or ()),
    )
    if settings.api_key is None and not server.is_loopback(host):
        raise typer.BadParameter(
            f"--host {host} can be reached from other machines, so an API key is required; pass"
            " --api-key-file FILE, or listen on 127.0.0.1"
        )
    file = _journal_file(journal_file, demo=demo, no_journal=no_journal)
    declared = read_instruments(instrument or (), instruments)
    clock = None if no_clock else time_ns
    with server.listen(host, port) as listening, closing(_open_books(file, declared, clock, demo=demo)) as om:
        app = create_app(om, settings)
        _announce(host, listening.getsockname()[1], file, needs_key=settings.api_key is not None)
        if om.instruments:
            print(f"instruments: {len(om.instruments)}", flush=True)
        if root_path:
            print(f"root path: {root_path}/, which the proxy removes", flush=True)
        server.run(app, listening, root_path)


def _announce(host: str, port: int, file: Path | None, *, needs_key: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    print(f"oms serves http://{name}:{port}")
    print(f"journal: {file.resolve()}" if file else "journal: none, the books are lost when the process ends")
    print("API key: required" if needs_key else "API key: none", flush=True)


def _checked_root_path(path: str) -> str:
    """Return the path without a trailing slash. Raise BadParameter unless it is valid or empty."""
    without_slash = path.removesuffix("/")
    if not _ROOT_PATH.fullmatch(without_slash):
        raise typer.BadParameter(f"--root-path must be a path such as /oms, not {path!r}")
    return without_slash


def _api_key(file: Path | None) -> str | None:
    """Return the API key from the file or, if `file` is None, from the environment."""
    if file is not None:
        # Non-ASCII bytes become replacement characters, which Settings rejects.
        return file.read_text(encoding="ascii", errors="replace").strip()
    return os.environ.get("OMS_API_KEY")


def _journal_file(file: Path | None, *, demo: bool, no_journal: bool) -> Path | None:
    if file is not None and (demo or no_journal):
        raise typer.BadParameter("--journal cannot be combined with --no-journal or --demo; pass one of them")
    return None if demo or no_journal else file or _DEFAULT_FILE


def _open_books(
    file: Path | None, instruments: Mapping[str, Instrument], clock: Clock | None, *, demo: bool
) -> OrderManagement:
    if file is None:
        om = OrderManagement(instruments=instruments, clock=clock)
    else:
        try:
            om = journal.open(file, instruments=instruments, clock=clock)
        except InvalidArgumentError as error:
            if error.field != "instrument":
                raise
            raise typer.BadParameter(f"--instrument does not match the journal {file}: {error}") from None
    if demo:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om
