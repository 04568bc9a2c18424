"""Run by the gate in an environment that holds the extra `client`, and nothing else."""

import sys
from importlib.util import find_spec

installed = {name for name in ("fastapi", "pydantic", "starlette", "uvicorn") if find_spec(name)}
assert not installed, f"the extra client installs {installed}"

import oms.client  # noqa: E402 - after the environment has been looked at

assert "site-packages" in sys.modules["oms"].__file__, "the installed package is the one that is tested"
loaded = {name for name in sys.modules if name == "oms.api" or name.startswith("oms.api.")}
assert not loaded, f"oms.client loads {loaded}"

with oms.client.Client("http://127.0.0.1:9", attempts=1) as om:
    try:
        om.get_order(1)
    except ConnectionError as error:
        print("oms.client works without a server framework:", type(error).__name__)
    else:
        raise AssertionError("nothing answers at this address")
