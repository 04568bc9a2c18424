"""The keys of a file can be replaced while the service runs.

The modules oms.api.key_ring, oms.api.sessions, and oms.api.revocation are tested here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import booleans, sampled_from, sets
from websockets.exceptions import ConnectionClosed

from oms import InvalidArgumentError, OrderManagement, Side
from oms.api import Access, ApiKey, Settings, create_app, revocation
from oms.api.key_ring import KeyRing
from oms.api.keys import as_entry
from oms.api.revocation import KEY_REVOKED
from support.api_server import Address, next_message, serving, stream

TEXTS = {name: f"the-long-key-of-{name}" for name in ("ann", "bob", "cleo")}
KEYS = {name: ApiKey.of(text, name=name) for name, text in TEXTS.items()}


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def write(file: Path, *names: str) -> None:
    """Replace the file by one with these keys, in one step."""
    new = file.with_suffix(".new")
    new.write_text("".join(as_entry(KEYS[name]) for name in names))
    new.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.toml"
    write(file, "ann")
    return file


class Checked:
    """A ring with a file, and a clock."""

    def __init__(self, file: Path) -> None:
        self.clock = Clock()
        self.file = file
        self.ring = KeyRing(Settings(keys_file=file), has_owners=False, clock=self.clock)

    def names_after(self, seconds: float) -> list[str]:
        """Return the names of the valid keys after a pause."""
        self.clock.now += seconds
        self.ring.refresh()
        return [key.name for key in self.ring.keys]


def test_a_new_file_is_read_when_two_checks_have_found_it_unchanged(file: Path) -> None:
    checked = Checked(file)
    write(file, "ann", "bob")
    assert checked.names_after(0.9) == ["ann"]
    assert checked.names_after(0.1) == ["ann"]
    assert checked.names_after(0.9) == ["ann"]
    assert checked.names_after(0.1) == ["ann", "bob"]
    assert checked.ring.find(TEXTS["bob"]) == KEYS["bob"]
    write(file, "bob")
    checked.names_after(1)
    assert checked.names_after(1) == ["bob"]
    assert checked.ring.find(TEXTS["ann"]) is None


def test_a_file_that_an_editor_is_still_writing_is_not_read(file: Path) -> None:
    checked = Checked(file)
    with file.open("w") as written:
        for name in ("bob", "cleo"):
            written.write(as_entry(KEYS[name]))
            written.flush()
            assert checked.names_after(1) == ["ann"]
    assert checked.names_after(1) == ["bob", "cleo"]


def test_a_requested_reload_reads_the_file_at_the_next_check(file: Path) -> None:
    checked = Checked(file)
    write(file, "bob")
    assert checked.names_after(0) == ["ann"]
    checked.ring.request_reload()
    assert checked.names_after(0) == ["bob"]


def test_the_file_is_examined_at_most_once_a_second_and_read_only_if_it_has_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"stat": 0, "open": 0}

    def counting(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def count(*args: object, **options: object) -> object:
            counts[name] += 1
            return method(*args, **options)

        return count

    for name in counts:
        monkeypatch.setattr(Path, name, counting(name, getattr(Path, name)))
    checked = Checked(file)
    for _ in range(100):
        checked.names_after(0.125)
    assert counts == {"stat": 13, "open": 1}


BROKEN = {
    "damaged": b"[[keys]",
    "empty": b"",
    "not UTF-8": b"\xff",
    "too large": b"# x\n" * 2**19,
    "with an owner": as_entry(ApiKey.of(TEXTS["bob"], name="bob", owner="Bob")).encode(),
}


@pytest.mark.parametrize("content", list(BROKEN.values()), ids=list(BROKEN))
def test_an_invalid_file_is_logged_once_and_the_old_keys_stay_valid(
    content: bytes, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checked = Checked(file)
    file.write_bytes(content)
    for _ in range(5):
        assert checked.names_after(1) == ["ann"]
    (message,) = (record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert message.startswith(f"the API keys stay the same, because {file}: ")
    write(file, "bob")
    checked.names_after(1)
    assert checked.names_after(1) == ["bob"]
    with pytest.raises(InvalidArgumentError, match="keys_file must be a file of API keys"):
        file.write_bytes(content)
        Checked(file)


def test_a_missing_file_is_logged_and_the_old_keys_stay_valid(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checked = Checked(file)
    file.unlink()
    for _ in range(5):
        assert checked.names_after(1) == ["ann"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "No such file" in caplog.text
    with pytest.raises(InvalidArgumentError, match="No such file"):
        Checked(file)


def test_a_change_of_the_keys_is_logged_with_their_names(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checked = Checked(file)
    write(file, "bob", "cleo")
    checked.names_after(1)
    checked.names_after(1)
    assert [record.getMessage() for record in caplog.records] == [
        "the API keys have changed; added: bob, cleo; removed: ann"
    ]
    os.utime(file, ns=(1, 1))  # another modification time, but the same keys
    checked.names_after(1)
    checked.names_after(1)
    assert len(caplog.records) == 1


def test_the_keys_of_the_settings_are_valid_beside_those_of_the_file_and_may_not_contradict_them(
    file: Path,
) -> None:
    ring = KeyRing(Settings(api_key=TEXTS["bob"], keys_file=file), has_owners=False)
    assert [key.name for key in ring.keys] == ["operator", "ann"]
    with pytest.raises(InvalidArgumentError, match="'operator' and 'ann' are the same key"):
        KeyRing(Settings(api_key=TEXTS["ann"], keys_file=file), has_owners=False)


class Rotation(RuleBasedStateMachine):
    """Files, valid or not, in any order of changes, checks, and requests."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.file = Path(self.folder.name, "keys.toml")
        write(self.file, "ann")
        self.content: tuple[str, ...] | None = ("ann",)  # None is an invalid file
        self.valid: tuple[str, ...] = ("ann",)
        self.checked = Checked(self.file)
        self.changes = 0
        self.unchanged_checks = 1

    def changed(self) -> None:
        self.changes += 1
        os.utime(self.file, ns=(self.changes, self.changes))  # some file systems have coarse clocks
        self.unchanged_checks = 0

    @rule(names=sets(sampled_from(sorted(KEYS)), min_size=1))
    def write_keys(self, names: set[str]) -> None:
        self.content = tuple(sorted(names))
        write(self.file, *self.content)
        self.changed()

    @rule(content=sampled_from(sorted(BROKEN)))
    def damage(self, content: str) -> None:
        self.content = None
        self.file.write_bytes(BROKEN[content])
        self.changed()

    @rule(requested=booleans())
    def check(self, requested: bool) -> None:
        if requested:
            self.checked.ring.request_reload()
        self.checked.names_after(1)
        self.unchanged_checks += 1
        if (requested or self.unchanged_checks >= 2) and self.content is not None:
            self.valid = self.content

    @invariant()
    def exactly_the_keys_of_the_last_accepted_file_are_valid(self) -> None:
        found = {name for name, text in TEXTS.items() if self.checked.ring.find(text) is not None}
        assert found == set(self.valid)

    def teardown(self) -> None:
        self.folder.cleanup()


TestRotation = Rotation.TestCase
TestRotation.settings = hypothesis_settings(max_examples=50, stateful_step_count=20, deadline=None)


# ---------------------------------------------------------------------- the service


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TEXTS[name]}"}


def reload(client: TestClient) -> None:
    client.app.state.keys.request_reload()  # type: ignore[attr-defined]  # the application is a FastAPI


def test_requests_with_a_key_that_stays_succeed_while_other_keys_are_replaced(file: Path) -> None:
    app = create_app(OrderManagement(), Settings(keys_file=file))
    write(file, "ann", "bob")
    stop = threading.Event()
    statuses: dict[str, set[int]] = {"ann": set(), "bob": set()}

    def send(name: str) -> None:
        client = TestClient(app)
        while not stop.is_set():
            statuses[name].add(client.get("/symbols", headers=bearer(name)).status_code)

    threads = [threading.Thread(target=send, args=(name,)) for name in statuses]
    for thread in threads:
        thread.start()
    client = TestClient(app)
    for number in range(30):
        write(file, "ann", *(["bob"] if number % 2 else []))
        reload(client)
        assert client.get("/symbols", headers=bearer("ann")).status_code == 200
        bobs = client.get("/symbols", headers=bearer("bob")).status_code
        assert bobs == (200 if number % 2 else 401)
    stop.set()
    for thread in threads:
        thread.join()
    assert statuses["ann"] == {200}
    assert statuses["bob"] <= {200, 401}


@pytest.mark.parametrize("change", ["removed", "other access"])
def test_the_sessions_of_a_key_end_when_it_is_removed_or_changed(file: Path, change: str) -> None:
    write(file, "ann", "bob")
    app = create_app(OrderManagement(), Settings(keys_file=file))
    ann, bob = (TestClient(app, headers={"Origin": "http://testserver"}) for _ in range(2))
    for client, name in ((ann, "ann"), (bob, "bob")):
        assert client.post("/session", headers=bearer(name)).status_code == 204
        assert client.get("/symbols").status_code == 200
    if change == "removed":
        write(file, "bob")
    else:
        reader = ApiKey.of(TEXTS["ann"], name="ann", access=Access.READ_ONLY)
        file.write_text(as_entry(reader) + as_entry(KEYS["bob"]))
    reload(ann)
    response = ann.get("/symbols")
    assert response.status_code == 401
    assert "the session has ended" in response.json()["detail"]
    assert bob.get("/session").json() == {"open": True, "name": "bob", "access": "trading"}


@pytest.mark.parametrize("uses_cookie", [False, True], ids=["key", "session"])
def test_the_streams_of_a_removed_key_end_and_those_of_other_keys_continue(
    file: Path, uses_cookie: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "_SECONDS", 0.01)
    write(file, "ann", "bob")
    om = OrderManagement()
    app = create_app(om, Settings(keys_file=file))

    def headers(address: Address, name: str) -> dict[str, str]:
        if not uses_cookie:
            return bearer(name)
        response = httpx.post(f"{address.http}/session", headers=bearer(name))
        return {"Cookie": response.headers["set-cookie"].partition(";")[0], "Origin": address.http}

    with (
        serving(app) as address,
        stream(address, "", **headers(address, "ann")) as anns,
        stream(address, "", **headers(address, "bob")) as bobs,
    ):
        for connection in (anns, bobs):
            assert next_message(connection)["type"] == "snapshot"
        write(file, "bob")
        app.state.keys.request_reload()
        with pytest.raises(ConnectionClosed):
            anns.recv(timeout=30)
        assert anns.close_code == KEY_REVOKED
        om.add_order(1, "JPM", Side.BUY, 1, 1)
        assert next_message(bobs)["type"] == "OrderAdded"


def test_the_stream_of_a_session_ends_when_its_user_signs_out(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "_SECONDS", 0.01)
    with (
        serving(create_app(OrderManagement(), Settings(keys_file=file))) as address,
        httpx.Client(base_url=address.http, headers={"Origin": address.http}) as browser,
    ):
        cookie = browser.post("/session", headers=bearer("ann")).headers["set-cookie"].partition(";")[0]
        with stream(address, "", Cookie=cookie, Origin=address.http) as connection:
            assert next_message(connection)["type"] == "snapshot"
            assert browser.delete("/session").status_code == 204
            with pytest.raises(ConnectionClosed):
                connection.recv(timeout=30)
            assert connection.close_code == KEY_REVOKED


def test_a_service_with_a_file_needs_a_key_even_if_the_file_becomes_empty(file: Path) -> None:
    client = TestClient(create_app(OrderManagement(), Settings(keys_file=file)))
    file.write_text("")
    reload(client)
    assert client.get("/symbols").status_code == 401
    assert client.get("/symbols", headers=bearer("ann")).status_code == 200
