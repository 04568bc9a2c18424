"""The URLs of servers: their validation, and their form in messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from oms.errors import InvalidArgumentError

__all__ = ["check_urls", "without_passwords"]


def check_urls(servers: Sequence[str]) -> None:
    """Raise InvalidArgumentError unless there is at least one URL. The connection parses the URLs later."""
    # The error must not show the valid URLs, because they may contain passwords.
    invalid = [url for url in servers if type(url) is not str or not url]
    if invalid or not servers:
        raise InvalidArgumentError("servers", invalid, "a URL such as 'nats://localhost:4222', or several")


def without_passwords(servers: Sequence[str]) -> str:
    """Return the URLs as one text, without users and passwords. Raise the error of `check_urls`.

    >>> without_passwords(["nats://user:secret@host:4222", "nats://host:4223"])
    'nats://host:4222, nats://host:4223'
    """
    check_urls(servers)
    return ", ".join(re.sub(r"^(\w+://)?.*@", r"\1", url) for url in servers)
