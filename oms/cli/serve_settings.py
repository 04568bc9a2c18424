"""The settings of `oms serve`. `oms.cli.serve_values` reads their values.

`ServeSettings` lists the settings of the command. The limits of the service come from the dataclass
`oms.api.Settings`: each of its fields is also a setting here, with the same name and default, and with the
description in its docstring. So a new limit needs one field and one line in that docstring.

The names follow one rule. The setting `api_key_file` is `--api-key-file`, `OMS_API_KEY_FILE`, and
`api_key_file` in the file. In a variable, commas separate the values of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_origin, get_type_hints

from pydantic import Field, SecretStr, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from oms.api import Settings
from oms.submission import SelfTradePrevention

__all__ = ["PREFIX", "ServeSettings", "Setting", "limits_of", "serve_model", "settings"]

PREFIX = "OMS_"
"""The beginning of the name of each environment variable."""
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

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

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
    cluster: _Texts = Field(
        (),
        description="A NATS server of a cluster, such as nats://localhost:4222. Serve a gateway to its"
        " workers, and no books. Can be repeated.",
    )
    reads_from: Literal["owner", "standby"] = Field(
        "owner",
        description="With `cluster`: who answers reads, the owner of a shard or a standby, which can lag.",
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
        """Use only the values that `load` has merged, because `load` also records their sources."""
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
            f"{PREFIX}{name.upper()}",
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
    """Return the flag. A switch has a second flag to turn it off, unless its name begins with "no_"."""
    words = name.replace("_", "-")
    has_two = info.annotation is bool and not name.startswith("no_")
    return f"--{words}/--no-{words}" if has_two else f"--{words}"
