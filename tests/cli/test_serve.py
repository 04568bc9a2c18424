"""`oms serve`: its options, errors, and signals, and the commands of its how-to page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from time import sleep, time_ns

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from oms import Instrument, Side, journal
from oms.api import ApiKey, Settings, create_app, server
from oms.api.keys import as_entry, generate_key
from oms.api.server import requested_workers
from oms.cli import run
from oms.extras import how_to_install
from support.serve_process import oms_serve

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "service.md"


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["serve", "--port", "0", "--no-journal", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104  # the test is about these addresses
def test_an_address_that_other_machines_can_reach_requires_a_key(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMS_API_KEY", raising=False)
    assert "an API key is required" in error_of(capsys, "--host", host)


@pytest.mark.parametrize("key", ["", "short", "sixteen letters and a space"])
def test_an_invalid_key_is_rejected_and_not_printed(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    output = error_of(capsys, "--api-key-file", str(file))
    assert f"--api-key-file {file}: api_key must be at least 16 visible ASCII characters" in output
    assert ("remove all spaces and line breaks" in output) == (" " in key)
    assert not key or key not in output


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it must contain a [[keys]] table"),
        ("a-key-in-plain-text", "(at end of document)"),
        ("[[keys]]\n", "key 1 must have"),
    ],
)
def test_an_invalid_file_of_keys_is_an_error_before_anything_is_opened(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    output = error_of(capsys, "--keys-file", str(file))
    assert output.startswith(f"oms: Invalid value: --keys-file {file}: ")
    assert reason in output
    assert "plain-text" not in output


def test_an_invalid_rate_limit_is_an_error_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert "such as '100/second'" in error_of(capsys, "--rate-limit", "many")


def test_the_key_of_the_environment_is_removed_from_it_when_the_service_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMS_API_KEY", "sixteen-letters!")
    monkeypatch.setattr(server, "run", lambda app, *_: services.append(app))
    services: list[FastAPI] = []
    assert run(["serve", "--port", "0", "--no-journal"]) == 0
    assert "OMS_API_KEY" not in os.environ
    client = TestClient(services[0], base_url="http://127.0.0.1")
    headers = {"Authorization": "Bearer sixteen-letters!"}
    assert [client.get("/symbols", headers=each).status_code for each in ({}, headers)] == [401, 200]


SEARCH = """
import gc, hashlib, os, sys
from oms.api import server
from oms.cli import run

def search(app, *_):
    gc.collect()
    (key,) = app.state.keys.keys
    frame, frames = sys._getframe(), []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    for holder in [*gc.get_objects(), *frames]:
        for each in gc.get_referents(holder):
            if type(each) is str and len(each) == 47 and hashlib.sha256(each.encode()).digest() == key.digest:
                print("the key is in a", type(holder).__name__, file=sys.stderr)

server.run = search
sys.exit(run(["serve", "--port", "0", "--no-journal", *sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["variable", "file"])
def test_while_the_service_runs_no_object_contains_its_key(place: str, tmp_path: Path) -> None:
    file, key = tmp_path / "key", generate_key()
    file.write_text(key)
    environment = {**os.environ, "OMS_API_KEY": key} if place == "variable" else None
    options = [] if place == "variable" else ["--api-key-file", str(file)]
    command = [sys.executable, "-c", SEARCH, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "API key: required" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("uses_signal", [False, True])
def test_the_running_service_reads_a_changed_file_of_keys(uses_signal: bool, tmp_path: Path) -> None:
    texts = {name: f"{name}-key-12345678" for name in ("ann", "bob")}
    ann, bob = (as_entry(ApiKey.of(text, name=name)) for name, text in texts.items())
    file = tmp_path / "keys.toml"
    file.write_text(ann)
    with oms_serve("--no-journal", "--keys-file", str(file), "--rate-limit", "1000/second") as (process, url):

        def status(name: str) -> int:
            headers = {"Authorization": f"Bearer {texts[name]}"}
            return httpx.get(f"{url}/symbols", headers=headers).status_code

        assert [status("ann"), status("bob")] == [200, 401]
        new = file.with_name("new")
        new.write_text(bob)
        new.replace(file)
        if uses_signal:
            process.send_signal(signal.SIGHUP)
        while status("bob") == 401:
            sleep(0.01)
        assert [status("ann"), status("bob")] == [401, 200]
        assert process.poll() is None


def test_a_key_file_that_is_a_directory_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = error_of(capsys, "--api-key-file", str(tmp_path))
    assert tmp_path.name in output


def test_more_than_one_worker_is_an_error_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the books are in memory, and workers would not see each other's changes" in error_of(
        capsys, "--workers", "2"
    )


@pytest.mark.parametrize(
    ("program", "words", "variable", "workers"),
    [
        ("bin/uvicorn", ["--workers", "2"], None, 2),
        ("uvicorn/__main__.py", ["x", "--workers=3"], None, 3),
        ("bin/gunicorn", ["-w", "4"], None, 4),
        ("bin/uvicorn", [], "5", 5),
        ("bin/uvicorn", [], None, 1),
        ("bin/pytest", ["--workers", "6"], "7", 1),
    ],
)
def test_the_worker_count_of_another_server_is_recognized(
    program: str, words: list[str], variable: str | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, *words])
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if variable is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", variable)
    assert requested_workers() == workers


def test_a_journal_cannot_be_combined_with_no_journal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--no-journal" in error_of(capsys, "--journal", "x.db")


ALLOWED = "must be SYMBOL=TICK:LOT or SYMBOL=TICK:LOT:CURRENCY, such as AAPL=0.01:1:USD: "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AAPL", "symbol must be"),
        ("=0.01:1", "symbol must be"),
        ("AAPL=0.01", "lot_size must be decimal text above 0, such as '0.01', not '' (str)"),
        ("AAPL=1e-2:1", "tick_size must be decimal text above 0, such as '0.01', not '1e-2' (str)"),
        ("AAPL=0.01:0", "lot_size must be decimal text above 0"),
        ("AAPL=0.01:1:", "currency must be a non-empty str"),
    ],
)
def test_an_invalid_instrument_is_named_with_the_allowed_form(
    text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"--instrument {text} {ALLOWED}{reason}" in error_of(capsys, "--instrument", text)


AAPL = '{"symbol": "AAPL", "tick_size": "0.01", "lot_size": "1"}'


def file_of(*items: str) -> str:
    return f'{{"instruments": [{", ".join(items)}]}}'


FILES = {
    "{": "Expecting property name",
    "[]": "it is not an object with only the list instruments",
    '{"instruments": {}}': "it is not an object with only the list instruments",
    '{"instruments": [], "extra": 1}': "it is not an object with only the list instruments",
    '{"instruments": [1]}': "1 is not an object",
    '{"instruments": [{"symbol": "AAPL", "tick_size": "0.01"}]}': "an instrument has no lot_size",
    file_of(AAPL.replace("lot_size", "lots")): "an instrument has no lot_size",
    file_of(AAPL.replace("}", ', "tick": "1"}')): "an instrument has the unknown field 'tick'",
    file_of(AAPL.replace('"0.01"', "0.01")): "not 0.01 (float); write '0.01'",
    file_of(AAPL.replace('"AAPL"', '""')): "symbol must be",
    file_of(AAPL.replace('"lot_size"', '"tick_size": "1", "lot_size"')): "a key is repeated",
    "[" * 100_000: "recursion",
}


@pytest.mark.parametrize("number", range(len(FILES)))
def test_an_invalid_file_of_instruments_is_named_with_the_allowed_form(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, reason = list(FILES.items())[number]
    file = tmp_path / "mine.json"
    file.write_text(content)
    output = error_of(capsys, "--instruments", str(file))
    assert "--instruments mine.json must be JSON in the form of GET /instruments, such as" in output
    assert reason in output


def test_a_file_of_instruments_that_is_not_utf_8_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(b"\xff")
    assert "can't decode byte" in error_of(capsys, "--instruments", str(file))


def test_a_symbol_with_two_instruments_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = "the instrument of 'AAPL' is given twice; pass it once"
    option = ("--instrument", "AAPL=0.01:1")
    assert expected in error_of(capsys, *option, *option)
    file = tmp_path / "mine.json"
    file.write_text(file_of(AAPL, AAPL))
    assert expected in error_of(capsys, "--instruments", str(file))
    file.write_text(file_of(AAPL))
    assert expected in error_of(capsys, *option, "--instruments", str(file))


@pytest.mark.slow
def test_the_service_starts_with_the_declared_instruments(tmp_path: Path) -> None:
    first = ("--instrument", "A=B=0.01:1", "--instrument", "BTC=0.5:0.001:USD")
    with oms_serve("--no-journal", *first) as (process, url):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[-1] == "instruments: 2\n"
        response = httpx.get(f"{url}/instruments")
    with_currency = {"symbol": "BTC", "tick_size": "0.5", "lot_size": "0.001", "currency": "USD"}
    others = {"name": None, "price_decimals": None}
    without = {"symbol": "A=B", "tick_size": "0.01", "lot_size": "1", "currency": None}
    assert response.json() == {"instruments": [without | others, with_currency | others]}
    file = tmp_path / "mine.json"
    file.write_text(response.text)  # a response is also a file of instruments
    journal_file = tmp_path / "book.db"
    with oms_serve("--journal", str(journal_file), "--instruments", str(file)) as (_, url):
        assert httpx.get(f"{url}/instruments").json() == response.json()


def test_an_instrument_that_does_not_match_the_journal_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    with journal.open(file, instruments={"AAPL": Instrument("0.01")}) as om:
        om.add_order(1, "AAPL", Side.BUY, 20, 2025)
    command = ["serve", "--port", "0", "--journal", str(file), "--instrument", "AAPL=0.001:1"]
    assert run(command) == 2
    output = capsys.readouterr().err
    assert f"--instrument does not match the journal {file}: " in output
    assert "while orders of 'AAPL' are resting" in output


def test_an_occupied_port_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["serve", "--no-journal", "--port", port]) == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert f"127.0.0.1, port {port}" in output


def test_a_signal_before_the_start_of_the_server_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run_, timeouts = uvicorn.Server.run, []

    def interrupted(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        signal.raise_signal(signal.SIGTERM)
        run_(server, sockets)

    def end_after_timeout() -> None:
        timeouts.append(True)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(uvicorn.Server, "run", interrupted)
    rescue = Timer(20, end_after_timeout)
    rescue.start()
    with server.listen("127.0.0.1", 0) as listening:
        server.run(create_app(settings=Settings()), listening)
    rescue.cancel()
    assert not timeouts


@pytest.mark.slow
@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_server_and_closes_its_journal(
    signal_: signal.Signals, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    with oms_serve("--journal", str(file)) as (process, url):
        order = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
        assert httpx.post(f"{url}/orders", json=order).status_code == 201
        assert process.stdout is not None
        assert process.stdout.readline() == f"journal: {file}\n"
        assert process.stdout.readline() == "API key: none\n"
        process.send_signal(signal_)
        assert process.wait(20) == code
    assert not file.with_name("book.db-wal").exists()
    with journal.open(file) as om:
        assert 1 in om


@pytest.mark.slow
@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_draining_service_makes_changes_until_a_second_signal_ends_it(
    signal_: signal.Signals, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    with oms_serve("--journal", str(file), "--drain-seconds", "600") as (process, url):
        assert httpx.get(f"{url}/ready").status_code == 200
        process.send_signal(signal_)
        while httpx.get(f"{url}/ready").status_code == 200:
            pass
        order = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
        assert httpx.post(f"{url}/orders", json=order).status_code == 201
        process.send_signal(signal_)
        assert process.wait(60) == code
    with journal.open(file) as om:
        assert 1 in om


def opened(address: tuple[str, int], number: int, content: bytes) -> list[socket.socket]:
    connections = [socket.create_connection(address, timeout=60) for _ in range(number)]
    for connection in connections:
        connection.sendall(content)
    return connections


UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
HOST = b"Host: 127.0.0.1\r\n"
BODY = b"POST /orders HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
STATES = {
    "silent": (800, b""),
    "heads": (800, BODY[:-5]),
    "bodies": (100, BODY),
    "streams": (50, b"GET /stream HTTP/1.1\r\n" + HOST + KEY + UPGRADE + b"\r\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_a_signal_ends_the_server_whatever_its_connections_do(state: str, tmp_path: Path) -> None:
    file, log = tmp_path / "book.db", tmp_path / "log"
    number, content = STATES[state]
    with ExitStack() as stack, log.open("w") as stderr:
        process, url = stack.enter_context(
            oms_serve("--journal", str(file), "--no-access-log", stderr=stderr, files=512)
        )
        port = int(url.rpartition(":")[2])
        for connection in opened(("127.0.0.1", port), number, content):
            stack.enter_context(connection)
        order = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
        assert httpx.post(f"{url}/orders", json=order, timeout=60).status_code == 201
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "graceful shutdown exceeded" not in log.read_text()  # after 10 seconds
    assert log.stat().st_size < 10_000
    with journal.open(file) as om:
        assert 1 in om


def test_more_connections_than_open_files_are_an_error_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    output = error_of(capsys, "--most-connections", "1000")
    assert "most_connections must be an int in 1..896, not 1000 (int)" in output
    assert "ulimit -n" in output


def test_without_its_extra_serve_prints_how_to_install_it() -> None:
    without = "import sys; sys.modules['fastapi'] = None"
    script = f"{without}; from oms.cli import run; sys.exit(run(['serve', '--demo']))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr == f"{how_to_install('oms: `oms serve`', 'api', 'cli')}\n"


def test_the_error_about_an_occupied_port_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["serve", "--demo", "--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"oms: 127.0.0.1, port {port}: ")


def check_commands(page: Path, url: str) -> None:
    """Run the curl commands of a page's first section, and compare the output with the page."""
    section = page.read_text().partition("## Try it")[2].partition("\n## ")[0]
    lines = re.findall(r"^(curl .*)\n# (.*)$", section, re.MULTILINE)
    assert len(lines) >= 3
    for line, expected in lines:
        assert "localhost:8080" in line
        command = line.replace("localhost:8080", f"localhost:{url.rpartition(':')[2]}")
        ended = subprocess.run(  # noqa: S602  # the page shows shell commands
            command,
            shell=True,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "no_proxy": "*"},
        )
        assert without_time(ended.stdout.strip()) == without_time(expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_of_the_how_to_page_print_the_shown_output() -> None:
    with oms_serve("--demo") as (_, url):
        check_commands(PAGE, url)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_of_the_page_about_a_served_engine_print_the_shown_output(tmp_path: Path) -> None:
    page = PAGE.with_name("served-engine.md")
    (command,) = re.findall(r"^\.venv/bin/oms serve (.*)$", page.read_text(), re.MULTILINE)
    options = command.replace("keys.toml", str(tmp_path / "keys.toml")).split()
    keys = re.search(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert keys is not None
    (tmp_path / "keys.toml").write_text(keys[1])
    with oms_serve(*options, "--journal", str(tmp_path / "venue.db")) as (_, url):
        check_commands(page, url)


def without_time(response: str) -> str:
    return re.sub(r'"time":"[0-9]{19}"', '"time":"..."', response)


@pytest.mark.parametrize(("options", "has_times"), [([], True), (["--no-clock"], False)])
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "journal"])
def test_serve_uses_the_real_clock_unless_it_is_turned_off(
    options: list[str], has_times: bool, durable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks: list[object] = []
    monkeypatch.setattr("oms.api.create_app", lambda om, _: clocks.append(om.clock))
    monkeypatch.setattr(server, "run", lambda *_: None)
    books = ["--journal", str(tmp_path / "book.db")] if durable else ["--no-journal"]
    assert run(["serve", "--port", "0", *books, *options]) == 0
    assert clocks == [time_ns if has_times else None]


# ---------------------------------------------------------------------- a cluster


@pytest.mark.parametrize(
    "options",
    [
        ["--engine"],
        ["--demo"],
        ["--no-journal"],
        ["--journal", "x.db"],
        ["--instrument", "JPM=0.01"],
        ["--self-trade-prevention", "DECREMENT", "--engine"],
    ],
    ids=lambda options: options[0],
)
def test_a_gateway_to_a_cluster_has_no_books_of_its_own(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert run(["serve", "--port", "0", "--cluster", "nats://127.0.0.1:9", *options]) == 2
    message = capsys.readouterr().err
    assert "cannot be combined with --cluster, because the workers have the books; leave out --" in message


def test_only_a_gateway_can_read_from_standbys(capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "--reads-from", "standby")
    assert "--reads-from standby needs --cluster; pass both, or leave out --reads-from standby" in message
    assert "--reads-from" in error_of(capsys, "--reads-from", "nobody")


# ---------------------------------------------------------------------- a matching engine


def test_the_options_of_an_engine_need_an_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = "--self-trade-prevention"
    assert f"{option} needs --engine" in error_of(capsys, option, "CANCEL_BOTH")
    keys = tmp_path / "keys.toml"
    keys.write_text(as_entry(ApiKey.of("ann-key-12345678", name="ann", owner="Ann")))
    assert "'ann' has an owner, but only a MatchingEngine has" in error_of(capsys, "--keys-file", str(keys))


def test_an_engine_with_owners_and_a_journal_is_served(tmp_path: Path) -> None:
    keys, file = tmp_path / "keys.toml", tmp_path / "venue.db"
    owners = {"ann": "Ann Smith", "bob": "Bob"}
    entries = (ApiKey.of(f"{name}-key-12345678", name=name, owner=owner) for name, owner in owners.items())
    keys.write_text("".join(map(as_entry, entries)))
    options = ["--engine", "--keys-file", str(keys), "--journal", str(file)]
    ann, bob = ({"Authorization": f"Bearer {name}-key-12345678"} for name in ("ann", "bob"))
    body = {"order_id": "a", "symbol": "JPM", "side": "SELL", "amount": 5, "price": 100}
    with oms_serve(*options) as (process, url):
        assert httpx.get(f"{url}/orders").status_code == 401
        httpx.post(f"{url}/submissions", json=body, headers=ann).raise_for_status()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        output = process.stdout.read()
    assert "matching engine, self-trade prevention: NONE" in output
    assert "owners: 2" in output
    with oms_serve(*options, "--self-trade-prevention", "CANCEL_NEWEST") as (_, url):
        assert httpx.get(f"{url}/orders/a", headers=ann).json()["owner"] == "Ann Smith"
        assert httpx.get(f"{url}/orders/a", headers=bob).status_code == 404
        own = httpx.post(
            f"{url}/submissions", json={**body, "order_id": "b", "side": "BUY"}, headers=ann
        ).json()
        assert (own["amount"], own["reason"]) == (0, "SELF_TRADE")
        other = httpx.post(
            f"{url}/submissions", json={**body, "order_id": "c", "side": "BUY"}, headers=bob
        ).json()
        assert other["amount"] == 5
    with journal.open_engine(file) as engine:
        assert engine.last_price("JPM") == 100


def test_an_engine_for_a_demonstration_has_an_order_on_both_sides() -> None:
    with oms_serve("--engine", "--demo") as (_, url):
        orders = httpx.get(f"{url}/orders").json()["orders"]
    assert [order["side"] for order in orders] == ["SELL", "BUY"]


def test_the_journal_of_the_other_kind_is_an_error_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 1, 1)
    assert run(["serve", "--port", "0", "--engine", "--journal", str(file)]) != 0
    assert "the changes of an OrderManagement" in capsys.readouterr().err
