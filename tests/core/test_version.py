"""`oms.__version__` is that of the installed distribution, and importing `oms` does not look it up."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import oms


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert oms.__version__ == metadata.version("oms-orderbook")


def test_importing_oms_does_not_import_importlib_metadata() -> None:
    script = "import sys, oms; print('importlib.metadata' in sys.modules); oms.__version__"
    process = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout == "False\n"


def test_the_version_of_an_uninstalled_distribution_raises_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    with pytest.raises(AttributeError, match="oms-orderbook is not installed"):
        _ = oms.__version__


def test_an_unknown_attribute_of_oms_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'oms' has no attribute 'nothing'"):
        getattr(oms, "nothing")  # noqa: B009 - a type checker rejects `oms.nothing`
