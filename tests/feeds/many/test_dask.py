"""A Dask cluster gives the results of one process, even if it loses a worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from oms.feeds import replay_many
from support.many_units import as_bytes, costs_of_a_thousand, end_the_first_worker, write_units

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    """Return the executor of a cluster with two worker processes on this machine."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def test_two_workers_give_the_same_bytes_as_one_process(tmp_path: Path, executor: Executor) -> None:
    units = write_units(tmp_path)
    one = replay_many(units, costs_of_a_thousand, workers=1)
    assert as_bytes(replay_many(units, costs_of_a_thousand, executor=executor)) == as_bytes(one)


def test_a_worker_that_is_killed_in_the_middle_of_a_unit_changes_nothing(
    tmp_path: Path, executor: Executor
) -> None:
    units = write_units(tmp_path)
    mark = tmp_path / "mark"
    results = replay_many(units, partial(end_the_first_worker, str(mark)), executor=executor)
    assert mark.exists(), "a worker was killed"
    assert as_bytes(results) == as_bytes(replay_many(units, costs_of_a_thousand, workers=1))


def test_the_workers_accept_a_function_that_only_dask_can_pickle(tmp_path: Path, executor: Executor) -> None:
    units = write_units(tmp_path)
    results = replay_many(units, lambda run: len(run.symbols), executor=executor)
    assert [result.value for result in results] == [1, 1, 1]
