"""The rules of the endpoints are those in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from oms.cluster.gateway.routes import BOOKS, ENGINE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cluster.md"


def documented() -> Iterator[tuple[str, str, str]]:
    """Yield the method, the path, and the rule of each endpoint in the table."""
    section = PAGE.read_text(encoding="utf-8").partition("### Endpoints")[2].partition("###")[0]
    for endpoints, rule in re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.MULTILINE):
        methods: list[str] = []
        is_complete = False
        for part in re.findall(r"`([^`]*)`", endpoints):
            method, _, path = part.rpartition(" ") if " /" in part or part[0] == "/" else (part, "", "")
            if method:
                methods = [method] if is_complete else [*methods, method]
            is_complete = bool(path)
            for each in methods if path else ():
                yield each.replace("WS", "GET"), path, rule


def test_the_documentation_has_the_rule_of_every_endpoint() -> None:
    rules = {
        (method, path.replace(":engine_order_id", "")): rule.value
        for (method, path), rule in {**BOOKS, **ENGINE}.items()
        if not path.startswith("/page/")
    }
    table = {(method, path): rule for method, path, rule in documented() if path != "/page/..."}
    assert table == rules
