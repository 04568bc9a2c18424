"""The kinds of books that a journal can store, as parameters of tests."""

from __future__ import annotations

import pytest

from support.engine_sessions import ENGINE
from support.sessions import BOOKS

__all__ = ["EACH_KIND"]

EACH_KIND = pytest.mark.parametrize("kind", [BOOKS, ENGINE], ids=lambda kind: kind.name)
"""Run a test with the books of an OrderManagement, and with a MatchingEngine."""
