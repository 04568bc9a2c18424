"""OKX: checksums of numbered messages."""

from __future__ import annotations

from oms.feeds import BookMessage, Okx
from support.level_feeds import translated
from support.naive_exchange import NaiveExchange


def test_a_checksum_of_zero_in_a_numbered_message_means_no_checksum() -> None:
    exchange = NaiveExchange("okx", numbered=True)
    sent = exchange.snapshot().replace(str(exchange.crc()), "0")
    message = translated(Okx(), sent)
    assert isinstance(message, BookMessage)
    assert message.checksum is None
    exchange.numbered = False
    message = translated(Okx(), exchange.snapshot().replace(str(exchange.crc()), "0"))
    assert isinstance(message, BookMessage)
    assert message.checksum == 0
