"""What the client writes by hand is what protobuf would have written."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import KeysUnmatched, encode, named

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)
VALUES = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=300),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
)
ROWS = st.lists(st.dictionaries(st.text(max_size=200), VALUES, max_size=12), max_size=4)


def message(value: object) -> pb.Value:
    match value:
        case None:
            return pb.Value()
        case bool():
            return pb.Value(bool_value=value)
        case float():
            return pb.Value(double_value=value)
        case int():
            return pb.Value(int64_value=value)
        case str():
            return pb.Value(string_value=value)
        case dt.datetime(tzinfo=None):
            return pb.Value(wall_clock_micros=(value - EPOCH) // MICROSECOND)
        case dt.datetime():
            return pb.Value(timestamp_micros=(value - EPOCH.replace(tzinfo=dt.UTC)) // MICROSECOND)
        case dt.date():
            return pb.Value(date_days=(value - EPOCH.date()).days)
    raise TypeError(value)


@settings(max_examples=2_000 if os.environ.get("DAGRUN_SOAK") else 100, deadline=None)
@given(st.text(max_size=200), ROWS, st.booleans())
def test_the_bytes_mean_what_was_given(
    model: str, rows: list[dict[str, object]], features: bool
) -> None:
    expected = pb.PredictRequest(
        model=model,
        rows=[pb.Row(values={name: message(x) for name, x in row.items()}) for row in rows],
        include_features=features,
    )
    found = pb.PredictRequest.FromString(encode(model, rows, features=features))
    # Not by ==, to which NaN is another one each time.
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


def test_rows_have_keys_and_requests_a_name() -> None:
    """Fields `Row.key` = 2 and `PredictRequest.request_id` = 4."""
    row = b"\x12\x04\x12\x02\xc3\xa9"
    assert encode("m", [{}], features=False, keys=["é"]) == b"\x0a\x01m" + row
    assert named(b"before", "a-1") == b"before\x22\x03a-1"
    with pytest.raises(KeysUnmatched, match="1 keys for 2 rows"):
        encode("m", [{}, {}], features=False, keys=["a"])
