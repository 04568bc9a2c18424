"""The service imports header names, limits, and codes from `oms/contract.py`, and repeats none."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import oms
from oms import contract
from oms.api import answer_models, bulk_responses, response_models
from oms.api.engine import response_models as engine_models
from oms.contract import (
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_HEADER,
    LARGEST_JSON_INTEGER,
    LONGEST_IDEMPOTENCY_KEY,
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE,
    PROBLEMS,
    REPLAYED_HEADER,
)

SERVICE = Path(oms.__file__).parent / "api"
FILES = sorted(SERVICE.rglob("*.py"))
GATEWAY = Path(oms.__file__).parent / "cluster" / "gateway"
SCRIPTS = {path.name: path.read_text() for path in (SERVICE / "page").glob("*.js")}
NAMES = [IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER, PROBLEM_MEDIA_TYPE, PROBLEM_TYPE.partition("{")[0]]
LIMITS = {
    value for name, value in vars(contract).items() if name in contract.__all__ and isinstance(value, int)
}


def constants(path: Path) -> Iterator[object]:
    """Yield every constant in a file, except the docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SERVICE)))
def test_no_file_of_the_service_repeats_a_name_in_the_contract(path: Path) -> None:
    texts = [value.lower() for value in constants(path) if isinstance(value, str)]
    assert [name for name in NAMES if any(name.lower() in text for text in texts)] == []


def test_the_request_models_repeat_no_limit_in_the_contract() -> None:
    numbers = {value for value in constants(SERVICE / "request_models.py") if type(value) is int}
    assert {LARGEST_JSON_INTEGER, 1_000, LONGEST_IDEMPOTENCY_KEY} <= LIMITS
    assert numbers & LIMITS <= {100}  # the default length of a page, which is not a limit


def test_the_service_or_the_gateway_of_a_cluster_uses_every_problem_code_in_the_contract() -> None:
    files = [*FILES, *GATEWAY.glob("*.py")]
    used = {value for path in files for value in constants(path) if isinstance(value, str)}
    assert set(PROBLEMS) <= used


def test_the_longest_idempotency_key_is_accepted_and_a_longer_one_is_not() -> None:
    assert IDEMPOTENCY_KEY.fullmatch("k" * LONGEST_IDEMPOTENCY_KEY)
    assert not IDEMPOTENCY_KEY.fullmatch("k" * (LONGEST_IDEMPOTENCY_KEY + 1))


def test_the_page_uses_the_header_the_limit_and_the_codes_in_the_contract() -> None:
    server = SCRIPTS["server.js"]
    assert f'"{IDEMPOTENCY_KEY_HEADER}"' in server
    messages = re.search(r"const MESSAGES = \{(.*?)^\};", server, re.DOTALL | re.MULTILINE)
    assert messages is not None
    codes = re.findall(r"^  (\w+): \(", messages[1], re.MULTILINE)
    assert len(codes) > 5
    assert set(codes) <= PROBLEMS.keys()
    assert LARGEST_JSON_INTEGER == 2**53 - 1
    limits = [line for text in SCRIPTS.values() for line in text.splitlines() if "LARGEST =" in line]
    assert limits
    assert all("2n ** 53n - 1n" in line for line in limits)


def test_the_page_knows_every_field_that_contains_an_integer() -> None:
    declaration = re.search(r"INTEGER_FIELDS = new Set\(\[(.*?)\]\)", SCRIPTS["exact.js"], re.DOTALL)
    assert declaration is not None
    names = set(re.findall(r'"(\w+)"', declaration[1]))
    rooms = answer_models, response_models, engine_models, bulk_responses
    models = [getattr(room, name) for room in rooms for name in room.__all__]
    fields = {
        name
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, schema in model.model_json_schema().get("properties", {}).items()
        if re.search('/(Integer|Change)"', json.dumps(schema))
    }
    assert len(fields) > 20
    assert names == fields
    assert not names & {"symbol", "symbols", "type", "detail", "value"}
