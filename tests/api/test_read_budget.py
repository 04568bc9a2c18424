"""What the questions of a what-if read together is limited, and other reads are not."""

from __future__ import annotations

import pytest

from oms.api.problems import ProblemError
from oms.api.read_budget import limited, spend


def test_reads_are_counted_together_until_the_end_of_the_block() -> None:
    with limited(10):
        spend(4)
        spend(6)
        with pytest.raises(ProblemError, match="at most 10 orders") as caught:
            spend(1)
    assert (caught.value.status_code, caught.value.fields["field"]) == (422, "questions")
    spend(10**9)


def test_each_block_has_its_own_limit() -> None:
    for _ in range(3):
        with limited(10):
            spend(10)
