"""Check that worker processes can import the analysis, before a run starts."""

from __future__ import annotations

import io
import os
import pickle
import sys
from types import FunctionType

from oms.errors import InvalidArgumentError

__all__ = ["check_picklable"]

_REMEDY = "move it to a module, pass workers=1, or pass an executor that sends code, such as that of Dask"


def check_picklable(analysis: object) -> None:
    """Raise InvalidArgumentError if worker processes cannot load the analysis.

    The pickle of a function contains only the names of its module and of the function, so a worker must
    import the module. Without this check, a worker would fail while it reads its task, and would then end
    without an error message.

    >>> check_picklable(lambda run: run.finish())
    Traceback (most recent call last):
        ...
    oms.errors.InvalidArgumentError: analysis must be a function that can be pickled, ...
    """
    pickler = _Pickler(io.BytesIO())
    try:
        pickler.dump(analysis)
    except Exception as error:  # a class may do anything when it is pickled
        allowed = f"a function that can be pickled, such as a function of a module ({error})"
        raise InvalidArgumentError("analysis", analysis, allowed, _REMEDY) from error
    if pickler.uses_main and not _main_can_be_imported():
        allowed = "a function of a module, because workers cannot import from a notebook or a prompt"
        raise InvalidArgumentError("analysis", analysis, allowed, _REMEDY)


class _Pickler(pickle.Pickler):
    """A pickler that detects functions and classes from the main module."""

    uses_main = False

    def persistent_id(self, obj: object) -> None:
        if isinstance(obj, (FunctionType, type)) and obj.__module__ == "__main__":
            self.uses_main = True


def _main_can_be_imported() -> bool:
    """Return True if the main module is a script or was run with `python -m`."""
    main = sys.modules["__main__"]
    return main.__spec__ is not None or os.path.isfile(getattr(main, "__file__", None) or "")
