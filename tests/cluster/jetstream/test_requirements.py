"""What makes a cluster safe, and how a problem is described."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from oms import InvalidArgumentError, JournalError
from oms.cluster.jetstream.requirements import (
    ServerReport,
    check_replicas,
    check_servers,
    fetch_report,
    report_of,
    server_problems,
    stream_config,
    stream_problems,
)
from oms.cluster.patience import Patience
from support.replicated_log import impatient

SAFE = [ServerReport(f"n{number}", "2.15.1", syncs=True) for number in range(3)]
PEERS = ["n0", "n1", "n2"]
NEEDED = stream_config("oms-main", "main", 3)


def test_three_servers_that_sync_are_safe() -> None:
    assert server_problems(SAFE, None, 3) == []
    assert server_problems(SAFE, PEERS, 3) == []
    assert server_problems([*SAFE, *SAFE], PEERS, 3) == []


@pytest.mark.parametrize("peers", [None, PEERS])
def test_every_server_that_does_not_sync_is_named(peers: list[str] | None) -> None:
    reports = [SAFE[0], *(each._replace(syncs=False) for each in SAFE[1:])]
    problems = server_problems(reports, peers, 3)
    assert [problem.partition(";")[0] for problem in problems] == [
        f"server {name} acknowledges a message before it is on the disk" for name in ("n1", "n2")
    ]
    assert "sync_interval: always" in problems[0]


@pytest.mark.parametrize(
    ("version", "is_allowed"),
    [
        ("2.12.0", True),
        ("2.12.0-beta.1", True),
        ("2.15.1", True),
        ("3.0.0", True),
        ("2.11.9", False),
        ("2.9", False),
        ("1.99.0", False),
        ("x", False),
        ("", False),
    ],
)
def test_a_server_must_have_version_2_12_or_later(version: str, is_allowed: bool) -> None:
    problems = server_problems([*SAFE[:2], SAFE[2]._replace(version=version)], PEERS, 3)
    expected = [] if is_allowed else [f"server n2 has version {version}, and 2.12 or later is needed"]
    assert problems == expected


def test_all_servers_must_report_before_the_stream_exists_and_a_majority_afterwards() -> None:
    assert server_problems(SAFE[:2], None, 3) == ["2 of 3 servers have reported their configuration"]
    assert server_problems(SAFE[:2], PEERS, 3) == []
    [problem] = server_problems(SAFE[:1], PEERS, 3)
    assert problem.startswith("1 of the 3 servers of the stream have reported")
    [problem] = server_problems([each._replace(name=f"other {each.name}") for each in SAFE], PEERS, 3)
    assert problem.startswith("0 of the 3 servers of the stream have reported")


def test_a_worker_waits_until_a_majority_of_the_servers_has_started() -> None:
    failure = JournalError("a place", "no server answers")
    answers: Iterator[JournalError | list[ServerReport]] = iter([failure, [], SAFE[:1], SAFE[1:]])

    def read() -> list[ServerReport]:
        answer = next(answers)
        if isinstance(answer, JournalError):
            raise answer
        return answer

    check_servers(read, 3, "a place", impatient())
    assert list(answers) == []


def test_a_worker_does_not_wait_if_one_server_reports_that_it_is_not_safe() -> None:
    answers = iter([[*SAFE[:2], SAFE[2]._replace(syncs=False)]])
    with pytest.raises(JournalError, match=r"a place: server n2 acknowledges .*sync_interval: always"):
        check_servers(lambda: next(answers), 3, "a place", impatient())


def test_a_server_may_report_twice_while_its_streams_become_longer() -> None:
    lengths = [{("s", "noon"): number} for number in (7, 8)]
    check_servers(
        lambda: [*SAFE[:2], *(SAFE[2]._replace(lengths=each) for each in lengths)], 3, "a place", impatient()
    )


def test_a_log_line_says_that_a_worker_waits_for_the_servers(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([SAFE[:1], SAFE[:1], SAFE])
    check_servers(lambda: next(answers), 3, "a place", Patience(30.0, pause=lambda _: None))
    assert [record.getMessage() for record in caplog.records] == [
        "a place: waiting up to 30 seconds for reports of the servers"
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_a_worker_does_not_start_without_the_reports_of_a_majority(count: int) -> None:
    with pytest.raises(JournalError, match=f"{count} of 3 servers have reported .* a majority is needed"):
        check_servers(lambda: SAFE[:count], 3, "a place", impatient())


def test_a_stream_with_the_needed_configuration_is_safe() -> None:
    answer = {**NEEDED, "sealed": False, "consumer_limits": {}, "metadata": {"_nats.ver": "2.15.1"}}
    assert stream_problems(answer, NEEDED) == []
    assert stream_problems({**answer, "num_replicas": 5}, NEEDED) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subjects", ["oms.other.>"]),
        ("num_replicas", 1),
        ("storage", "memory"),
        ("retention", "workqueue"),
        ("discard", "old"),
        ("max_msgs", 1_000),
        ("max_bytes", 1_000),
        ("max_age", 1),
        ("max_msgs_per_subject", 1),
        ("deny_delete", False),
        ("deny_purge", False),
        ("duplicate_window", 1),
        ("sealed", True),
        ("no_ack", True),
        ("allow_rollup_hdrs", True),
        ("allow_msg_ttl", True),
        ("mirror", {"name": "other"}),
        ("sources", [{"name": "other"}]),
        ("subject_transform", {"src": ">", "dest": "x"}),
        ("persist_mode", "async"),
        ("first_seq", 5),
    ],
)
def test_each_other_setting_of_a_stream_is_named(field: str, value: object) -> None:
    problem = f"{field} of the stream is {json.dumps(value)}, not "
    [text] = stream_problems({**NEEDED, field: value}, NEEDED)
    assert text.startswith(problem)


def test_a_missing_setting_is_named() -> None:
    config = {name: value for name, value in NEEDED.items() if name != "deny_delete"}
    assert stream_problems(config, NEEDED) == ["deny_delete of the stream is null, not true"]


@pytest.mark.parametrize("replicas", [0, 1, 2, 6, True, 3.0, None, "3"])
def test_fewer_than_three_replicas_are_rejected(replicas: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"replicas must be an int in 3\.\.5.*unsafe=True"):
        check_replicas(replicas, unsafe=False)


def test_one_replica_is_allowed_only_with_unsafe() -> None:
    for replicas in (3, 4, 5):
        check_replicas(replicas, unsafe=False)
    check_replicas(1, unsafe=True)
    with pytest.raises(InvalidArgumentError, match=r"replicas must be an int in 1\.\.5, not 0"):
        check_replicas(0, unsafe=True)


SERVER = {"name": "n0", "ver": "2.15.1"}
JSZ: dict[str, Any] = {
    "config": {"sync_always": True, "sync_interval": 120_000_000_000},
    "account_details": [
        {"name": "A", "stream_detail": [{"name": "s", "created": "noon", "state": {"last_seq": 7}}]},
        {"name": "B"},
    ],
}
VARZ = {"server_name": "n0", "version": "2.15.1"}


def test_a_report_is_read() -> None:
    assert report_of(SERVER, JSZ) == SAFE[0]._replace(lengths={("s", "noon"): 7})
    assert report_of(SERVER, {"config": JSZ["config"]}) == SAFE[0]


@pytest.mark.parametrize(
    "jetstream",
    [{"config": {"sync_interval": 1}}, {}, {"config": {"sync_always": "true"}}, {"disabled": True}],
)
def test_a_server_that_does_not_say_that_it_syncs_does_not_sync(jetstream: dict[str, Any]) -> None:
    assert report_of(SERVER, jetstream) == SAFE[0]._replace(syncs=False)


@contextmanager
def serving(varz: bytes, jsz: bytes, status: int = 200) -> Iterator[str]:
    """Return a context manager that serves these two bodies, and yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, options = self.path.partition("?")
            is_report = (path, options) in {("/varz", ""), ("/jsz", "config=true&accounts=true&streams=true")}
            self.send_response(status if is_report else 404)
            self.end_headers()
            self.wfile.write(varz if path == "/varz" else jsz)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base class
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", "/"])
def test_a_report_is_fetched_from_a_monitoring_url(suffix: str) -> None:
    with serving(json.dumps(VARZ).encode(), json.dumps(JSZ).encode()) as url:
        assert fetch_report(url + suffix) == SAFE[0]._replace(lengths={("s", "noon"): 7})


BAD = [b"x", b"[]", b"5", b'{"account_details": [{"stream_detail": [5]}]}', b'{"config": 5}']


@pytest.mark.parametrize("body", BAD)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_response_that_is_not_a_report_is_ignored(body: bytes, is_first: bool) -> None:
    valid = json.dumps(JSZ if is_first else VARZ).encode()
    with serving(*((body, valid) if is_first else (valid, body))) as url:
        assert fetch_report(url) is None


def test_a_response_with_an_error_is_ignored() -> None:
    with serving(json.dumps(VARZ).encode(), json.dumps(JSZ).encode(), status=503) as url:
        assert fetch_report(url) is None


def test_a_server_that_does_not_answer_gives_no_report() -> None:
    assert fetch_report("http://127.0.0.1:1") is None


def test_the_port_for_clients_of_a_nats_server_gives_no_report() -> None:
    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b'INFO {"server_name":"n0","version":"2.15.1"}\r\n')
            connection.recv(1_000)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        assert fetch_report(f"http://127.0.0.1:{listening.getsockname()[1]}") is None
        thread.join()


def test_a_url_with_a_malformed_port_gives_no_report() -> None:
    assert fetch_report("http://127.0.0.1:82x2") is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nats://127.0.0.1:4222", ""])
def test_a_url_with_another_scheme_is_rejected(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="monitoring must be URLs that begin with http"):
        fetch_report(url)
