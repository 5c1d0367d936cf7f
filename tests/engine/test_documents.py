"""Documents come back equal or are refused; files are copied whole."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import math
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagrun.engine.documents import (
    DOCUMENT,
    FILE,
    UnstorableDocument,
    UnstorableFile,
    WrongType,
    document_digest,
    from_form,
    to_form,
)
from dagrun.engine.errors import DagrunError, Unhashable, UnknownVersion

SOAK = bool(os.environ.get("DAGRUN_SOAK"))


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    auc: float
    rows: tuple[int, ...] = ()
    colour: Colour = Colour.RED


@dataclasses.dataclass(frozen=True)
class Doubling:
    x: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", self.x * 2)


class Pair(NamedTuple):
    x: int
    y: int


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.just(Colour.RED)
)
KEYS = st.text() | st.integers() | st.just("$tuple")
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(Report, auc=st.floats(), rows=st.tuples(st.integers()))
    ),
    max_leaves=8,
)


def spelled(value: Any) -> Any:
    """A value with the bits of its floats, so that NaN equals NaN and -0.0 differs from 0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, list | tuple):
        return type(value), [spelled(item) for item in value]
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    if isinstance(value, Report):
        return Report, spelled(value.auc), value.rows, value.colour
    return type(value), value


@settings(
    max_examples=5_000 if SOAK else 200,
    derandomize=not SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=VALUES)
def test_documents_round_trip(tmp_path: Path, value: Any) -> None:
    dumped = DOCUMENT.dump(value, tmp_path / "blob")
    loaded = DOCUMENT.load(tmp_path / "blob", None)
    assert spelled(loaded) == spelled(value)
    assert dumped.logical == document_digest(to_form(loaded))
    assert DOCUMENT.dump(loaded, tmp_path / "again") == dumped
    assert (tmp_path / "again").read_bytes() == (tmp_path / "blob").read_bytes()


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, -0.0, 5e-324, 2**64, -(10**4000), "\ud800", "\ud83d\ude00", "😀", ""],
    ids=lambda value: repr(value)[:12],
)
def test_hard_scalars(tmp_path: Path, value: Any) -> None:
    DOCUMENT.dump([value], tmp_path / "blob")
    (loaded,) = DOCUMENT.load(tmp_path / "blob", None)
    assert repr(loaded) == repr(value)


def test_the_order_of_a_dict_does_not_matter_but_that_of_a_list_does() -> None:
    assert document_digest(to_form({"a": 1, "b": 2})) == document_digest(to_form({"b": 2, "a": 1}))
    assert document_digest(to_form([1, 2])) != document_digest(to_form([2, 1]))


def test_values_of_other_types_are_refused_with_their_place() -> None:
    for value in (Pair(1, 2), collections.OrderedDict(a=1), object()):
        with pytest.raises(Unhashable, match=r"result\['deep'\]\[0\]"):
            to_form({"deep": [value]})


def local_report() -> Any:
    @dataclasses.dataclass(frozen=True)
    class Local:
        x: int = 1

    return Local()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (local_report(), "cannot be imported"),
        (Doubling(1), "come back changed"),
        (10**5000, "digits"),
    ],
    ids=["local class", "changing class", "huge integer"],
)
def test_what_could_not_be_read_back_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(UnstorableDocument, match=problem):
        to_form(value)


def test_a_document_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(UnstorableDocument, match="contains itself"):
        to_form(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Report(auc=0.5), Report),
        ({"a": 1}, dict[str, int]),
        ((1, 2), tuple[int, ...]),
        (1, float),
        (0.5, float | None),
        (dt.date(2013, 1, 1), dt.date),
        ([1], Any),
    ],
)
def test_consumers_get_what_they_ask_for(value: Any, wanted: Any) -> None:
    assert from_form(to_form(value), wanted) == value


@pytest.mark.parametrize(
    ("value", "wanted", "message"),
    [
        ({"auc": 0.5}, Report, "is a builtins:dict, not a .*Report"),
        (Report(auc=0.5), dict[str, float], r"not a dict\[str, float\]"),
        ([1], tuple, "not a builtins:tuple"),
    ],
)
def test_consumers_of_another_type_are_told(value: Any, wanted: Any, message: str) -> None:
    with pytest.raises(WrongType, match=message):
        from_form(to_form(value), wanted)


def test_documents_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text('{"document":1,"version":99}')
    with pytest.raises(UnknownVersion, match="99"):
        DOCUMENT.load(tmp_path / "blob", None)


def test_a_file_is_copied_and_stays_its_authors(tmp_path: Path) -> None:
    mine, blob = tmp_path / "model.onnx", tmp_path / "blob"
    mine.write_bytes(b"\0weights")
    dumped = FILE.dump(mine, blob)
    assert (dumped.logical, dumped.rows) == (None, None)
    mine.write_bytes(b"other")
    loaded = FILE.load(blob, Path)
    assert loaded.read_bytes() == b"\0weights"
    with pytest.raises(WrongType, match="not a builtins:str"):
        FILE.load(blob, str)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    for path, problem in [
        (tmp_path, "is a folder"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / "dangling", "does not exist"),
        (tmp_path / "pipe", "is no regular file"),
    ]:
        with pytest.raises(UnstorableFile, match=problem) as caught:
            FILE.dump(path, tmp_path / "blob")
        assert isinstance(caught.value, DagrunError)
