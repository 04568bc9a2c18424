"""The shell commands in the docs and the README succeed, with files of the names that they use."""

from __future__ import annotations

import gzip
import re
import shlex
from pathlib import Path

import pytest

from oms import Side, journal
from oms.cli import run

ROOT = Path(__file__).parents[2]
ELSEWHERE = {ROOT / "docs" / "how-to" / "cluster.md"}  # test_cluster_page.py runs its commands as one script
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - ELSEWHERE)]
EXCLUDED = {
    "python3 -m venv": "run by .ci/run, which reads the README",
    ".venv/bin/python -m pytest": "would run this test again",
    ".venv/bin/python docs/examples/two_bots.py": "run by test_two_bots.py",
    "curl -s": "run by tests/cli/test_serve.py, with a server",
    ".venv/bin/oms serve --config": "run by tests/cli/test_serve_check.py, on a free port",
    ".venv/bin/oms serve": "run by tests/cli/test_serve.py, on a free port",
    "/opt/oms/bin/oms": "run by test_deploy.py",
    "sudo": "run by test_deploy.py, if it needs no system",
    "docker": "needs Docker",
    "journalctl": "needs systemd",
    "pip install": "checked by test_install.py",
    "pip uninstall": "removes another project",
    ".ci/": "checked by test_contributing.py",
    "pre-commit": "checked by test_contributing.py",
    ".venv/bin/python docs/pictures.py": "its parts are run by test_pictures.py and test_notebooks.py",
    ".venv/bin/sphinx-build": "run by test_docs.py",
    ".venv/bin/ruff": "run by the gate",
    ".venv/bin/mypy": "run by the gate",
    ".venv/bin/basedpyright": "run by the gate",
    "python3 benchmarks/peers/run.py": "installs other libraries",
}
SESSION = "34200.1,1,7,10,1000000,-1\n34200.2,1,8,10,1000100,-1\n34200.3,1,9,30,999900,1\n"
BOOK = "1000000,10,-9999999999,0\n1000000,10,-9999999999,0\n1000000,10,999900,30\n"
BITSTAMP = (
    "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    "1,1430438400000,1430438400000,235.10,400000000,created,bid\n"
    "1,1430438401000,1430438401000,235.10,150000000,changed,bid\n"
)
CAPTURE = """\
["0",{"as":[["10.2","5.0","1.5"]],"bs":[["10.1","4.0","1.5"]]},"book-10","XBT/USD"]
["0",{"a":[["10.3","2.5","2.5"]],"c":"3617920322"},"book-10","XBT/USD"]
"""
TRADES = (
    "timestamp,price,volume,direction,maker.event.id,taker.event.id,maker,taker\n"
    "1430438401,235.10,250000000,sell,2,1,1,2\n"
)


def snippets() -> list[str]:
    blocks = (re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL) for page in PAGES)
    texts = (
        block.replace("\\\n", " ") for page in blocks for block in page
    )  # a line may go on in the next one
    lines = {line.split("  #")[0].strip() for text in texts for line in text.splitlines()}
    return sorted(line for line in lines if line and not line.startswith(("#", *EXCLUDED)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "AAPL_message_50.csv.gz": SESSION,
        "AAPL_orderbook_1.csv.gz": BOOK,
        "AAPL_orderbook_50.csv.gz": BOOK,
        "orders.csv.gz": BITSTAMP,
        "capture.gz": CAPTURE,
    }.items():
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    (tmp_path / "trades_inferred.csv").write_text(TRADES)
    with journal.open(tmp_path / "book.db", durability="off") as om:
        for order_id in range(1_000):
            om.add_order(order_id, "JPM", Side.BUY, 10, 20)
        om.place_trade("JPM", Side.BUY, 15)
    (tmp_path / "backups").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("line", snippets())
def test_a_command_in_the_docs_succeeds(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *args = shlex.split(line)
    assert Path(program).name == "oms"
    code = run(args)
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert out or "--output" in args


def test_every_excluded_command_is_in_the_docs() -> None:
    text = "".join(page.read_text() for page in [*PAGES, ROOT / "benchmarks" / "peers" / "README.md"])
    assert [start for start in EXCLUDED if f"\n{start}" not in text] == []
