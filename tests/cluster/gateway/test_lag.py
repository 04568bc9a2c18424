"""The lag of a response that is merged from those of several workers."""

from __future__ import annotations

import pytest

from oms.cluster.gateway.lag import worst_lag
from oms.cluster.gateway.workers import Reply

OWNER = Reply("s1", 200, [(b"oms-shard", b"s1")], b"")


def standby(messages: str | None, events: str | None, seconds: str | None) -> Reply:
    texts = {b"oms-lag-messages": messages, b"oms-lag-events": events, b"oms-lag-seconds": seconds}
    headers = [(name, text.encode()) for name, text in texts.items() if text is not None]
    return Reply("s1", 200, [(b"oms-role", b"standby"), *headers], b"")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([], None),
        ([OWNER, OWNER], None),
        ([OWNER, standby("3", "20", "0.100")], ("3", "20", "0.100")),
        ([standby("3", "20", "0.100"), standby("10", "4", "2.000")], ("10", "20", "2.000")),
        ([standby("3", None, "0.100"), standby(None, None, "2.000")], (None, None, "2.000")),
    ],
    ids=["nothing", "owners", "one", "two", "unknown"],
)
def test_a_merged_response_lags_as_far_as_the_worst_part_that_is_known(
    replies: list[Reply], expected: tuple[str | None, ...] | None
) -> None:
    headers = worst_lag(replies)
    names = ("Oms-Lag-Messages", "Oms-Lag-Events", "Oms-Lag-Seconds")
    assert ("Oms-Role" in headers) is (expected is not None)
    if expected is not None:
        assert tuple(headers.get(name) for name in names) == expected
