"""Optional dependencies (extras), and the message that explains how to install them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["EXTRAS", "add_note", "how_to_install", "is_missing"]

EXTRAS: Final[Mapping[str, frozenset[str]]] = {
    "api": frozenset(
        {
            "fastapi",
            "prometheus_client",
            "pydantic",
            "pydantic_settings",
            "pyrate_limiter",
            "starlette",
            "uvicorn",
            "websockets",
        }
    ),
    "cli": frozenset({"rich", "typer"}),
    "client": frozenset({"httpx"}),
    "cluster": frozenset({"nats"}),
    "notebook": frozenset({"matplotlib"}),
}
"""For each extra, the packages that `oms` imports directly."""


def is_missing(error: ModuleNotFoundError, *extras: str) -> bool:
    """Return True if the missing module belongs to one of the extras."""
    package = (error.name or "").partition(".")[0]
    return any(package in EXTRAS[extra] for extra in extras)


def how_to_install(user: str, *extras: str) -> str:
    """Return a one-line message: which extras `user` needs, and how to install them.

    The commands use a checkout or a git URL, because the project is not on a package index.

    >>> how_to_install("oms.api", "api").partition(";")[0]
    "oms.api needs the api extra: in a checkout of the project, run pip install '.[api]'"

    """
    needed = f"the {' and '.join(extras)} extra{'s' if len(extras) > 1 else ''}"
    names = ",".join(extras)
    return (
        f"{user} needs {needed}: in a checkout of the project, run pip install '.[{names}]';"
        f" with its git URL, run pip install 'oms-orderbook[{names}] @ git+URL'"
    )


def add_note(error: ModuleNotFoundError, user: str, extra: str) -> None:
    """Add a note that explains how to install the extra, if the missing module belongs to the extra."""
    if is_missing(error, extra):
        error.add_note(how_to_install(user, extra))
