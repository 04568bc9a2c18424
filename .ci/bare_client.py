"""Run by the gate in an environment that has the extra `client` and nothing else."""

import sys
from importlib import import_module
from importlib.util import find_spec

installed = {name for name in ("fastapi", "pydantic", "starlette", "uvicorn") if find_spec(name)}
assert not installed, f"the extra client installs {installed}"

before = set(sys.modules)
client = import_module("oms.client")

assert "site-packages" in sys.modules["oms"].__file__, "the tested package is the installed one"
packages = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
of_httpx = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio", "typing_extensions"}
unexpected = packages - of_httpx - {"oms", "sortedcontainers"}
assert not unexpected, f"oms.client loads {unexpected}"
adapters = {"oms.api", "oms.cli", "oms.cluster", "oms.feeds", "oms.journal", "oms.notebook"}
loaded = adapters & set(sys.modules)
assert not loaded, f"oms.client loads {loaded}"

with client.Client("http://127.0.0.1:9", attempts=1) as om:
    try:
        om.get_order(1)
    except ConnectionError as error:
        print("oms.client works without a server framework:", type(error).__name__)
    else:
        raise AssertionError("nothing listens at this address")
