"""The optional dependencies (extras), and the message for users who lack one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["EXTRAS", "add_note", "how_to_install", "is_missing"]

EXTRAS: Final[Mapping[str, frozenset[str]]] = {
    "api": frozenset({"fastapi", "pydantic", "starlette", "uvicorn", "websockets"}),
    "cli": frozenset({"rich", "typer"}),
    "client": frozenset({"httpx"}),
    "notebook": frozenset({"matplotlib"}),
}
"""The packages that each extra brings and that the code imports by name."""


def is_missing(error: ModuleNotFoundError, *extras: str) -> bool:
    """Return True if the module that was not found belongs to a package of one of the extras."""
    package = (error.name or "").partition(".")[0]
    return any(package in EXTRAS[extra] for extra in extras)


def how_to_install(user: str, *extras: str) -> str:
    """Return one line that says which extras `user` needs and which commands install them.

    The distribution is in no package index, so the line names a checkout and a git URL.

    >>> how_to_install("oms.api", "api").partition(";")[0]
    "oms.api needs the extra api: in a checkout of the project, run pip install '.[api]'"

    """
    needed = f"the extra {extras[0]}" if len(extras) == 1 else f"the extras {' and '.join(extras)}"
    names = ",".join(extras)
    return (
        f"{user} needs {needed}: in a checkout of the project, run pip install '.[{names}]';"
        f" with its git URL, run pip install 'oms-orderbook[{names}] @ git+URL'"
    )


def add_note(error: ModuleNotFoundError, user: str, extra: str) -> None:
    """Add to an import error how to install the extra, if the error is that the extra is missing."""
    if is_missing(error, extra):
        error.add_note(how_to_install(user, extra))
