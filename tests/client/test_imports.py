"""`import oms.client` loads httpx and the core of oms, but no server framework."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires

SERVER_FRAMEWORKS = ("fastapi", "pydantic", "starlette", "uvicorn", "websockets")


def run(script: str) -> list[str]:
    """Run a script in a new interpreter, and return the words that it prints."""
    process = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return process.stdout.split()


def test_the_client_works_without_a_server_framework() -> None:
    script = f"""
import sys
for name in {SERVER_FRAMEWORKS}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import httpx
from oms.client import Client, InProcess

async def app(scope, receive, send):
    headers = [(b"content-type", b"application/json")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b'{{"symbols": ["JPM"]}}'}})

with Client("http://localhost", transport=InProcess(app)) as om:
    print(*om.symbols())
"""
    assert run(script) == ["JPM"]


def test_importing_the_client_loads_no_adapter_and_no_package_beyond_httpx() -> None:
    script = (
        "import sys, httpx, httpcore; before = set(sys.modules)\n"
        "import oms.client; print(*sorted(set(sys.modules) - before))"
    )
    loaded = run(script)
    assert "oms.client.clients" in loaded
    packages = {name.split(".")[0] for name in loaded}
    assert packages <= sys.stdlib_module_names | {"oms", "sortedcontainers"}
    adapters = {"oms.api", "oms.cli", "oms.cluster", "oms.feeds", "oms.journal", "oms.notebook"}
    assert [name for name in loaded if ".".join(name.split(".")[:2]) in adapters] == []


def test_httpx_requires_httpcore_which_the_client_imports() -> None:
    requirements = [line for line in requires("httpx") or () if "extra ==" not in line]
    required = {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
    assert "httpcore" in required
