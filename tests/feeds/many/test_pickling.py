"""An analysis that worker processes cannot import is an error before the run begins."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from oms import InvalidArgumentError
from oms.feeds import CostSampler, UnitReplay
from oms.feeds.many.pickling import check_picklable
from support.many_units import costs_of_a_thousand, end_the_first_worker

SCRIPT = """\
from functools import partial
from oms import InvalidArgumentError
from oms.feeds.many.pickling import check_picklable

def analysis(factor, run):
    return factor

try:
    check_picklable(partial(analysis, 2))
    print("accepted")
except InvalidArgumentError as error:
    print(str(error).partition(",")[0])
"""


@pytest.mark.parametrize(
    "analysis",
    [None, costs_of_a_thousand, partial(end_the_first_worker, "mark"), CostSampler([1])],
    ids=["none", "function", "partial", "callable value"],
)
def test_functions_of_modules_and_values_of_their_classes_are_accepted(analysis: object) -> None:
    check_picklable(analysis)


def test_a_lambda_a_local_function_and_a_value_that_cannot_be_pickled_are_rejected() -> None:
    def local(run: UnitReplay) -> int:
        return len(run.symbols)

    for analysis in (
        lambda run: run,
        local,
        partial(end_the_first_worker, cast("str", (mark for mark in "ab"))),
    ):
        with pytest.raises(InvalidArgumentError, match="analysis must be a function that can be pickled"):
            check_picklable(analysis)


@pytest.mark.parametrize(
    ("way", "printed"),
    [
        ("script", "accepted"),
        ("prompt", "analysis must be a function of a module"),
        ("stdin", "analysis must be a function of a module"),
    ],
)
def test_a_function_of_the_main_module_is_accepted_only_if_workers_can_import_it(
    tmp_path: Path, way: str, printed: str
) -> None:
    script = tmp_path / "study.py"
    script.write_text(SCRIPT)
    arguments = {"script": [str(script)], "prompt": ["-c", SCRIPT], "stdin": ["-"]}[way]
    shown = subprocess.run(
        [sys.executable, *arguments],
        input=SCRIPT if way == "stdin" else "",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{printed}\n"
