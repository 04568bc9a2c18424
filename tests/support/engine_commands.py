"""Random verbs of a matching engine, for tests of code that follows its changes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from oms import MatchingEngine, OmsError
from support.engine_machine import submissions

ids = st.integers(0, 12) | st.sampled_from(["a", "b"])

verbs: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("submit"), ids, submissions()),
    st.tuples(st.just("submit"), ids, submissions()),
    st.tuples(st.just("cancel"), ids),
    st.tuples(st.just("reduce"), ids, st.integers(1, 5)),
    st.tuples(st.just("replace"), ids, st.none() | st.integers(1, 9), st.none() | st.integers(1, 6)),
    st.tuples(st.just("cancel_all"), st.none() | st.just("JPM")),
    st.tuples(st.just("expire"), st.integers(1, 9)),
    st.tuples(st.just("end_day")),
)


def run_verbs(engine: MatchingEngine, verbs: Iterable[tuple[Any, ...]]) -> None:
    """Call the verbs. Ignore those that the engine rejects."""
    for name, *arguments in verbs:
        with suppress(OmsError):
            if name == "submit":
                order_id, terms = arguments
                fields = terms._asdict() | {"order_id": order_id}
                engine.submit(**fields)
            elif name == "replace":
                engine.replace(arguments[0], amount=arguments[1], price=arguments[2])
            else:
                getattr(engine, name)(*arguments)
