"""The settings of `oms serve`, from flags, environment variables, and a file.

`ServeSettings` lists the settings of the command. The limits of the service come from the dataclass
`oms.api.Settings`: each of its fields is also a setting here, with the same name and default, and with the
description in its docstring. So a new limit needs one field and one line in that docstring.

The names follow one rule. The setting `api_key_file` is `--api-key-file`, `OMS_API_KEY_FILE`, and
`api_key_file` in the file. In a variable, commas separate the values of a list.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_origin, get_type_hints

from pydantic import Field, SecretStr, ValidationError, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from oms.api import Settings
from oms.submission import SelfTradePrevention

__all__ = ["Loaded", "ServeSettings", "Setting", "Source", "limits_of", "load", "serve_model", "settings"]

Source = Literal["flag", "environment", "file", "default"]
"""Where a value comes from. An earlier source has precedence."""
_PRECEDENCE: tuple[Source, ...] = ("default", "file", "environment", "flag")  # the lowest first

_PREFIX = "OMS_"
_BY_COMMAND = {"keys", "checks_host", "hosts", "cors_origins"}
"""The fields of Settings that the command computes from its own settings."""
_LEAST = {"most_connections": 1, "head_seconds": 0.1}
"""The smallest values of the numbers in Settings. That of the others is 0."""

_Texts = Annotated[tuple[str, ...], NoDecode]
_WITHOUT_FLAG = {"api_key"}
_NOT_IN_FILE = {"config"}
_HIDDEN = {"workers"}


class ServeSettings(BaseSettings):
    """The settings of the command itself."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    config: Path | None = Field(
        None, description="A TOML file with settings, such as `port = 9000`. It cannot be set in the file."
    )
    host: str = Field(
        "127.0.0.1",
        description="The address to listen on. Any address other than loopback requires an API key.",
    )
    port: int = Field(8080, ge=0, le=65535, description="The port to listen on. 0 picks a free port.")
    engine: bool = Field(
        False,
        description="Serve a matching engine, in which incoming orders trade. Its default journal is"
        " venue.db.",
    )
    self_trade_prevention: SelfTradePrevention | None = Field(
        None,
        description="With an engine: what happens when two orders of the same owner would trade with each"
        " other: NONE, CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, or DECREMENT. The default is NONE.",
    )
    demo: bool = Field(False, description="Start with two example orders, without a journal.")
    journal: Path | None = Field(
        None, description="The journal file. The default is oms.db, or venue.db with an engine."
    )
    no_journal: bool = Field(
        False, description="Keep the books only in memory. They are lost when the process ends."
    )
    clock: bool = Field(True, description="Give each event the time at which it happened.")
    instrument: _Texts = Field(
        (),
        description="The tick size, the lot size, and the currency of a symbol, such as AAPL=0.01:1:USD."
        " Can be repeated.",
    )
    instruments: Path | None = Field(
        None, description="A JSON file with instruments, in the form of the response to GET /instruments."
    )
    api_key: SecretStr | None = Field(
        None,
        description="The API key. It has no flag, because other users of the machine can see flags.",
    )
    api_key_file: Path | None = Field(
        None, description="A file that contains the API key. It has precedence over `api_key`."
    )
    allowed_host: _Texts = Field((), description="Another host name of this server. Can be repeated.")
    cors_origin: _Texts = Field(
        (), description="Another site whose pages may send requests. Can be repeated."
    )
    root_path: str = Field("", description="The path prefix that a proxy strips, such as /oms.")
    log_format: Literal["text", "json"] = Field(
        "text", description="The form of the log lines: text, or json for one JSON object per line."
    )
    workers: int = 1

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that `load` has merged, because it also knows their sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: object, info: ValidationInfo) -> object:
        """Split the text of a list, and reject numbers that pydantic would round or convert."""
        assert info.field_name is not None
        kind = cls.model_fields[info.field_name].annotation
        if isinstance(value, str) and get_origin(kind) is tuple:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("must not be true or false")
        if isinstance(value, float) and float not in (kind, *getattr(kind, "__args__", ())):
            raise ValueError("must not be a decimal number")
        return value


# ---------------------------------------------------------------------- the model


@cache
def serve_model() -> type[ServeSettings]:
    """Return ServeSettings with the limits of `oms.api.Settings`."""
    texts, hints = _descriptions(), get_type_hints(Settings)
    limits: dict[str, Any] = {}
    for field in fields(Settings):
        if field.name not in _BY_COMMAND:
            assert field.default is not MISSING, f"{field.name} needs a default"
            bounds: dict[str, Any] = {}
            if {int, float} & _types(hints[field.name]):
                bounds["ge"] = _LEAST.get(field.name, 0)
            if float in _types(hints[field.name]):
                bounds["allow_inf_nan"] = False
            info = Field(field.default, description=texts[field.name], **bounds)
            limits[field.name] = (hints[field.name], info)
    return create_model("ServeSettingsWithLimits", __base__=ServeSettings, **limits)


def _types(hint: Any) -> set[Any]:
    return {hint, *getattr(hint, "__args__", ())}


def _descriptions() -> dict[str, str]:
    """Return the description of each field of Settings, from the list in its docstring."""
    items = re.findall(
        r"^ *- `(\w+)`: (.*?)(?=^ *- `|^\s*$)", Settings.__doc__ or "", re.MULTILINE | re.DOTALL
    )
    texts = dict.fromkeys((field.name for field in fields(Settings)), "")  # `python -OO` has no docstrings
    for name, text in items:
        words = " ".join(text.split())
        texts[name] = words[:1].upper() + words[1:]
    return texts


def limits_of(values: ServeSettings) -> dict[str, Any]:
    """Return the values that are also fields of `oms.api.Settings`."""
    own = {field.name for field in fields(Settings)} - _BY_COMMAND
    return {name: value for name, value in values if name in own}


# ---------------------------------------------------------------------- the list of settings


class Setting(NamedTuple):
    """One setting. `flag` is None if it has no flag, and `in_file` is False if it cannot be in the file."""

    name: str
    flag: str | None
    variable: str
    default: object
    description: str
    metavar: str
    is_switch: bool
    is_list: bool
    is_secret: bool
    in_file: bool
    hidden: bool


def settings() -> Iterator[Setting]:
    """Yield all settings."""
    for name, info in serve_model().model_fields.items():
        yield Setting(
            name,
            None if name in _WITHOUT_FLAG else _flag(name, info),
            f"{_PREFIX}{name.upper()}",
            info.default,
            info.description or "",
            _metavar(_types(info.annotation)),
            info.annotation is bool,
            get_origin(info.annotation) is tuple,
            SecretStr in _types(info.annotation),
            name not in _NOT_IN_FILE,
            name in _HIDDEN,
        )


def _metavar(types: set[Any]) -> str:
    return "FILE" if Path in types else "N" if {int, float} & types else "TEXT"


def _flag(name: str, info: FieldInfo) -> str:
    """Return the flag. A switch has a second flag that turns it off, unless it is off by its own name."""
    words = name.replace("_", "-")
    has_two = info.annotation is bool and not name.startswith("no_")
    return f"--{words}/--no-{words}" if has_two else f"--{words}"


# ---------------------------------------------------------------------- the values


class Loaded(NamedTuple):
    """The settings, the source of each value, and what is wrong with the values.

    An invalid value is replaced by the default, but its source stays, and its name is in `invalid`. `ignored`
    contains variables that look like settings.
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
    """Return the values in the file, and what is wrong with the file."""
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
            return f"{_PREFIX}{name.upper()}"
        case "file":
            return f"{name} in {file}"
        case _:
            return f"--{name.replace('_', '-')}"


def _problem(name: str, error: Any, place: str) -> str:
    """Return what is wrong with a value. Never show the value of a secret."""
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
        if name.upper().startswith(_PREFIX) and name.upper() not in known:
            yield f"{name} is not a setting{_similar(name.upper(), known)}"


def _similar(name: str, known: Iterable[str]) -> str:
    similar = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {similar[0]}?" if similar else ""
