"""The HTTP application of a worker: which requests reach the books of a shard."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from oms import JournalError, Order, Side
from oms.api import ApiKey, Settings, create_app
from oms.client import Client, InProcess
from oms.cluster.worker import create_worker_app
from oms.cluster.worker.worker import Worker
from support.memory_bucket import BucketFaults
from support.worker_cluster import WorkerCluster

ORDER = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
PRICE = "/price?symbol=JPM&side=BUY&amount=5"


class Served:
    """A worker, a standby, and clients of both. The shard is `s1`."""

    def __init__(self) -> None:
        self.cluster = WorkerCluster(("s1",), create=create_app)
        self.workers = {"a": self.cluster.start("a"), "z": self.cluster.start("z", standby=True)}
        self.cluster.run(4)
        self.owner, self.standby = (client(self.workers[name]) for name in "az")

    def add(self) -> None:
        assert self.owner.post("/shards/s1/orders", json=ORDER).status_code == 201


def client(worker: Worker, settings: Settings | None = None) -> TestClient:
    return TestClient(create_worker_app(worker, settings))


@pytest.fixture
def served() -> Served:
    return Served()


def test_the_owner_answers_as_the_service_does(served: Served) -> None:
    response = served.owner.post("/shards/s1/orders", json=ORDER)
    assert (response.status_code, response.headers["location"]) == (201, "/orders/1")
    assert response.headers["oms-shard"] == "s1"
    assert "oms-role" not in response.headers
    assert served.owner.get(f"/shards/s1{PRICE}").json()["total_price"] == 100
    assert served.owner.get("/shards/s1/ready").json()["ready"] is True
    assert served.owner.get("/shards/s1").status_code == 200  # the page


def test_a_standby_answers_reads_and_says_how_far_it_lags(served: Served) -> None:
    served.add()
    served.cluster.run(1)
    response = served.standby.get(f"/shards/s1{PRICE}")
    assert response.json()["total_price"] == 100
    lag = {name: response.headers[f"oms-lag-{name}"] for name in ("messages", "events", "seconds")}
    assert lag == {"messages": "0", "events": "0", "seconds": "0.000"}
    assert response.headers["oms-role"] == "standby"
    served.owner.post("/shards/s1/orders", json={**ORDER, "order_id": 2})
    served.cluster.clock.pause(1.0)
    served.workers["a"].step()
    served.workers["z"].step()  # it knows the report of the owner, but has not followed yet
    response = served.standby.get(f"/shards/s1{PRICE}")
    lag = {name: response.headers[f"oms-lag-{name}"] for name in ("messages", "events", "seconds")}
    assert lag == {"messages": "1", "events": "1", "seconds": "1.000"}
    ready = served.standby.get("/shards/s1/ready").json()
    assert (ready["role"], ready["orders"]) == ("standby", 1)
    assert ready["lag"] == {"messages": 1, "events": 1, "seconds": 1.0}


def test_a_standby_answers_a_what_if_and_streams_changes(served: Served) -> None:
    served.add()
    served.cluster.run(1)
    question = {"verbs": [{"verb": "remove_order", "order_id": 1}], "questions": []}
    assert served.standby.post("/shards/s1/what-if", json=question).status_code == 200
    with served.standby.websocket_connect("/shards/s1/stream") as stream:
        assert stream.receive_json()["type"] == "snapshot"


def test_a_client_of_one_shard_reads_pages_of_orders_and_the_changes_between_them(served: Served) -> None:
    books = served.cluster.books("s1")
    books.add_orders([Order(number, "JPM", Side.BUY, 5, 9) for number in range(1_500)])
    app = create_worker_app(served.workers["a"])
    with Client("http://oms/shards/s1", transport=InProcess(app)) as books_of_shard:
        orders = books_of_shard.orders_by_id()
        first = next(orders)
        books.remove_order(1_200)
        assert [first, *orders] == [Order(number, "JPM", Side.BUY, 5, 9) for number in range(1_500)]
        assert books_of_shard.state_hash(shard="s1") == books.state_hash()


def test_a_worker_rejects_the_name_of_another_shard_in_the_query(served: Served) -> None:
    response = served.owner.get("/shards/s1/state-hash?shard=s2")
    assert (response.status_code, response.json()["field"]) == (422, "shard")


def test_a_standby_rejects_changes_and_names_the_owner(served: Served) -> None:
    response = served.standby.post("/shards/s1/orders", json=ORDER)
    assert (response.status_code, response.json()["code"]) == (421, "not_owner")
    assert response.json()["detail"] == (
        "this worker only follows shard s1, so it accepts no changes; send changes to http://a:8080"
    )


def test_a_standby_that_has_taken_over_accepts_changes(served: Served) -> None:
    served.add()
    served.cluster.kill("a")
    served.cluster.run(8)
    response = served.standby.post("/shards/s1/orders", json={**ORDER, "order_id": 2})
    assert response.status_code == 201
    assert served.standby.get("/shards/s1/ready").json() == {
        "ready": True,
        "durable": True,
        "sequence": 2,
        "orders": 2,
    }


def test_a_worker_that_cannot_renew_its_lease_answers_nothing(served: Served) -> None:
    served.add()
    served.cluster.buckets["a"].faults = BucketFaults(lost_request=1.0)
    served.cluster.clock.pause(3.6)
    for response in (
        served.owner.get(f"/shards/s1{PRICE}"),
        served.owner.post("/shards/s1/orders", json={**ORDER, "order_id": 2}),
    ):
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        assert "the worker cannot renew its lease" in response.json()["reason"]
        assert response.headers["retry-after"] == "1"
    ready = served.owner.get("/ready")
    assert (ready.status_code, ready.json()["reason"]) == (503, "the worker cannot renew its lease")


def test_a_worker_that_could_not_open_a_shard_is_not_ready(served: Served) -> None:
    worker = served.workers["z"]
    worker._refuse("s1", "opened", JournalError("s1", "its log is damaged"))
    ready = served.standby.get("/ready")
    assert (ready.status_code, ready.json()["reason"]) == (
        503,
        "these shards could not be opened: s1; the log says why",
    )


def test_a_request_for_a_shard_without_a_copy_here_gets_the_code_not_owner(served: Served) -> None:
    response = served.owner.get("/shards/s9/price")
    assert (response.status_code, response.json()["code"]) == (421, "not_owner")
    assert response.json()["detail"] == "this worker does not serve shard s9"


def test_a_copy_that_differs_is_not_served(served: Served) -> None:
    served.workers["z"].replicas["s1"]._refuse("its state differs")
    for path in (PRICE, "/ready"):
        response = served.standby.get(f"/shards/s1{path}")
        assert (response.status_code, response.json()["reason"]) == (
            503,
            "this copy is not served: its state differs",
        )
    assert "differ from those of their owners: s1" in served.standby.get("/ready").json()["reason"]


def test_a_follower_without_contact_to_the_log_is_not_ready(served: Served) -> None:
    served.cluster.clock.pause(11.0)
    response = served.standby.get("/shards/s1/ready")
    assert response.status_code == 503
    assert response.json()["reason"].startswith("for 11 seconds, the worker could not read the log")


def test_a_follower_without_contact_to_the_log_opens_no_streams_and_closes_its_own(served: Served) -> None:
    with served.standby.websocket_connect("/shards/s1/stream") as stream:
        assert stream.receive_json()["type"] == "snapshot"
        served.cluster.clock.pause(11.0)
        with (
            pytest.raises(WebSocketDenialResponse) as rejected,
            served.standby.websocket_connect("/shards/s1/stream"),
        ):
            pass
        assert (rejected.value.status_code, rejected.value.json()["code"]) == (503, "not_ready")
        with pytest.raises(WebSocketDisconnect) as caught:
            stream.receive_json()
    assert caught.value.code == 1012


def test_a_stream_is_closed_when_the_shard_moves(served: Served) -> None:
    with served.owner.websocket_connect("/shards/s1/stream") as stream:
        assert stream.receive_json()["type"] == "snapshot"
        served.cluster.clock.pause(10.0)
        with pytest.raises(WebSocketDisconnect) as caught:
            stream.receive_json()
    assert caught.value.code == 1012


def test_the_worker_itself_reports_its_health_readiness_and_metrics(served: Served) -> None:
    served.add()
    assert served.owner.get("/health").json() == {"alive": True}
    assert served.owner.get("/ready").json() == {"ready": True, "worker": "a", "shards": ["s1"]}
    served.cluster.run(1)
    text = served.owner.get("/metrics").text
    for line in (
        'oms_shard_owner{shard="s1"} 1.0',
        'oms_shard_position{shard="s1"} 2.0',
        'oms_shard_sequence{shard="s1"} 1.0',
        'oms_shard_lag_messages{shard="s1"} 0.0',
        "oms_lease_seconds 3.5",
    ):
        assert line in text
    assert 'oms_shard_owner{shard="s1"} 0.0' in served.standby.get("/metrics").text
    assert "oms_resting_orders 1.0" in served.owner.get("/shards/s1/metrics").text
    served.workers["a"].replicas["s1"].close()  # between two steps of the worker
    assert 'shard="s1"' not in served.owner.get("/metrics").text


def test_the_endpoints_of_the_worker_need_a_key_if_the_shards_do(served: Served) -> None:
    settings = Settings(keys=(ApiKey.of("sixteen-letters!", name="operator"),))
    guarded = client(served.workers["a"], settings)
    assert guarded.get("/metrics").status_code == 401
    headers = {"Authorization": "Bearer sixteen-letters!"}
    assert guarded.get("/metrics", headers=headers).status_code == 200
    assert guarded.get("/health").status_code == 200


def test_a_worker_that_shuts_down_is_not_ready(served: Served) -> None:
    app = create_worker_app(served.workers["a"])
    app.state.is_shutting_down = True
    shutting_down = TestClient(app)
    for path in ("/ready", "/shards/s1/ready"):
        response = shutting_down.get(path)
        assert response.status_code == 503
        assert "shutting down" in response.json()["reason"]
