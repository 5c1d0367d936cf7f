"""Many causes in one line: short, and none of them unmentioned."""

from __future__ import annotations

import os

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from dagrun.engine.explaining.changes import FileChange
from dagrun.engine.explaining.explain import Cause
from dagrun.engine.explaining.reasons import LONGEST, in_one_line

SOAK = bool(os.environ.get("DAGRUN_SOAK"))


def code(name: str, *, before: str | None = "x", after: str | None = "y") -> Cause:
    return Cause(kind="code", name=f"module:{name}", before=before, after=after)


def param(name: str, before: str, after: str) -> Cause:
    return Cause(kind="param", name=name, before=before, after=after)


def source(*names: str) -> Cause:
    files = tuple(FileChange(name=name, change="added") for name in names)
    return Cause(kind="source", name="files", before="a", after="b", files=files)


@pytest.mark.parametrize(
    ("causes", "line"),
    [
        ([code("fit")], "code: fit changed"),
        ([code("fit"), code("score")], "code: fit and score changed"),
        ([code(name) for name in "abcdefg"], "code: a and 6 more changed"),
        ([code("fit", before=None)], "code: fit added"),
        ([code("fit"), code("new", before=None)], "code: fit changed"),
        ([code("new", before=None), code("old", after=None)], "code: new and old changed"),
        ([param("depth", "6", "8")], "param depth: 6 -> 8"),
        ([param(name, "6", "8") for name in "abc"], "param a: 6 -> 8 (and 2 more params)"),
        ([code("fit"), param("depth", "6", "8")], "code: fit changed; param depth: 6 -> 8"),
        ([source("a.csv")], "file a.csv added"),
        ([source("a.csv", "b.csv", "c.csv")], "files: a.csv and 2 more changed"),
        ([source()], "source files changed"),
        (
            [Cause(kind="python", name="python", before="3.11", after="3.12")],
            "python: 3.11 -> 3.12",
        ),
        ([Cause(kind="distribution", name="polars", after="2.1")], "distribution polars added"),
        (
            [Cause(kind="input", name=name, before="a", after="changed") for name in "abc"],
            "inputs changed: a and 2 more",
        ),
    ],
)
def test_words(causes: list[Cause], line: str) -> None:
    assert in_one_line(causes) == line


KINDS = st.sampled_from(["code", "param", "input", "distribution", "setting", "python", "seed"])
CAUSES = st.lists(
    st.builds(
        lambda kind, name, before, after: Cause(kind=kind, name=name, before=before, after=after),
        KINDS,
        st.text("abc:", min_size=1, max_size=20),
        st.none() | st.text("xyz ", max_size=300),
        st.none() | st.text("xyz ", max_size=300),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=5_000 if SOAK else 200)
@given(CAUSES)
def test_a_line_stays_short_and_mentions_every_kind(causes: list[Cause]) -> None:
    line = in_one_line(causes)
    assert len(line) <= LONGEST + 60
    told = sum(word in line for word in {cause.kind for cause in causes})
    if "more kind" not in line:
        assert told == len({cause.kind for cause in causes})
