"""The metrics, compared with naive counts. This file also tests `oms.api.book_figures`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Semaphore
from time import sleep
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from oms import MatchingEngine, OrderManagement, Side, events, journal
from oms.api import Settings, book_figures, create_app
from oms.api.group import Groups
from oms.api.metrics import Metrics
from support.api_books import ORDER, books, problem
from support.engine_api import ANN, KEYS, OPERATOR, bearer, order
from support.interrupts import interrupted_at_line
from support.memory_journal import MemoryJournal
from support.missed_events import without_publication

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(client: TestClient, **headers: str) -> Samples:
    """Return the value of each sample by its name and the values of its labels, after validating the text."""
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return values_of(parse_text(response.text))


def values_of(families: Any) -> Samples:
    values: Samples = {}
    for family in families:
        assert family.documentation
        assert family.type != "unknown"
        for sample in family.samples:
            key = sample.name, tuple(value for name, value in sorted(sample.labels.items()))
            assert key not in values
            values[key] = sample.value
    return values


def client_of(om: OrderManagement | MatchingEngine, settings: Settings | None = None) -> TestClient:
    return TestClient(create_app(om, settings or Settings()), raise_server_exceptions=False)


REQUESTS = [
    ("GET", "/price?symbol=JPM&side=BUY&amount=1", "/price"),
    ("GET", "/orders/3", "/orders/{order_id}"),
    ("DELETE", "/orders/3", "/orders/{order_id}"),
    ("GET", "/orders", "/orders"),
    ("HEAD", "/orders", "/orders"),
    ("GET", "/nowhere", "unknown"),
    ("PUT", "/orders/5", "/orders/{order_id}"),
]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(REQUESTS),
            st.builds(lambda number: ("add", str(number), "/orders"), st.integers(1, 5)),
            st.builds(lambda amount: ("trade", str(amount), "/trades"), st.integers(1, 8)),
        ),
        max_size=25,
    )
)
def test_the_metrics_agree_with_naive_counts_after_random_requests(
    requests: list[tuple[str, str, str]],
) -> None:
    om = OrderManagement()
    kinds: list[str] = []
    client = client_of(om)
    om.subscribe(lambda event: kinds.append(type(event).__name__))
    counts: Counter[tuple[str, str, str]] = Counter()
    for method, path, route in requests:
        if method == "add":
            body: dict[str, Any] = {**ORDER, "order_id": int(path)}
            response = client.post("/orders", json=body)
        elif method == "trade":
            response = client.post("/trades", json={"symbol": "JPM", "side": "BUY", "amount": int(path)})
        else:
            response = client.request(method, path)
        made = method if method in {"GET", "HEAD", "DELETE", "PUT"} else "POST"
        counts[made, route, str(response.status_code)] += 1
    values = samples(client)
    assert {key[1]: value for key, value in values.items() if key[0] == "oms_requests_total"} == counts
    assert {key[1]: value for key, value in values.items() if key[0] == "oms_request_seconds_count"} == counts
    by_kind = {key[1][0]: value for key, value in values.items() if key[0] == "oms_changes_total"}
    assert {kind: count for kind, count in by_kind.items() if count} == Counter(kinds)
    assert values["oms_trades_total", ()] == kinds.count("TradePlaced")
    assert values["oms_resting_orders", ()] == len(om)
    assert values["oms_last_sequence", ()] == om.last_sequence


def test_the_figures_include_what_happened_before_the_start_and_changes_by_other_code() -> None:
    om = books()
    client = client_of(om)
    values = samples(client)
    assert values["oms_resting_orders", ()] == values["oms_last_sequence", ()] == 2
    assert values["oms_changes_total", ("OrderAdded",)] == 0
    with om.transaction():
        om.add_order(9, "IBM", Side.SELL, 5, 5)
        om.place_trade("JPM", Side.BUY, 25)
    with pytest.raises(RuntimeError), om.transaction():
        om.remove_order(9)
        raise RuntimeError
    with om.what_if():
        om.remove_order(9)
    values = samples(client)
    assert values["oms_resting_orders", ()] == 2
    assert values["oms_last_sequence", ()] == 4
    assert values["oms_changes_total", ("OrderAdded",)] == values["oms_trades_total", ()] == 1
    assert values["oms_changes_total", ("OrderRemoved",)] == 0


@pytest.mark.parametrize("is_followed", [False, True], ids=["missed last", "followed by an event"])
def test_a_change_whose_event_was_missed_is_counted_with_an_unknown_kind(is_followed: bool) -> None:
    om = books()
    client = client_of(om)
    without_publication(om, lambda: om.place_trade("JPM", Side.BUY, 25))
    without_publication(om, lambda: om.add_order(8, "JPM", Side.SELL, 5, 5))
    if is_followed:
        om.add_order(9, "IBM", Side.SELL, 5, 5)
    for _ in range(2):
        values = samples(client)
        assert values["oms_resting_orders", ()] == len(om)
        assert values["oms_last_sequence", ()] == om.last_sequence
        assert values["oms_trades_total", ()] == 1
        assert values["oms_changes_total", ("unknown",)] == 2
        assert values["oms_changes_total", ("OrderAdded",)] == is_followed


def test_a_missed_event_of_a_matching_engine_is_counted_with_its_trade() -> None:
    venue = MatchingEngine()
    client = client_of(venue)
    venue.submit("a", "JPM", Side.SELL, 5, 100)
    without_publication(venue, lambda: venue.submit("b", "JPM", Side.BUY, 3, 100))
    values = samples(client)
    assert (values["oms_trades_total", ()], values["oms_resting_orders", ()]) == (1, 1)
    assert values["oms_changes_total", ("unknown",)] == 1


def test_a_scrape_counts_no_missing_events_while_the_books_are_in_use() -> None:
    om = books()
    client = client_of(om)
    without_publication(om, lambda: om.add_order(8, "JPM", Side.SELL, 5, 5))
    with om.locked():
        assert samples(client)["oms_last_sequence", ()] == 2
    with om.what_if():
        om.remove_order(8)
        assert samples(client)["oms_last_sequence", ()] == 2
    values = samples(client)
    assert (values["oms_last_sequence", ()], values["oms_changes_total", ("unknown",)]) == (3, 1)


def test_an_interrupt_at_any_line_of_a_figure_loses_no_change() -> None:
    step = 1
    while True:
        om = books()
        client = client_of(om)
        hit = interrupted_at_line(step, partial(om.remove_order, 1), files={str(Path(book_figures.__file__))})
        values = samples(client)
        assert (values["oms_resting_orders", ()], values["oms_last_sequence", ()]) == (len(om), 3) == (1, 3)
        kinds = [values["oms_changes_total", (kind,)] for kind in ("OrderRemoved", "unknown")]
        assert sum(kinds) == 1
        if not hit:
            assert kinds == [1, 0]
            break
        step += 1
    assert step > 5


def test_the_changes_and_trades_of_a_matching_engine_are_counted() -> None:
    client = client_of(MatchingEngine())
    client.post("/submissions", json=order("a", "SELL", 5, 100))
    client.post("/submissions", json=order("b", "SELL", 5, 101))
    client.post("/submissions", json=order("c", "BUY", 12, 101))
    client.request("DELETE", "/orders/c")
    values = samples(client)
    assert values["oms_changes_total", ("OrderSubmitted",)] == 3
    assert values["oms_changes_total", ("OrdersCanceled",)] == 1
    assert values["oms_trades_total", ()] == len(client.get("/trades").json()["trades"]) == 1
    assert values["oms_resting_orders", ()] == 0


def test_open_streams_are_a_gauge() -> None:
    client = client_of(books())
    with client.websocket_connect("/stream") as first, client.websocket_connect("/stream") as second:
        first.receive_json()
        second.receive_json()
        assert samples(client)["oms_streams", ()] == 2
    values = samples(client)
    assert values["oms_streams", ()] == 0
    assert values["oms_requests_total", ("WEBSOCKET", "/stream", "101")] == 2
    assert ("oms_request_seconds_count", ("WEBSOCKET", "/stream", "1000")) not in values


def test_the_journal_s_state_and_the_sizes_of_its_files_are_gauges(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        client = client_of(om)
        client.post("/orders", json=ORDER)
        values = samples(client)
        assert values["oms_journal_writable", ()] == 1
        assert values["oms_journal_bytes", ("database",)] == file.stat().st_size > 0
        assert values["oms_journal_bytes", ("log",)] == file.with_name("book.db-wal").stat().st_size > 0
    values = samples(client)
    assert values["oms_journal_writable", ()] == 0
    assert values["oms_journal_bytes", ("log",)] == 0
    assert ("oms_journal_writable", ()) not in samples(client_of(OrderManagement()))


def test_groups_of_requests_are_observed() -> None:
    groups: Groups[int] = Groups(OrderManagement(), lambda: 0, lambda result: result)
    app = FastAPI()
    metrics = Metrics(OrderManagement(), groups)
    metrics.add_to(app.router)
    assert groups.observers == [metrics.observe_group]
    for size, seconds in ((1, 0.0004), (60, 0.1), (60, 0.2)):
        metrics.observe_group(size, seconds)
    values = samples(TestClient(app))
    assert (values["oms_group_size_sum", ()], values["oms_group_size_count", ()]) == (121, 3)
    assert values["oms_group_size_bucket", ("32.0",)] == 1
    assert values["oms_group_seconds_bucket", ("0.0005",)] == 1
    assert values["oms_group_seconds_sum", ()] == pytest.approx(0.3004)


def test_requests_that_wait_for_the_journal_are_a_gauge_and_then_one_group() -> None:
    stored = SlowJournal()
    client = client_of(OrderManagement(stored))
    with ThreadPoolExecutor(5) as pool:
        bodies = [{**ORDER, "order_id": number} for number in range(5)]
        responses = [pool.submit(client.post, "/orders", json=body) for body in bodies[:1]]
        stored.entered.acquire()  # the first request is being stored
        responses += [pool.submit(client.post, "/orders", json=body) for body in bodies[1:]]
        while samples(client)["oms_waiting_changes", ()] < 5:
            sleep(0.001)
        assert samples(client)["oms_resting_orders", ()] == 0
        stored.released.set()
        assert {response.result().status_code for response in responses} == {201}
    values = samples(client)
    assert values["oms_waiting_changes", ()] == 0
    assert (values["oms_group_size_sum", ()], values["oms_group_size_count", ()]) == (5, 2)
    assert values["oms_resting_orders", ()] == 5


class SlowJournal(MemoryJournal):
    """A journal that stores nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = Semaphore(0), Event()

    def append(self, batch: Sequence[events.Event]) -> None:
        self.entered.release()
        assert self.released.wait(60)
        super().append(batch)


def test_the_start_and_the_build_are_metrics() -> None:
    for om, serves in ((books(), "books"), (MatchingEngine(), "engine")):
        values = samples(client_of(om))
        ((labels, value),) = [(key[1], value) for key, value in values.items() if key[0] == "oms_build_info"]
        assert (labels[1], value) == (serves, 1)
        assert values["oms_start_time_seconds", ()] > 1_700_000_000


def test_several_applications_in_one_process_have_their_own_metrics() -> None:
    om = books()
    first, second = client_of(om), client_of(om)
    first.get("/symbols")
    assert samples(first)["oms_requests_total", ("GET", "/symbols", "200")] == 1
    assert ("oms_requests_total", ("GET", "/symbols", "200")) not in samples(second)
    assert samples(first)["oms_resting_orders", ()] == samples(second)["oms_resting_orders", ()] == 2


def test_clients_cannot_create_time_series() -> None:
    client = client_of(books())
    series: list[set[tuple[str, tuple[str, ...]]]] = []
    for number in range(3):
        client.get(f"/nowhere/{number}")
        client.get(f"/orders/{number + 100}")
        client.request(f"FOO{number}", "/symbols")
        series.append(set(samples(client)))
    assert series[1] == series[2]
    assert {labels for name, labels in series[2] if name == "oms_requests_total"} == {
        ("GET", "/metrics", "200"),
        ("GET", "unknown", "404"),
        ("GET", "/orders/{order_id}", "404"),
        ("OTHER", "/symbols", "405"),
    }


def test_prometheus_may_request_the_open_metrics_format() -> None:
    response = client_of(books()).get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    families = parse_open_metrics(response.text)
    assert values_of(families)["oms_resting_orders", ()] == 2


def test_the_metrics_require_the_operator_s_key() -> None:
    client = client_of(MatchingEngine(), KEYS)
    assert problem(client.get("/metrics"))["code"] == "unauthorized"
    assert problem(client.get("/metrics", headers=bearer(ANN)))["code"] == "forbidden"
    assert samples(client, **bearer(OPERATOR))["oms_requests_total", ("GET", "/metrics", "403")] == 1


def test_a_scrape_does_not_wait_for_the_books() -> None:
    om = books()
    client = client_of(om)
    with om.what_if():
        om.remove_order(1)
        assert samples(client)["oms_resting_orders", ()] == 2


def test_the_table_in_the_docs_contains_every_metric_with_its_type_labels_and_meaning(
    tmp_path: Path,
) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
    with journal.open(tmp_path / "book.db") as om:
        client = client_of(om)
        client.get("/symbols")
        families = list(
            parse_open_metrics(
                client.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
            )
        )
    row = r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$"
    documented = set(re.findall(row, page.read_text(), re.MULTILINE))
    assert documented == {
        (family.name, family.type, labels_of(family), family.documentation) for family in families
    }


def labels_of(family: Any) -> str:
    """Return the labels as the docs show them. The label `le` belongs to every histogram."""
    names = {name for sample in family.samples for name in sample.labels} - {"le"}
    order = ["method", "route", "status", "kind", "file", "python", "serves", "version"]
    return " ".join(f"`{name}`" for name in order if name in names)
