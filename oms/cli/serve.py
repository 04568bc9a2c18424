"""`oms serve`: the API and its page on a port of this machine."""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from oms import OrderManagement, Side, journal
from oms.cli.exit_codes import ExitCode

__all__ = ["serve"]

_DEFAULT_FILE = Path("oms.db")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")
_NEEDED = {"fastapi", "starlette", "pydantic", "uvicorn", "websockets", "httpx"}

Host = Annotated[str, typer.Option("--host", help="Where to listen; other than loopback needs a key.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: whichever is free.")]
Demo = Annotated[bool, typer.Option("--demo", help="Begin with the worked example, and keep nothing.")]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", show_default=str(_DEFAULT_FILE), help="Keep it here."),
]
NoJournal = Annotated[bool, typer.Option("--no-journal", help="Keep nothing.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        help="Holds the API key; or set OMS_API_KEY.",
        exists=True,
        dir_okay=False,
    ),
]
AllowedHosts = Annotated[
    list[str] | None, typer.Option("--allowed-host", metavar="NAME", help="A name this server goes by.")
]
Origins = Annotated[
    list[str] | None, typer.Option("--cors-origin", metavar="URL", help="A site that may ask from a browser.")
]
RootPath = Annotated[
    str, typer.Option("--root-path", metavar="PATH", help="What a proxy takes off each path, such as /oms.")
]
Workers = Annotated[int, typer.Option("--workers", hidden=True)]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    *,
    demo: Demo = False,
    journal_file: JournalFile = None,
    no_journal: NoJournal = False,
    api_key_file: KeyFile = None,
    allowed_host: AllowedHosts = None,
    cors_origin: Origins = None,
    root_path: RootPath = "",
    workers: Workers = 1,
) -> None:
    """Serve the books over HTTP and WebSockets until Ctrl-C: the API, its documents, the ladder page."""
    try:
        from oms.api import (  # noqa: PLC0415 - an extra of its own
            Settings,
            create_app,
            server,
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        _explain_extra()
        raise typer.Exit(ExitCode.WRONG_USE) from None
    server.refuse_workers(workers)
    root_path = _root_path(root_path)
    settings = Settings(
        api_key=_key(api_key_file),
        checks_host=True,
        hosts=("localhost", host.lower(), *(name.lower() for name in allowed_host or ())),
        cors_origins=tuple(cors_origin or ()),
    )
    if settings.api_key is None and not server.is_loopback(host):
        problem = f"{host} can be reached from other machines: that needs an API key (--api-key-file)"
        raise typer.BadParameter(problem)
    file = _file(journal_file, demo=demo, no_journal=no_journal)
    with server.listen(host, port) as listening, closing(_open(file, demo=demo)) as om:
        app = create_app(om, settings)
        _announce(host, listening.getsockname()[1], file, needs_key=settings.api_key is not None)
        if root_path:
            print(f"root path: {root_path}/, as a proxy before it has it", flush=True)
        server.run(app, listening, root_path)


def _announce(host: str, port: int, file: Path | None, *, needs_key: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    print(f"oms serves http://{name}:{port}")
    print(f"journal: {file.resolve()}" if file else "journal: none, the books go with the process")
    print("API key: required" if needs_key else "API key: none", flush=True)


def _explain_extra() -> None:
    print(
        "oms: serving needs the extras api and cli: in a checkout of the project, pip install '.[api,cli]'",
        file=sys.stderr,
    )


def _root_path(given: str) -> str:
    """The path without the slash at its end; none is as good as a slash."""
    path = given.removesuffix("/")
    if not _ROOT_PATH.fullmatch(path):
        raise typer.BadParameter(f"--root-path must be a path such as /oms, not {given!r}")
    return path


def _key(file: Path | None) -> str | None:
    """The key in the file, or in the environment."""
    if file is not None:
        return file.read_text(encoding="ascii", errors="replace").strip()  # what is replaced is refused
    return os.environ.get("OMS_API_KEY")


def _file(file: Path | None, *, demo: bool, no_journal: bool) -> Path | None:
    if file is not None and (demo or no_journal):
        raise typer.BadParameter("--journal goes neither with --no-journal nor with --demo")
    return None if demo or no_journal else file or _DEFAULT_FILE


def _open(file: Path | None, *, demo: bool) -> OrderManagement:
    om = OrderManagement() if file is None else journal.open(file)
    if demo:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om
