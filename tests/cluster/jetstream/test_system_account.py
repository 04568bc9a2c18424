"""The servers report their configuration to the system account."""

from __future__ import annotations

import threading

import pytest

from oms import JournalError
from oms.cluster.jetstream.requirements import ServerReport
from oms.cluster.jetstream.system_account import system_reports
from support.nats_cluster import SYSTEM, NatsCluster

pytestmark = pytest.mark.long


def test_every_server_reports_that_it_syncs(nats_cluster: NatsCluster) -> None:
    reports = system_reports(nats_cluster.urls, SYSTEM, "a place")
    assert sorted(report.name for report in reports) == ["n0", "n1", "n2"]
    assert all(report.syncs and not report.problems() for report in reports)
    assert "oms cluster system account" not in [thread.name for thread in threading.enumerate()]


def test_an_account_that_is_not_the_system_account_gets_no_report(nats_cluster: NatsCluster) -> None:
    ordinary = {"user": "oms", "password": "oms"}
    assert system_reports(nats_cluster.urls, ordinary, "a place") == list[ServerReport]()


@pytest.mark.parametrize("is_reachable", [True, False])
def test_an_account_that_cannot_be_used_is_an_error(is_reachable: bool, nats_cluster: NatsCluster) -> None:
    urls = nats_cluster.urls if is_reachable else ["nats://127.0.0.1:1"]
    with pytest.raises(JournalError, match="a place: the system account cannot be used"):
        system_reports(urls, {"user": "system", "password": "wrong"}, "a place")
