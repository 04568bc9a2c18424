"""The subjects under which messages are published, one for each symbol.

A subject consists of tokens that are separated by dots. A token can contain neither spaces nor `*` nor `>`,
but a symbol can contain any characters. So each symbol is encoded as one token. The subjects let other
consumers filter the messages by symbol. The readers in this package do not depend on the subjects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import quote

from oms.errors import InvalidArgumentError
from oms.events import Event

__all__ = ["check_shard", "stream_of", "subject_of", "symbol_token"]

_SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_TOKEN = 200  # the servers limit the length of a whole subject


def check_shard(shard: object) -> None:
    """Raise InvalidArgumentError unless `shard` is a valid name of a shard."""
    if type(shard) is not str or not _SHARD.fullmatch(shard):
        raise InvalidArgumentError("shard", shard, "1 to 64 of the characters A-Z, a-z, 0-9, _, and -")


def stream_of(shard: str) -> str:
    """Return the name of the shard's stream.

    >>> stream_of("main")
    'oms-main'

    """
    return f"oms-{shard}"


def symbol_token(symbol: str) -> str:
    """Return a symbol encoded as a token of a subject. Different symbols have different tokens.

    ASCII letters, digits, `_`, and `-` are not changed. Other characters are percent-encoded as UTF-8. A
    token of more than 200 characters is replaced with a `~` and the hash of the symbol.

    >>> symbol_token("BRK.B"), symbol_token("EUR/USD")
    ('BRK%2EB', 'EUR%2FUSD')

    """
    token = quote(symbol, safe="").replace(".", "%2E").replace("~", "%7E")
    if len(token) > _LONGEST_TOKEN:
        return f"~{sha256(symbol.encode()).hexdigest()}"
    return token


def subject_of(shard: str, events: Sequence[Event]) -> str:
    """Return the subject of a message with these events.

    If all events have the same symbol, this is the subject of the symbol. Otherwise, or if there is no event,
    it is the subject of the shard. O(n) for n orders in the events.

    >>> from oms import Order, OrderAdded, Side
    >>> subject_of("main", [OrderAdded(Order(1, "BRK.B", Side.BUY, 20, 20), sequence=1)])
    'oms.main.symbol.BRK%2EB'
    >>> subject_of("main", [])
    'oms.main.shard'

    """
    symbols: set[str | None] = {event.symbol for event in events}
    if None in symbols:
        symbols.discard(None)
        symbols.update(row[1] for event in events if event.symbol is None for row in event.rows())
    match list(symbols):
        case [str(symbol)]:
            return f"oms.{shard}.symbol.{symbol_token(symbol)}"
        case _:
            return f"oms.{shard}.shard"
