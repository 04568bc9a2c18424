"""The plan of `oms serve` for its settings, and the checks that need neither a port nor a journal.

Each method returns one part of the plan, or raises an exception that says what is wrong with the settings.
Each method depends on as few settings as possible, so that one wrong setting does not hide another. Both
`oms serve` and `oms serve --check` call all methods. The command itself reports only the first exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from oms.api import Settings, server
from oms.api.key_ring import KeyRing
from oms.api.keys import ApiKey
from oms.cli.instruments import read_instruments
from oms.cli.serve_settings import limits_of
from oms.cli.serve_values import Loaded
from oms.errors import InvalidArgumentError, OmsError
from oms.instrument import Instrument
from oms.submission import SelfTradePrevention

__all__ = ["Plan"]

_DEFAULT_FILE = Path("oms.db")
_DEFAULT_ENGINE_FILE = Path("venue.db")
_OF_BOOKS = (
    "engine",
    "self_trade_prevention",
    "demo",
    "journal",
    "no_journal",
    "instrument",
    "instruments",
)
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")


class Plan:
    """The plan of `oms serve` with these settings. The methods raise OmsError or typer.BadParameter."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._values = loaded.values

    def checks(self) -> tuple[Callable[[], object], ...]:
        """Return the methods that raise an error if a setting is wrong."""
        return (
            self.check_workers,
            self.root_path,
            self.check_engine_settings,
            self.check_cluster,
            self.check_rate_limit,
            self.check_api_key,
            self.check_keys_file,
            self.check_connections,
            self.check_key_needed,
            self.journal_file,
            *(partial(self._instruments, (text,), None) for text in self._values.instrument),
            partial(self._instruments, (), self._values.instruments),
            self.instruments,
            self.check_keys_together,
        )

    def check_workers(self) -> None:
        """Raise an error unless there is one worker."""
        server.check_workers(self._values.workers)

    def root_path(self) -> str:
        """Return the path prefix without a trailing slash."""
        path = self._values.root_path
        without_slash = path.removesuffix("/")
        if not _ROOT_PATH.fullmatch(without_slash):
            place = self._loaded.place("root_path")
            raise typer.BadParameter(f"{place} must be a path such as /oms, not {path!r}")
        return without_slash

    def check_rate_limit(self) -> None:
        """Raise an error if the rate limit is invalid."""
        Settings(rate_limit=limits_of(self._values)["rate_limit"])

    def check_api_key(self) -> None:
        """Raise an error if the API key is invalid, or if its file cannot be read."""
        key = self._api_key()
        try:
            Settings(api_key=key)
        except InvalidArgumentError as error:
            in_file = self._values.api_key_file is not None
            source = self._loaded.assignment("api_key_file") if in_file else self._loaded.place("api_key")
            raise typer.BadParameter(f"{source}: {error}") from None

    def check_keys_file(self) -> None:
        """Raise an error if the file of keys is invalid or cannot be read."""
        self._ring(Settings(keys_file=limits_of(self._values)["keys_file"]))

    def check_keys_together(self) -> None:
        """Raise an error if the API key and the file of keys are valid, but contradict each other."""
        try:
            self.check_rate_limit()
            self.check_api_key()
            self.check_keys_file()
        except (OmsError, typer.BadParameter):
            return  # the other checks report it
        self.keys()

    def check_engine_settings(self) -> None:
        """Raise an error if a setting needs a matching engine, but the service has none."""
        if self._values.self_trade_prevention is not None and not self._values.engine:
            place = self._loaded.place("self_trade_prevention")
            raise typer.BadParameter(f"{place} needs --engine; pass both, or leave out {place}")

    def check_cluster(self) -> None:
        """Raise an error if a setting for the books is set, although a cluster's workers have the books."""
        values = self._values
        if not values.cluster:
            if values.reads_from != "owner":
                place = self._loaded.assignment("reads_from")
                raise typer.BadParameter(f"{place} needs --cluster; pass both, or leave out {place}")
            return
        for name in _OF_BOOKS:
            if getattr(values, name) not in (None, (), False):
                here, other = self._loaded.place(name), self._loaded.place("cluster")
                raise typer.BadParameter(
                    f"{here} cannot be combined with {other}, because the workers have the books; leave out"
                    f" {here}"
                )

    def policy(self) -> SelfTradePrevention:
        """Return the policy for orders of the same owner."""
        return self._values.self_trade_prevention or SelfTradePrevention.NONE

    def api_settings(self) -> Settings:
        """Return the settings of the API, with the key in `api_key` or in its file."""
        values = self._values
        return Settings(
            **limits_of(values),
            api_key=self._api_key(),
            checks_host=True,
            hosts=("localhost", values.host.lower(), *(name.lower() for name in values.allowed_host)),
            cors_origins=values.cors_origin,
        )

    def keys(self) -> tuple[ApiKey, ...]:
        """Return all API keys, with those in the file of keys."""
        return self._ring(self.api_settings()).keys

    def _ring(self, settings: Settings) -> KeyRing:
        try:
            has_owners = self._values.engine or bool(self._values.cluster)  # it may serve engines
            return KeyRing(settings, has_owners=has_owners)
        except InvalidArgumentError as error:
            raise typer.BadParameter(f"{self._loaded.assignment('keys_file')}: {error.remedy}") from None

    def check_connections(self) -> None:
        """Raise an error if the limit of open files is too low for the connections."""
        server.check_descriptors(Settings(most_connections=limits_of(self._values)["most_connections"]))

    def check_key_needed(self) -> None:
        """Raise an error if other machines can reach the service and no key is set."""
        values = self._values
        has_key = (values.api_key, values.api_key_file, limits_of(values)["keys_file"]) != (None, None, None)
        if not has_key and not server.is_loopback(values.host):
            raise typer.BadParameter(
                f"{self._loaded.assignment('host')} can be reached from other machines, so an API key is"
                " required; pass --keys-file FILE or --api-key-file FILE, or listen on 127.0.0.1"
            )

    def journal_file(self) -> Path | None:
        """Return the path of the journal, or None if the books are only in memory."""
        values = self._values
        if values.journal is not None and (values.demo or values.no_journal):
            other = self._loaded.place("no_journal" if values.no_journal else "demo")
            raise typer.BadParameter(
                f"{self._loaded.place('journal')} cannot be combined with {other}; pass one of them"
            )
        return self.chosen_file()

    def chosen_file(self) -> Path | None:
        """Return the path of the journal, or None. Ignore contradictions between settings."""
        values = self._values
        default = _DEFAULT_ENGINE_FILE if values.engine else _DEFAULT_FILE
        has_no_file = values.demo or values.no_journal or values.cluster
        return values.journal or (None if has_no_file else default)

    def instruments(self) -> dict[str, Instrument]:
        """Return the instruments of the settings."""
        return self._instruments(self._values.instrument, self._values.instruments)

    def _instruments(self, texts: tuple[str, ...], file: Path | None) -> dict[str, Instrument]:
        try:
            return read_instruments(texts, file)
        except OSError as error:
            raise self._unreadable("instruments", error) from None

    def _api_key(self) -> str | None:
        """Return the API key from `api_key_file`, or from `api_key` if no file is set."""
        if self._values.api_key_file is not None:
            # Non-ASCII bytes become replacement characters, which Settings rejects.
            return self._text("api_key_file", "ascii", errors="replace").strip()
        key = self._values.api_key
        return None if key is None else key.get_secret_value()

    def _text(self, name: str, encoding: str, errors: str = "strict") -> str:
        """Return the content of the file that a setting names."""
        file: Path = getattr(self._values, name)
        try:
            return file.read_text(encoding=encoding, errors=errors)
        except OSError as error:
            raise self._unreadable(name, error) from None

    def _unreadable(self, name: str, error: OSError) -> typer.BadParameter:
        given = self._loaded.assignment(name)
        return typer.BadParameter(f"{given} cannot be read: {error.strerror or error}")
