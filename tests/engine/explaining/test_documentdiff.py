"""Differences of documents: complete, and each at its place."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from dagrun.engine.explaining.documentdiff import (
    compare_documents,
    describe_documents,
    readable_form,
)

SOAK = bool(os.environ.get("DAGRUN_SOAK"))

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", 0.5, -0.0])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "two words"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def told(before: Any, after: Any) -> list[str]:
    return [
        f"{place.change} {place.path} {place.before!r} {place.after!r}"
        for place in compare_documents(before, after)
    ]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, ["changed $.b.c 2 3"]),
        ({"a": 1}, {"b": 1}, ["added $.b None 1", "removed $.a 1 None"]),
        ({"two words": 1}, {"two words": 2}, ['changed $["two words"] 1 2']),
        ([1, 2, 3], [1, 5, 3], ["changed $[1] 2 5"]),
        (["a", "b", "c"], ["a", "c"], ["removed $[1] 'b' None"]),
        (["a", "b", "c"], ["x", "a", "b"], ["added $[0] None 'x'", "removed $[2] 'c' None"]),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], ["changed $[1].n 2 3"]),
        (1, True, ["changed $ 1 True"]),
        (1, 1.0, ["changed $ 1 1.0"]),
        (0.0, -0.0, ["changed $ 0.0 -0.0"]),
        (float("nan"), float("nan"), []),
        ([1], {"a": 1}, ["changed $ [1] {'a': 1}"]),
    ],
)
def test_places(before: Any, after: Any, lines: list[str]) -> None:
    assert told(before, after) == lines


def test_stored_forms_are_compared_without_their_classes() -> None:
    before = {"$dataclass": ["gone:Report", {"auc": {"$float": (0.7).hex()}, "n": [1, 2, 3]}]}
    after = {"$dataclass": ["gone:Report", {"auc": {"$float": "nan"}, "n": [1, 2], "x": None}]}
    told = "$.auc 0.7 -> nan, $.n[2] removed, $.x added"
    assert describe_documents(before, after) == told
    assert describe_documents(before, after, most=1) == "$.auc 0.7 -> nan (and 2 more)"
    nested = {"$dict": [[1, {"$tuple": [{"$enum": ["m:E", "RED", 1]}]}]], "text": "x" * 50}
    assert readable_form({"$dict": nested["$dict"]}) == {"1": ["RED"]}


def at(document: Any, path: str) -> Any:
    """Follow a path into a document."""
    for name, quoted in re.findall(r"\.(\w+)|\[([^\]]+)\]", path):
        document = document[name or json.loads(quoted)]
    return document


@settings(max_examples=5_000 if SOAK else 150)
@given(DOCUMENTS, DOCUMENTS)
def test_nothing_is_found_only_between_equal_documents(before: Any, after: Any) -> None:
    places = list(compare_documents(before, after))
    assert (places == []) == (repr(before) == repr(after) or same(before, after))
    for place in places:
        if place.change != "removed":
            assert at(after, place.path) is place.after or at(after, place.path) == place.after
        if place.change == "removed":
            assert at(before, place.path) == place.before


def same(before: Any, after: Any) -> bool:
    """Tell whether two documents are equal but for the order of their members."""
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
