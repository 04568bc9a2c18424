"""The ladder page: one file, served under a policy that lets it load nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Response

__all__ = ["Page"]

_FILE = Path(__file__).with_name("index.html")
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Page:
    """Serves the page as it was when the application was made."""

    def __init__(self) -> None:
        self._html = _FILE.read_text(encoding="utf-8")
        self._headers = {
            "Content-Security-Policy": _policy(self._html),
            "Cache-Control": "no-cache",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }

    def add_to(self, router: APIRouter) -> None:
        """Put the page under a router."""
        router.add_api_route("/", self.page, methods=["GET"], include_in_schema=False)

    async def page(self) -> Response:
        """The ladder page."""
        return Response(self._html, headers=self._headers, media_type="text/html")


def _policy(html: str) -> str:
    """What the page may do: run its own script and style, and ask this server."""
    script, style = (_hashes(pattern, html) for pattern in (_SCRIPT, _STYLE))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(pattern: re.Pattern[str], html: str) -> str:
    digests = [sha256(text.encode()).digest() for text in pattern.findall(html)]
    return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests) or "'none'"
