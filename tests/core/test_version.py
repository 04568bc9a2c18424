"""`oms.__version__` is that of the installed distribution, and importing `oms` does not look it up."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import oms


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert oms.__version__ == metadata.version("oms-orderbook")


def test_importing_oms_does_not_load_what_finds_the_version() -> None:
    script = "import sys, oms; print('importlib.metadata' in sys.modules); oms.__version__"
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_without_a_distribution_the_version_is_an_error_and_not_a_made_up_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    with pytest.raises(AttributeError, match="oms-orderbook is not installed"):
        _ = oms.__version__


def test_a_name_that_oms_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'oms' has no attribute 'nothing'"):
        getattr(oms, "nothing")  # noqa: B009 - a type checker refuses the plain spelling, as it should
