"""The configuration files and the commands on the page about deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "deploy.md"


def file_on_page(name: str, replacements: Mapping[str, str] | None = None) -> str:
    """Return the code block whose first line is the comment `# name`, with these replacements.

    Each text to replace must be in the block.
    """
    (text,) = re.findall(
        rf"^```\w+\n(# {re.escape(name)}\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert isinstance(text, str)
    for old, new in (replacements or {}).items():
        assert old in text, f"{name} does not contain {old!r}"
        text = text.replace(old, new)
    return text


def commands_in(section: str) -> list[str]:
    """Return the shell commands in a section. A command that continues on the next line is one command."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert text, f"the page has no section {section!r}"
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    joined = [re.sub(r" *\\\n *", " ", block) for block in blocks]
    return [line.strip() for block in joined for line in block.splitlines()]
