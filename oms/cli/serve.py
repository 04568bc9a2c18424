"""`oms serve`: run the HTTP API and its web page on a local port."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Annotated

import typer

from oms import Instrument, InvalidArgumentError, MatchingEngine, OrderManagement, Side, extras, journal
from oms.cli.cluster_options import split
from oms.cli.exit_codes import ExitCode
from oms.clock import Clock
from oms.submission import SelfTradePrevention

if TYPE_CHECKING:
    from oms.api import Settings
    from oms.cli.serve_plan import Plan
    from oms.cli.serve_values import Loaded

__all__ = ["serve"]

Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Show all settings and their sources, and everything that is wrong with them. Start nothing.",
    ),
]


def serve(ctx: typer.Context, *, check: Check = False) -> None:
    """Serve the API, its documentation, and a web page over HTTP and WebSockets. Stop with Ctrl-C."""
    # ServeCommand has already imported these, or has printed how to install the extra. Other commands work
    # without it.
    from oms.api import create_app, logs, server  # noqa: PLC0415 - see above
    from oms.cli.serve_check import check_all, report  # noqa: PLC0415 - see above
    from oms.cli.serve_plan import Plan  # noqa: PLC0415 - see above
    from oms.cli.serve_values import load  # noqa: PLC0415 - see above

    loaded = load(ctx.obj)
    if check:
        raise typer.Exit(report(loaded))
    check_all(loaded)
    plan = Plan(loaded)
    settings, keys = plan.api_settings(), plan.keys()
    os.environ.pop("OMS_API_KEY", None)  # neither this process nor its children keep the key
    values = loaded.values.model_copy(update={"api_key": None})  # from here on, only its hash is in memory
    loaded = loaded._replace(values=values)
    plan = Plan(loaded)
    if values.cluster:
        _serve_cluster(plan, loaded, settings, needs_key=len(keys) > 0)
        return
    file = plan.journal_file()
    open_books = partial(_open_engine, plan.policy()) if values.engine else _open_books
    with (
        logs.logging_to(logs.stderr_descriptor(), values.log_format),
        server.listen(values.host, values.port) as listening,
        closing(
            open_books(file, plan.instruments(), time_ns if values.clock else None, demo=values.demo)
        ) as om,
    ):
        app = create_app(om, settings)
        place = f"{file.resolve()}" if file else "none, the books are lost when the process ends"
        _announce(values.host, listening.getsockname()[1], f"journal: {place}", needs_key=len(keys) > 0)
        if values.engine:
            print(f"matching engine, self-trade prevention: {plan.policy().value}", flush=True)
        if owners := {key.owner for key in keys} - {None}:
            print(f"owners: {len(owners)}", flush=True)
        if om.instruments:
            print(f"instruments: {len(om.instruments)}", flush=True)
        root_path = _announced_root_path(plan)
        server.run(app, listening, root_path, settings)


def _serve_cluster(plan: Plan, loaded: Loaded, settings: Settings, *, needs_key: bool) -> None:
    """Serve a gateway to the workers of a cluster."""
    from oms.api import logs, server  # noqa: PLC0415 - the caller has already imported these

    try:
        from oms.cluster.gateway.opening import open_gateway  # noqa: PLC0415 - it needs another extra
    except ModuleNotFoundError as error:
        if not extras.is_missing(error, "cluster", "client"):
            raise
        print(extras.how_to_install("oms: `oms serve --cluster`", "cluster", "cli"), file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USE) from None
    values = loaded.values
    with (
        logs.logging_to(logs.stderr_descriptor(), values.log_format),
        server.listen(values.host, values.port) as listening,
        open_gateway(split(values.cluster), settings, reads_from=values.reads_from) as app,
    ):
        source = f"gateway to the shards {', '.join(app.state.shards.names)}"
        _announce(values.host, listening.getsockname()[1], source, needs_key=needs_key)
        root_path = _announced_root_path(plan)
        server.run(app, listening, root_path, settings)


def _announced_root_path(plan: Plan) -> str:
    root_path = plan.root_path()
    if root_path:
        print(f"root path: {root_path}/, which the proxy removes", flush=True)
    return root_path


def _announce(host: str, port: int, source: str, *, needs_key: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    print(f"oms serves http://{name}:{port}")
    print(source)
    print("API key: required" if needs_key else "API key: none", flush=True)


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
