"""At most one log line per interval, and no line is left out without being counted."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.api.log_limit import LogLimit

LOG = logging.getLogger("oms.api.test_log_limit")
COUNT = re.compile(r"\((\d+) similar lines? left out\)")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """A function that returns the logged lines."""
    with caplog.at_level(logging.WARNING, LOG.name):
        yield lambda: [record.getMessage() for record in caplog.records]


def left_out(messages: list[str]) -> int:
    return sum(int(match[1]) for match in map(COUNT.search, messages) if match)


def test_the_first_line_is_logged_and_the_next_one_contains_the_number_of_lines_left_out(
    lines: Callable[[], list[str]], clock: Clock
) -> None:
    limit = LogLimit(clock=clock)
    for clock.now, number in ((0, 1), (0.5, 2), (0.9, 3), (1, 4), (2, 5)):
        limit.log(LOG, logging.WARNING, "attempt %d", number)
    assert lines() == ["attempt 1", "attempt 4 (2 similar lines left out)", "attempt 5"]


def test_a_line_whose_level_is_not_enabled_is_not_counted(
    lines: Callable[[], list[str]], clock: Clock
) -> None:
    limit = LogLimit(clock=clock)
    limit.log(LOG, logging.DEBUG, "detail")
    limit.log(LOG, logging.WARNING, "attempt")
    assert lines() == ["attempt"]


def test_percent_signs_in_a_line_stay_as_they_are(lines: Callable[[], list[str]], clock: Clock) -> None:
    limit = LogLimit(clock=clock)
    for clock.now in (0, 0, 1):
        limit.log(LOG, logging.WARNING, "path %s", "/%s%d%")
    assert lines() == ["path /%s%d%", "path /%s%d% (1 similar line left out)"]


def test_as_a_filter_it_limits_all_lines_of_a_logger(lines: Callable[[], list[str]], clock: Clock) -> None:
    limit = LogLimit(clock=clock)
    LOG.addFilter(limit)
    try:
        for clock.now in (0, 0, 0, 1):
            LOG.warning("attempt")
    finally:
        LOG.removeFilter(limit)
    assert lines() == ["attempt", "attempt (2 similar lines left out)"]


@pytest.mark.parametrize("as_filter", [False, True])
def test_the_event_loop_logs_the_number_even_if_no_further_line_follows(
    lines: Callable[[], list[str]], clock: Clock, as_filter: bool
) -> None:
    async def attempt() -> None:
        limit = LogLimit(seconds=0.001, clock=clock)
        if as_filter:
            LOG.addFilter(limit)
        try:
            for number in range(4):
                if as_filter:
                    LOG.warning("attempt %d", number)
                else:
                    limit.log(LOG, logging.WARNING, "attempt %d", number)
            clock.now = 1
            while len(lines()) < 2:
                await asyncio.sleep(0)
        finally:
            LOG.removeFilter(limit)

    asyncio.run(attempt())
    assert lines() == ["attempt 0", "attempt 1 (2 similar lines left out)"]


@given(st.lists(st.floats(0, 1.5), max_size=40))
def test_every_line_is_logged_or_counted_and_the_logged_ones_are_a_second_apart(pauses: list[float]) -> None:
    clock, times, messages = Clock(), [], []
    limit = LogLimit(clock=clock)
    for pause in pauses:
        clock.now += pause
        record = logging.makeLogRecord({"msg": "line"})
        if limit.filter(record):
            times.append(clock.now)
            messages.append(record.getMessage())
    clock.now += 1
    last = logging.makeLogRecord({"msg": "line"})
    assert limit.filter(last)
    messages.append(last.getMessage())
    assert len(messages) + left_out(messages) == len(pauses) + 1
    assert all(later >= earlier + 1 for earlier, later in pairwise(times))


def test_no_line_of_several_threads_is_lost(lines: Callable[[], list[str]], clock: Clock) -> None:
    limit = LogLimit(clock=clock)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(1_000):
            threads.submit(limit.log, LOG, logging.WARNING, "attempt")
    clock.now = 1
    limit.log(LOG, logging.WARNING, "last")
    assert lines() == ["attempt", "last (999 similar lines left out)"]
