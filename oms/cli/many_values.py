"""Options that take one number or many: `--quote 100 500` is `--quote 100 --quote 500`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from typer.core import TyperCommand

__all__ = ["ManyValuesCommand", "spread"]

_FLAG = re.compile("(--quote|--ignore)(=.*)?", re.DOTALL)
_NUMBER = re.compile(r"-?\d+")


class ManyValuesCommand(TyperCommand):
    """A command whose options of numbers may be followed by several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what `spread` makes of the arguments."""
        return super().parse_args(ctx, list(spread(args)))


def spread(args: Iterable[str]) -> Iterator[str]:
    """Repeat the option before each further number; no more is done after a `--`.

    >>> list(spread(["--quote", "100", "500", "FILE", "--ignore=7", "8"]))
    ['--quote', '100', '--quote', '500', 'FILE', '--ignore=7', '--ignore', '8']

    """
    option, has_value, done = "", False, False
    for arg in args:
        done = done or arg == "--"
        if not done and (flag := _FLAG.fullmatch(arg)):
            option, has_value = flag[1], flag[2] is not None
        elif not done and option and _NUMBER.fullmatch(arg):
            if has_value:
                yield option
            has_value = True
        else:
            option = ""
        yield arg
