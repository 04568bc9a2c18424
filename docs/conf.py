"""Settings of the site, which Sphinx builds offline: `sphinx-build -W --keep-going docs .ci/tmp/site`."""

from __future__ import annotations

from importlib import metadata
from typing import Any

project = "oms"
release = metadata.version("oms-orderbook")
html_title = f"oms {release}"
html_theme = "furo"
html_theme_options = {"light_css_variables": {"code-font-size": "var(--font-size--small--2)"}}
html_static_path = ["site.css"]
html_css_files = ["site.css"]
pygments_dark_style = "github-dark"
html_copy_source = False
html_show_copyright = False
html_domain_indices = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks contain their outputs, and a test checks them

# The copy button copies the code after the prompts, without the prompts and the outputs.
copybutton_selector = "div:not(.output) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

nitpicky = True
nitpick_ignore_regex = [
    # Links to other projects need their object lists from the network.
    (
        r"py:.*",
        r"(builtins|collections|concurrent|contextlib|dataclasses|decimal|enum|fractions|os|pathlib|re|sqlite3|typing)\..*",
    ),
    (r"py:.*", r"(fastapi|httpx|matplotlib)\..*"),
    (r"py:class", r"oms\.journal\.connection\.Connection"),  # a protocol like sqlite3.Connection
    (r"py:class", "Levels"),  # an alias for pairs of price and amount in named tuples
    (r"py:class", r"oms\.feeds\.orders\.messages\.Columns"),  # an alias for sequences of numbers
    (r"py:class", "OrderId"),  # an alias for int or str
    (r"py:class", "Exact"),  # an alias for int or Fraction
    (r"py:class", "LastPrices"),  # an alias for pairs of symbol and price in named tuples
    (r"py:class", "Scope"),  # an alias for pairs of owner and symbol
    (r"py:class", "Owners"),  # an alias for pairs of order id and owner in named tuples
    (r"py:class", r"oms\.engine_events\.EngineEvent"),  # the base of the documented events
    (r"py:class", "Id"),  # a type variable for the id in an OrderFill
    (r"py:class", r"oms\.ledger\.Ledger"),  # how the ledger works is on the page about the design
    (r"py:class", r"oms\.feeds\.levels\.capture\.Result"),  # a type variable for the result of a function
    (r"py:class", r"oms\.feeds\.many\.replay_many\.Value"),  # a type variable for the value of an analysis
    (r"py:class", "Texts"),  # an alias for pairs of strings
    (r"py:class", r"oms\.id_map\.[KL]"),  # type variables for the keys of an IdMap
    (r"py:class", r"oms\.frames\.Frame"),  # a protocol of data frames and Arrow tables
]
default_role = "code"  # docstrings write names in single backticks
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88

OUTSIDE = {"../../benchmarks/peers/README.md": "peers.md"}
"""Files outside docs/, and the page that includes each of them."""


def adapt(_app: Any, _page: str, source: list[str]) -> None:
    """Replace links to source files by links to pages, and remove the blank lines that doctest needs."""
    for path, page in OUTSIDE.items():
        source[0] = source[0].replace(f"]({path})", f"]({page})")
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def leave_out(_app: Any, _what: str, _name: str, value: Any, skip: bool, _options: Any) -> bool | None:
    """Skip the fields of named tuples, because the class docstring describes them."""
    return True if str(getattr(value, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Any) -> None:
    """Register `adapt` and `leave_out` with Sphinx."""
    app.connect("source-read", adapt)
    app.connect("autodoc-skip-member", leave_out)
