"""The reader of V2 requests: one row, few and many are read to the same values, or refused."""

from __future__ import annotations

import os
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_v2 import Request

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.v2_reader import NotRead, V2Reader, drop
from dagrun.server.protocols.v2_tensor import DATATYPES
from dagrun.server.protocols.v2_violations import violations
from dagrun.stages.bundle import Bundle
from dagrun.stages.features import Column
from dagrun.stages.features.column import admit
from dagrun.stages.ops.errors import BadValue, DtypeMismatch

COLUMNS = (
    Column(name="d", dtype="double", nullable=False),
    Column(name="n", dtype="double"),
    Column(name="i", dtype="int64"),
    Column(name="s", dtype="string"),
    Column(name="b", dtype="bool"),
    Column(name="w", dtype="timestamp"),
    Column(name="t", dtype="timestamp", aware=True),
    Column(name="y", dtype="date"),
)
TEXTS = st.sampled_from(
    [
        *[b"", b"UA", b"\xff", b"null", b"true", b"1.5", b"7", b'"x"', b"[", b"NaN", b"[" * 9000],
        *[b"2013-01-01", b"2013-01-01T10:00:00", b"2013-01-01T10:00:00.1234567"],
        *[b"2013-01-01T10:00:00+02:00", b"0001-01-01T00:00:00+14:00"],
        *[b'"2013-01-01"', b'"2013-01-01T10:00:00Z"'],
    ]
)
FITTING = {
    "double": ["FP64", "FP32", "INT64", "UINT8"],
    "int64": ["INT64", "UINT64", "INT16", "FP64"],
    "string": ["BYTES"],
    "bool": ["BOOL", "BYTES"],
    "timestamp": ["INT64", "BYTES"],
    "date": ["INT32", "INT64", "BYTES"],
}


FITTING_TEXTS = {
    "string": [b"", b"UA"],
    "bool": [b"true", b"null"],
    "timestamp": [b"2013-01-01T10:00:00", b"2013-01-01"],
    "instant": [b"2013-01-01T10:00:00+02:00", b"9999-12-31T23:59:59.999999Z"],
    "date": [b"2013-01-01", b"2013-01-01T00:00:00"],
}


def values(datatype: str, texts: st.SearchStrategy[bytes] = TEXTS) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return texts
    if datatype == "BOOL":
        return st.booleans()
    if datatype.startswith("FP"):
        wide = st.sampled_from([0.0, -0.0, 1.5, 3.0, float("nan"), float("inf"), 2.0**54])
        return wide if datatype == "FP64" else wide | st.floats(width=16)
    bits = int(datatype.strip("UINT"))
    low, high = (
        (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return st.integers(low, high) | st.integers(0, 100)


@st.composite
def requests(draw: st.DrawFn, rows: int) -> Any:
    """Draw a request: one half of them fit but for their values, in the other anything goes."""
    request = Request(raw=draw(st.booleans()), flat=draw(st.booleans()))
    fitting = draw(st.booleans())
    for column in COLUMNS:
        datatype = draw(st.sampled_from(FITTING[column.dtype]))
        texts = TEXTS
        content = "pd_json" if column.dtype == "bool" else "str"
        if fitting:
            texts = st.sampled_from(FITTING_TEXTS.get(column.kind, [b""]))
        elif draw(st.booleans()):
            datatype = draw(st.sampled_from(sorted(DATATYPES.keys() - {"FP16"})))
            content = draw(st.sampled_from(["", "str", "datetime", "pd_json", "base64"]))
        elements = draw(st.lists(values(datatype, texts), min_size=rows, max_size=rows))
        request.add(column.name, datatype, elements, content if datatype == "BYTES" else "")
        if draw(st.integers(0, 3)) == 0:
            valid = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
            request.add(f"{column.name}__valid", "BOOL", valid)
    kept = draw(st.integers(0, 15))
    if not fitting and kept < len(request.message.inputs):
        del request.message.inputs[kept:]
        del request.message.raw_input_contents[kept:]
    if not fitting and draw(st.integers(0, 9)) == 0 and request.message.inputs:
        request.message.inputs[0].shape[:] = draw(st.lists(st.integers(-1, 3), max_size=3))
    return request.message


def by_frame(reader: V2Reader, request: Any) -> list[tuple[Any, ...]] | None:
    try:
        columns = [series.to_list() for series in admit(COLUMNS, reader.frame(request))]
    except (NotRead, BadValue, DtypeMismatch):
        return None
    return list(zip(*columns, strict=True))


def plain(row: Any) -> list[Any]:
    """Return values with NaN as null, and with their types."""
    return [None if value is None or value != value else (type(value), value) for value in row]


EXAMPLES = 3_000 if os.environ.get("DAGRUN_SOAK") else 100


@settings(max_examples=EXAMPLES)
@given(request=requests(rows=1))
def test_one_row_is_read_as_many_are(request: Any) -> None:
    reader = V2Reader(COLUMNS)
    expected = by_frame(reader, request)
    try:
        row = reader.row(request)
    except NotRead:
        # What the fast way leaves to the other: JSON, and shapes that it does not know.
        json = [t for t in request.inputs if t.parameters["content_type"].string_param == "pd_json"]
        assert expected is None or json
    else:
        assert expected is not None
        assert plain(row) == plain(expected[0])
    assert bool(list(violations(reader, request))) == (expected is None)


@settings(max_examples=EXAMPLES)
@given(request=requests(rows=3))
def test_what_is_refused_is_explained_and_nothing_else(request: Any) -> None:
    reader = V2Reader(COLUMNS)
    assert bool(list(violations(reader, request))) == (by_frame(reader, request) is None)


@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    reader = V2Reader(COLUMNS)
    try:
        request = v2.ModelInferRequest.FromString(data)
    except Exception:  # noqa: BLE001 - the parser's own
        return
    assert by_frame(reader, request) is None
    with pytest.raises(NotRead):
        reader.row(request)
    assert list(violations(reader, request))


def test_a_column_whose_name_ends_like_a_mask_is_a_column(bundle: Bundle) -> None:
    columns = (Column(name="a", dtype="double"), Column(name="a__valid", dtype="double"))
    request = Request(raw=True).add("a", "FP64", [1.0]).add("a__valid", "FP64", [2.0]).message
    reader = V2Reader(columns)
    assert reader.row(request) == [1.0, 2.0]
    assert reader.frame(request).equals(pl.DataFrame({"a": [1.0], "a__valid": [2.0]}))


@pytest.mark.parametrize("raw", [True, False])
def test_columns_of_other_versions_are_dropped_with_their_masks(raw: bool) -> None:
    request = Request(raw=raw)
    for name in ("a", "new", "b"):
        request.add(name, "FP64", [1.0]).add(f"{name}__valid", "BOOL", [True])
    assert drop(request.message, {"new"})
    expected = Request(raw=raw)
    for name in ("a", "b"):
        expected.add(name, "FP64", [1.0]).add(f"{name}__valid", "BOOL", [True])
    assert request.message == expected.message
    assert not drop(request.message, {"new"})
