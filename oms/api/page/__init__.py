"""The web page with the ladder: static files, and headers that block content from other sites."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

__all__ = ["PATHS", "Page"]

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = sorted(file for file in _HERE.iterdir() if file.suffix in _MEDIA_TYPES)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _path(file: Path) -> str:
    return "/" if file.name == "index.html" else f"/page/{file.name}"


PATHS = frozenset(map(_path, _FILES))
"""The URL paths of the page and its files."""


class Page:
    """The page's endpoints. They serve the files as they were when the process started."""

    def add_to(self, router: APIRouter) -> None:
        """Add the page and its files to a router."""
        for file in _FILES:
            router.add_api_route(_path(file), _file_endpoint(file), methods=["GET"], include_in_schema=False)


def _file_endpoint(file: Path) -> Callable[[], Coroutine[Any, Any, Response]]:
    content = file.read_bytes()

    async def serve() -> Response:
        return Response(content, headers=_HEADERS, media_type=_MEDIA_TYPES[file.suffix])

    return serve
