"""The headless Chromium that is installed on this computer, for screenshots and for tests of web pages."""

from __future__ import annotations

import shutil

__all__ = ["find_chromium"]


def find_chromium() -> str | None:
    """Return the path of Chromium, or None if it is not installed.

    `chromium-headless-shell` is the same browser without windows. It needs less than half of the processor
    time.
    """
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")
