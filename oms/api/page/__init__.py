"""The web page with the ladder: static files, and headers that block content from other sites."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Response

__all__ = ["HEADERS", "PATHS", "Page"]

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = sorted(file for file in _HERE.iterdir() if file.suffix in _MEDIA_TYPES)
HEADERS = {
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
"""The headers of all pages and their files."""


def _path(file: Path) -> str:
    return f"/page/{file.name}"


PATHS = frozenset(["/", *map(_path, _FILES)])
"""The URL paths of the page and its files."""

_PART = re.compile(r"<!-- part: (\w+) -->\n(.*?)(?=<!-- part:|\Z)", re.DOTALL)
_PLACE = re.compile(r"{{(\w+)}}")


def _document(kind: str, *, of_shards: bool) -> bytes:
    """Return frame.html with the parts of one kind of page."""
    parts = dict(_PART.findall((_HERE / f"{kind}.html").read_text(encoding="utf-8")))
    parts["body"] = "<body data-shards>" if of_shards else "<body>"
    frame = (_HERE / "frame.html").read_text(encoding="utf-8")
    return _PLACE.sub(lambda place: parts[place[1]].strip(), frame).encode()


class Page:
    """The page's endpoints. They serve the files as they were when the process started.

    `kind` says what the server serves: the books of an OrderManagement, or a MatchingEngine. `of_shards` is
    True if the server is the gateway of a cluster, in which trade ids belong to a shard.
    """

    def __init__(self, kind: Literal["books", "engine"], *, of_shards: bool = False) -> None:
        self._kind = kind
        self._of_shards = of_shards

    def add_to(self, router: APIRouter) -> None:
        """Add the page and its files to a router."""
        files = {_path(file): (file.read_bytes(), _MEDIA_TYPES[file.suffix]) for file in _FILES}
        document = _document(self._kind, of_shards=self._of_shards)
        for path, content in {"/": (document, "text/html"), **files}.items():
            router.add_api_route(path, _endpoint(*content), methods=["GET"], include_in_schema=False)


def _endpoint(content: bytes, media_type: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def serve() -> Response:
        return Response(content, headers=HEADERS, media_type=media_type)

    return serve
