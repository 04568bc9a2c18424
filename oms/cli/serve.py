"""`oms serve`: run the HTTP API and its web page on a local port."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Annotated

import typer

from oms import Instrument, InvalidArgumentError, MatchingEngine, OrderManagement, Side, extras, journal
from oms.cli.exit_codes import ExitCode
from oms.cli.instruments import read_instruments
from oms.clock import Clock
from oms.submission import SelfTradePrevention

__all__ = ["serve"]

_DEFAULT_FILE = Path("oms.db")
_DEFAULT_ENGINE_FILE = Path("venue.db")
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
Engine = Annotated[
    bool,
    typer.Option(
        "--engine",
        help="Serve a matching engine, in which incoming orders trade. Its default journal is venue.db.",
    ),
]
Prevention = Annotated[
    SelfTradePrevention | None,
    typer.Option(
        "--self-trade-prevention",
        help="With --engine: what happens when two orders of the same owner would trade with each other.",
        show_default=SelfTradePrevention.NONE.value,
    ),
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
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        metavar="FILE",
        help="A TOML file with API keys, each with a name, its hash, and its access. oms key new prints an"
        " entry. The service reads the file again when it changes.",
        exists=True,
        dir_okay=False,
    ),
]
RateLimit = Annotated[
    str | None,
    typer.Option(
        "--rate-limit",
        metavar="RATE",
        help="How many requests each API key may send, or each address if no key is required, such as"
        " '100/second' or '100/second burst 200'.",
        show_default="no limit",
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
MostConnections = Annotated[
    int | None,
    typer.Option(
        "--most-connections",
        metavar="NUMBER",
        min=1,
        help="The maximum number of open connections. If there are more, the service closes those that have"
        " waited longest for their clients.",
        show_default="1000, or the limit of open files minus 128",
    ),
]
HeadSeconds = Annotated[
    float,
    typer.Option(
        "--head-seconds", metavar="SECONDS", min=0.1, help="How long a request head may take to arrive."
    ),
]
DrainSeconds = Annotated[
    float,
    typer.Option(
        "--drain-seconds",
        metavar="SECONDS",
        min=0,
        help="How long the service continues after SIGTERM or Ctrl-C, while GET /ready returns 503. A second"
        " signal ends this time.",
    ),
]
Workers = Annotated[int, typer.Option("--workers", hidden=True)]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    *,
    engine: Engine = False,
    self_trade_prevention: Prevention = None,
    demo: Demo = False,
    journal_file: JournalFile = None,
    no_journal: NoJournal = False,
    no_clock: NoClock = False,
    instrument: InstrumentTexts = None,
    instruments: InstrumentsFile = None,
    api_key_file: KeyFile = None,
    keys_file: KeysFile = None,
    rate_limit: RateLimit = None,
    allowed_host: AllowedHosts = None,
    cors_origin: Origins = None,
    root_path: RootPath = "",
    most_connections: MostConnections = None,
    head_seconds: HeadSeconds = 10.0,
    drain_seconds: DrainSeconds = 0.0,
    workers: Workers = 1,
) -> None:
    """Serve the API, its documentation, and a web page over HTTP and WebSockets. Stop with Ctrl-C."""
    try:
        from oms.api import (  # noqa: PLC0415 - the other commands work without this extra
            Settings,
            create_app,
            server,
        )
        from oms.api.key_ring import KeyRing  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "api"):
            raise
        print(extras.how_to_install("oms: `oms serve`", "api", "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None
    server.check_workers(workers)
    root_path = _checked_root_path(root_path)
    if self_trade_prevention is not None and not engine:
        option = "--self-trade-prevention"
        raise typer.BadParameter(f"{option} needs --engine; pass both, or leave out {option}")
    settings = Settings(
        api_key=_api_key(api_key_file),
        keys_file=keys_file,
        rate_limit=rate_limit,
        checks_host=True,
        hosts=("localhost", host.lower(), *(name.lower() for name in allowed_host or ())),
        cors_origins=tuple(cors_origin or ()),
        most_connections=most_connections,
        head_seconds=head_seconds,
        drain_seconds=drain_seconds,
    )
    server.check_descriptors(settings)
    keys = KeyRing(settings, has_owners=engine).keys  # an invalid file is an error before anything is opened
    if not keys and not server.is_loopback(host):
        raise typer.BadParameter(
            f"--host {host} can be reached from other machines, so an API key is required; pass"
            " --keys-file FILE or --api-key-file FILE, or listen on 127.0.0.1"
        )
    file = _journal_file(journal_file, engine=engine, demo=demo, no_journal=no_journal)
    declared = read_instruments(instrument or (), instruments)
    clock = None if no_clock else time_ns
    policy = self_trade_prevention or SelfTradePrevention.NONE
    open_books = partial(_open_engine, policy) if engine else _open_books
    with server.listen(host, port) as listening, closing(open_books(file, declared, clock, demo=demo)) as om:
        app = create_app(om, settings)
        _announce(host, listening.getsockname()[1], file, needs_key=len(keys) > 0)
        if engine:
            print(f"matching engine, self-trade prevention: {policy.value}", flush=True)
        if owners := {key.owner for key in keys} - {None}:
            print(f"owners: {len(owners)}", flush=True)
        if om.instruments:
            print(f"instruments: {len(om.instruments)}", flush=True)
        if root_path:
            print(f"root path: {root_path}/, which the proxy removes", flush=True)
        server.run(app, listening, root_path, settings)


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
    """Return the API key from the file or, if `file` is None, from the environment.

    The key is removed from the environment, so that neither this process nor its children keep it.
    """
    from_environment = os.environ.pop("OMS_API_KEY", None)
    if file is not None:
        # Non-ASCII bytes become replacement characters, which Settings rejects.
        return file.read_text(encoding="ascii", errors="replace").strip()
    return from_environment


def _journal_file(file: Path | None, *, engine: bool, demo: bool, no_journal: bool) -> Path | None:
    if file is not None and (demo or no_journal):
        raise typer.BadParameter("--journal cannot be combined with --no-journal or --demo; pass one of them")
    return None if demo or no_journal else file or (_DEFAULT_ENGINE_FILE if engine else _DEFAULT_FILE)


def _open_engine(
    policy: SelfTradePrevention,
    file: Path | None,
    instruments: Mapping[str, Instrument],
    clock: Clock | None,
    *,
    demo: bool,
) -> MatchingEngine:
    if file is None:
        engine = MatchingEngine(self_trade_prevention=policy, instruments=instruments, clock=clock)
    else:
        with _naming_instruments(file):
            engine = journal.open_engine(
                file, self_trade_prevention=policy, instruments=instruments, clock=clock
            )
    if demo:
        engine.submit("ask-1", "JPM", Side.SELL, 20, 101)
        engine.submit("bid-1", "JPM", Side.BUY, 10, 99)
    return engine


@contextmanager
def _naming_instruments(file: Path) -> Generator[None]:
    """Raise BadParameter if an instrument contradicts the journal."""
    try:
        yield
    except InvalidArgumentError as error:
        if error.field != "instrument":
            raise
        raise typer.BadParameter(f"--instrument does not match the journal {file}: {error}") from None


def _open_books(
    file: Path | None, instruments: Mapping[str, Instrument], clock: Clock | None, *, demo: bool
) -> OrderManagement:
    if file is None:
        om = OrderManagement(instruments=instruments, clock=clock)
    else:
        with _naming_instruments(file):
            om = journal.open(file, instruments=instruments, clock=clock)
    if demo:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om
