"""Short plain-text and HTML representations of values, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

__all__ = [
    "Aside",
    "Bar",
    "Cell",
    "SHOWN",
    "as_text",
    "bounded",
    "bounded_fields",
    "counted",
    "shortened",
    "table",
    "tables",
]

SHOWN = 10
"""The maximum number of fills to show, and of price levels per side."""

_LONGEST_TEXT = 60
_PRINTABLE_BITS = 256  # Python raises ValueError when asked to print a very long integer
# html.escape would do the same, but importing `html` takes a tenth as long as `import oms`.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


class Aside:
    """A placeholder for a value that is too long to show. Its repr has no quotes.

    >>> (1, Aside("... 8 more"))
    (1, ... 8 more)

    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Bar(NamedTuple):
    """A bar in a table. Its length is proportional to `value`, and `of` is the value of the longest bar."""

    value: int
    of: int
    color: str


def bounded(value: object) -> object:
    """Return the value, or a shorter replacement if it is too long to show.

    >>> bounded("JPM"), bounded(2**1000), bounded("J" * 1000)  # doctest: +ELLIPSIS
    ('JPM', <an int of 1001 bits>, 'JJJ...JJJ' ... 940 more)

    """
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return (*items[:SHOWN], Aside(f"... {len(items) - SHOWN} more")) if len(items) > SHOWN else items
    if type(value) is int and value.bit_length() > _PRINTABLE_BITS:
        return Aside(f"<an int of {value.bit_length()} bits>")
    if type(value) is str and len(value) > _LONGEST_TEXT:
        return Aside(f"{value[:_LONGEST_TEXT]!r} ... {len(value) - _LONGEST_TEXT} more")
    return value


def shortened(text: str) -> str:
    """Return the text, or its beginning if it is too long to show.

    >>> shortened("JPM"), len(shortened("J" * 1000))
    ('JPM', 61)

    """
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or plural.

    >>> counted(1, "order"), counted(2000, "order")
    ('1 order', '2,000 orders')

    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def bounded_fields(names: Iterable[str], values: Iterable[object]) -> Iterator[tuple[str, object]]:
    """Return the fields that the `rich` library shows, as (name, value) pairs with long values shortened.

    >>> list(bounded_fields(["fills"], [tuple(range(1000))]))
    [('fills', (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 990 more))]

    """
    return zip(names, map(bounded, values), strict=True)


def as_text(name: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return a repr with these fields.

    >>> as_text("OrderFill", [("order_id", 1), ("amount", 20)])
    'OrderFill(order_id=1, amount=20)'

    """
    return f"{name}({', '.join(f'{field}={value!r}' for field, value in fields)})"


Cell = str | int | Bar


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return an HTML table with escaped text and inline styles.

    The first column contains the row names. A row with a bar must also contain the number itself, because
    some viewers ignore styles and do not show the bar.

    >>> import re
    >>> print(re.sub(' style="[^"]*"', "", table("<JPM>", ["", "n"], [["a", 1000]])))
    <table><caption>&lt;JPM&gt;</caption><tr><th></th><th>n</th></tr><tr><td>a</td><td>1,000</td></tr></table>

    """
    lines = "".join(_row("td", row) for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption>{_row('th', header)}{lines}</table>"


def tables(
    caption: str,
    figures: Sequence[tuple[str, str | int]],
    header: Sequence[str],
    fills: Sequence[Sequence[Cell]],
    count: int,
) -> str:
    """Return two HTML tables, of figures and of fills. `count` is the number of fills, shown or not."""
    hidden = count - len(fills)
    remark = f"<p>{hidden:,} more fills are not shown.</p>" if hidden else ""
    return f"<div>{table(caption, ('', ''), figures)}{table('Fills', header, fills)}{remark}</div>"


def _row(tag: str, cells: Sequence[Cell]) -> str:
    alignments = ["left", *["right"] * (len(cells) - 1)]
    elements = (
        f'<{tag} style="padding:.1em .6em;text-align:{alignment};white-space:nowrap">{_content(cell)}</{tag}>'
        for alignment, cell in zip(alignments, cells, strict=True)
    )
    return f"<tr>{''.join(elements)}</tr>"


def _content(cell: Cell) -> str:
    if isinstance(cell, Bar):
        width = 10 * cell.value / cell.of
        return f'<div style="width:{width:.2f}em;min-width:1px;height:.9em;background:{cell.color}"></div>'
    if isinstance(cell, str):
        return _escaped(cell)
    shown = bounded(cell)
    return f"{cell:,}" if shown is cell else _escaped(repr(shown))


def _escaped(text: str) -> str:
    return shortened(text).translate(_ESCAPES)
