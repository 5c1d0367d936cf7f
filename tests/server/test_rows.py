"""Reading rows from the wire, and saying what is wrong with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving.rows import NotAdmitted, RowReader
from dagrun.stages.features import Column

ANY_KIND = {
    "double_value": st.floats(),
    "int64_value": st.integers(-(2**63), 2**63 - 1),
    "string_value": st.text(),
    "bool_value": st.booleans(),
    "timestamp_micros": st.integers(-(2**63), 2**63 - 1),
    "wall_clock_micros": st.integers(-(2**63), 2**63 - 1),
    "date_days": st.integers(-(2**31), 2**31 - 1),
}
COLUMNS = {
    "double_value": Column(name="x", dtype="double"),
    "int64_value": Column(name="x", dtype="int64"),
    "string_value": Column(name="x", dtype="string"),
    "bool_value": Column(name="x", dtype="bool"),
    "timestamp_micros": Column(name="x", dtype="timestamp", aware=True),
    "wall_clock_micros": Column(name="x", dtype="timestamp"),
    "date_days": Column(name="x", dtype="date"),
}


def request(**values: pb.Value) -> pb.PredictRequest:
    return pb.PredictRequest.FromString(
        pb.PredictRequest(rows=[pb.Row(values=values)]).SerializeToString()
    )


def problems(columns: list[Column], sent: pb.PredictRequest) -> dict[str, str]:
    return dict(RowReader(columns).violations(sent))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_read_is_what_was_sent_or_it_is_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ANY_KIND)))
    column = COLUMNS[data.draw(st.sampled_from(sorted(COLUMNS)))]
    value = data.draw(ANY_KIND[kind])
    sent = request(x=pb.Value(**{kind: value}))
    widened = column.dtype == "double" and kind == "int64_value" and abs(value) <= 2**53
    if COLUMNS[kind] != column and not widened:
        assert problems([column], sent)
        with pytest.raises(NotAdmitted):
            RowReader([column]).read(sent.rows[0].values)
        return
    assert not problems([column], sent)
    (cell,) = RowReader([column]).read(sent.rows[0].values)
    assert type(cell) is (float if widened else type(value))
    assert repr(cell) == repr(float(value) if widened else value)


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_null_is_none_where_it_is_allowed(kind: str) -> None:
    column = COLUMNS[kind]
    assert RowReader([column]).read(request(x=pb.Value()).rows[0].values) == [None]
    strict = Column(name="x", dtype=column.dtype, aware=column.aware, nullable=False)
    with pytest.raises(NotAdmitted):
        RowReader([strict]).read(request(x=pb.Value()).rows[0].values)
    assert "is null; the model needs" in problems([strict], request(x=pb.Value()))["rows[0].x"]


def test_nan_is_null_for_the_reader_of_required_columns() -> None:
    sent = request(x=pb.Value(double_value=math.nan))
    (cell,) = RowReader([Column(name="x", dtype="double")]).read(sent.rows[0].values)
    assert isinstance(cell, float)
    assert math.isnan(cell)
    required = Column(name="x", dtype="double", nullable=False)
    with pytest.raises(NotAdmitted):
        RowReader([required]).read(request(x=pb.Value(double_value=math.nan)).rows[0].values)
    assert "NaN" in problems([required], sent)["rows[0].x"]


def test_values_come_in_the_order_of_the_columns() -> None:
    columns = [Column(name=name, dtype="int64") for name in "cab"]
    sent = request(**{name: pb.Value(int64_value=ord(name)) for name in "abc"})
    assert RowReader(columns).read(sent.rows[0].values) == [ord(name) for name in "cab"]


def test_missing_and_extra_columns_are_named_with_the_nearest() -> None:
    columns = [Column(name=name, dtype="double") for name in ("distance", "wind_speed")]
    number = pb.Value(double_value=1)
    with pytest.raises(NotAdmitted):
        RowReader(columns).read(request(distance=number).rows[0].values)
    with pytest.raises(NotAdmitted):
        RowReader(columns).read(request(distance=number, wnd_speed=number).rows[0].values)
    assert problems(columns, request(distance=number, wnd_speed=number)) == {
        "rows[0].wnd_speed": "the model has no such column. Did you mean 'wind_speed'?",
        "rows[0].wind_speed": "is missing; send a null if it is unknown",
    }
    extra = problems(columns, request(distance=number, wind_speed=number, zzz=number))
    assert extra == {"rows[0].zzz": "the model has no such column. Columns: distance, wind_speed"}


def test_an_integer_enters_a_double_column_only_if_it_fits() -> None:
    column = Column(name="x", dtype="double")
    for value in (2**53, -(2**53)):
        (cell,) = RowReader([column]).read(request(x=pb.Value(int64_value=value)).rows[0].values)
        assert cell == value
        assert isinstance(cell, float)
    found = problems([column], request(x=pb.Value(int64_value=2**53 + 1)))
    assert found == {"rows[0].x": "9007199254740993 is beyond 2**53 and does not fit a double"}
