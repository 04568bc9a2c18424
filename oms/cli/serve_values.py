"""The values of the settings of `oms serve`, from flags, environment variables, and a file."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from oms.cli.serve_settings import PREFIX, ServeSettings, serve_model, settings

__all__ = ["Loaded", "Source", "load"]

Source = Literal["flag", "environment", "file", "default"]
"""Where a value comes from. An earlier source has precedence."""
_PRECEDENCE: tuple[Source, ...] = ("default", "file", "environment", "flag")  # the lowest first


class Loaded(NamedTuple):
    """The settings, the source of each value, and the problems with the values.

    An invalid value is replaced by the default, but its source is kept, and its name is in `invalid`.
    `ignored` contains variables that look like settings.
    """

    values: ServeSettings
    sources: Mapping[str, Source]
    problems: tuple[str, ...]
    ignored: tuple[str, ...]
    invalid: frozenset[str] = frozenset()

    def place(self, name: str) -> str:
        """Return the place where a setting is set, such as its flag."""
        return _place(name, self.sources[name], self.values.config)

    def assignment(self, name: str) -> str:
        """Return the value of a setting as it was set, such as `--host 0.0.0.0` or `OMS_HOST=0.0.0.0`."""
        value = getattr(self.values, name)
        match self.sources[name]:
            case "environment":
                return f"{self.place(name)}={value}"
            case "file":
                return f"{name} = {str(value)!r} in {self.values.config}"
            case _:
                return f"{self.place(name)} {value}"


def load(flags: Mapping[str, object]) -> Loaded:
    """Return the settings. `flags` contains the values of the flags that were passed.

    A flag has precedence over a variable, a variable over the file, and the file over the default.
    """
    model = serve_model()
    environment = EnvSettingsSource(model)()
    config = flags.get("config", environment.get("config"))
    file, problems = _read_file(model, None if config is None else Path(str(config)))
    layers: tuple[tuple[Source, Mapping[str, Any]], ...] = (
        ("file", file),
        ("environment", environment),
        ("flag", flags),
    )
    merged: dict[str, Any] = {}
    invalid: set[str] = set()
    sources: dict[str, Source] = dict.fromkeys(model.model_fields, "default")
    for source, layer in layers:
        merged |= layer
        sources.update((name, source) for name in layer)
    while True:
        try:
            values = model(**merged)
        except ValidationError as error:
            place = None if config is None else Path(str(config))
            for each in error.errors():
                name = str(each["loc"][0])
                problems.append(_problem(name, each, _place(name, sources[name], place)))
                merged.pop(name, None)
                invalid.add(name)
            continue
        values = _without_overridden_journal(values, sources)
        return Loaded(values, sources, tuple(problems), tuple(_ignored_variables()), frozenset(invalid))


def _without_overridden_journal(values: ServeSettings, sources: dict[str, Source]) -> ServeSettings:
    """Reset `journal` or `no_journal` if a source with a higher precedence sets the other one."""
    first, second = (_PRECEDENCE.index(sources[name]) for name in ("journal", "no_journal"))
    if values.journal is None or not values.no_journal or first == second:
        return values
    overridden = "journal" if first < second else "no_journal"
    sources[overridden] = "default"
    return values.model_copy(update={overridden: type(values).model_fields[overridden].default})


def _read_file(model: type[ServeSettings], file: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Return the values in the file, and the problems with the file."""
    if file is None:
        return {}, []
    try:
        file.read_bytes()  # the next line ignores a file that does not exist
        values = TomlConfigSettingsSource(model, file)()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return {}, [f"the settings file {file} cannot be read: {reason}"]
    outside = [setting.name for setting in settings() if not setting.in_file and setting.name in values]
    problems = [f"{name} in {file} is not a setting of a file; use a flag or a variable" for name in outside]
    return {name: value for name, value in values.items() if name not in outside}, problems


def _place(name: str, source: Source, file: Path | None) -> str:
    match source:
        case "environment":
            return f"{PREFIX}{name.upper()}"
        case "file":
            return f"{name} in {file}"
        case _:
            return f"--{name.replace('_', '-')}"


def _problem(name: str, error: Any, place: str) -> str:
    """Return the problem with a value. Never show the value of a secret."""
    if error["type"] == "extra_forbidden":
        return f"{place} is not a setting{_similar(name, serve_model().model_fields)}"
    reason = re.sub("^(Value error, |Input should be )", "", error["msg"])
    allowed = reason if reason.startswith("must ") else f"must be {reason}"
    is_secret = any(setting.is_secret for setting in settings() if setting.name == name)
    return f"{place} {allowed}" if is_secret else f"{place} {allowed}, not {error['input']!r}"


def _ignored_variables() -> Iterator[str]:
    """Yield a line for each variable that begins with OMS_, but is not a setting."""
    known = {setting.variable for setting in settings()}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            yield f"{name} is not a setting{_similar(name.upper(), known)}"


def _similar(name: str, known: Iterable[str]) -> str:
    similar = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {similar[0]}?" if similar else ""
