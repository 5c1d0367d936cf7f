"""Predict, over a real connection: the bits of the offline scorer, and field-level refusals."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable

import grpc
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client, ModelUnknown, RequestInvalid, Violation
from dagrun.server.serving import Server
from dagrun.stages.bundle import Bundle, score

Row = Callable[..., dict[str, object]]

INT64 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.fixed_dictionaries(
    {
        "carrier": st.none() | st.sampled_from(["UA", "AA", "ua", "", "Ü", "new"]) | st.text(),
        "distance": st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
        "wind_speed": st.none() | st.floats(),
        "seats": st.none() | INT64,
        "sched_dep": st.none() | st.datetimes(),
        "booked": st.none() | st.datetimes(timezones=st.just(dt.UTC)),
        "bought": st.none() | st.dates(),
        "holiday": st.booleans(),
    }
)


def bits(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<f", value)


@pytest.mark.parametrize("sizes", [(1, 3), (9, 12)], ids=["row path", "matrix path"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_answers_have_the_bits_of_the_offline_scorer(
    client: Client, bundle: Bundle, sizes: tuple[int, int], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(ROWS, min_size=sizes[0], max_size=sizes[1]))
    frame = pl.DataFrame(
        rows, schema={column.name: column.frame_dtype for column in bundle.spec.inputs}
    )
    expected = score(bundle, frame)
    matrix = bundle.spec.transform(frame).cast(pl.Float32).fill_null(float("nan"))
    answers = client.predict("flights", rows, features=True)
    assert len(answers) == len(rows)
    for number, answer in enumerate(answers):
        probability, margin, label = expected.row(number)
        assert bits(answer.probability) == bits(probability)
        assert bits(answer.margin) == bits(margin)
        assert answer.label == label
        assert answer.features is not None
        assert list(map(bits, answer.features)) == list(map(bits, matrix.row(number)))
    plain = client.predict("flights", rows)
    assert [bits(answer.margin) for answer in plain] == [bits(a.margin) for a in answers]
    table = client.predict_table("flights", frame)
    assert table.drop("confidence").equals(expected)
    assert [bits(c) for c in table["confidence"]] == [bits(a.confidence) for a in answers]


def test_an_answer_says_who_made_it(client: Client, bundle: Bundle, make_row: Row) -> None:
    (answer,) = client.predict("flights", [make_row()])
    assert answer.bundle_digest == bundle.digest
    assert answer.threshold == bundle.threshold
    assert answer.model_version is None
    assert answer.features is None
    assert answer.confidence == pytest.approx(max(answer.probability, 1 - answer.probability))


def test_no_rows_no_answers(client: Client) -> None:
    assert client.predict("flights", []) == []


def test_every_violation_is_named_by_row_and_column(client: Client, make_row: Row) -> None:
    rows = [
        make_row(),
        make_row(distance="far", wind_speeed=1.0),
        make_row(seats=1.5, holiday=None, distance=float("nan")),
        make_row(sched_dep=dt.datetime(2013, 1, 1, tzinfo=dt.UTC)),
    ]
    del rows[3]["bought"]
    with pytest.raises(RequestInvalid) as caught:
        client.predict("flights", rows)
    wall_clock = "the model needs a wall-clock time (without a zone)"
    instant = "is a timestamp (an instant, in UTC microseconds)"
    assert set(caught.value.violations) == {
        Violation(1, "distance", "is a string; the model needs a double"),
        Violation(1, "wind_speeed", "the model has no such column. Did you mean 'wind_speed'?"),
        Violation(2, "seats", "is a double; the model needs an int64"),
        Violation(2, "holiday", "is null; the model needs a bool"),
        Violation(2, "distance", "is NaN, which means null; the model needs a number"),
        Violation(3, "sched_dep", f"{instant}; {wall_clock}"),
        Violation(3, "bought", "is missing; send a null if it is unknown"),
    }
    assert "row 2, seats: is a double" in str(caught.value)


def test_many_violations_still_fit_into_the_answer(client: Client, make_row: Row) -> None:
    rows = [make_row(**{f"{'ä' * 500}{number}": 1}) for number in range(900)]
    with pytest.raises(RequestInvalid) as caught:
        client.predict("flights", rows)
    assert 1 <= len(caught.value.violations) <= 20


def test_an_unknown_model_is_answered_with_those_there_are(client: Client, make_row: Row) -> None:
    with pytest.raises(ModelUnknown, match=r"Did you mean 'flights'\? Models: flights"):
        client.predict("flight", [make_row()])
    with pytest.raises(ModelUnknown, match="Models: flights"):
        client.model("x" * 10_000)


@pytest.mark.parametrize("method", ["Predict", "PredictTable", "GetModel"])
def test_bytes_that_are_no_message_are_refused(server: Server, method: str) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(f"/dagrun.v1.Prediction/{method}")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff\xff\xff", timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be read" in caught.value.details()


def test_a_model_describes_itself(client: Client, bundle: Bundle) -> None:
    (listed,) = client.models()
    model = client.model("flights")
    assert listed == model
    assert (model.name, model.version) == ("flights", None)
    assert model.bundle_digest == bundle.digest
    assert model.spec_digest == bundle.spec.digest
    assert model.model_digest == bundle.booster.digest
    assert model.features == bundle.spec.names
    assert model.metrics == {"auc": 0.9}
    assert (model.trained_from, model.trained_to) == ("2013-01-01", "2013-12-31")
    types = {column.name: (column.type, column.nullable) for column in model.columns}
    assert types == {
        "distance": ("double", False),
        "wind_speed": ("double", True),
        "carrier": ("string", True),
        "sched_dep": ("wall_clock", True),
        "booked": ("timestamp", True),
        "bought": ("date", True),
        "seats": ("int64", True),
        "holiday": ("bool", False),
    }


def test_callers_never_get_each_others_answers(server: Server, make_row: Row) -> None:
    """Many rows at once over several connections: each answer is that of its own row."""
    rows = [make_row(distance=float(number), seats=number) for number in range(200)]
    with Client(server.address, timeout=20) as client:
        alone = [client.predict("flights", [row])[0] for row in rows]
    requests = [
        pb.PredictRequest(model="flights", include_features=True, rows=[_wire(row)]) for row in rows
    ]
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            "/dagrun.v1.Prediction/Predict",
            pb.PredictRequest.SerializeToString,
            pb.PredictResponse.FromString,
        )
        answers = [call.future(request, timeout=20) for request in requests]
        seats = server.models.get("flights").bundle.spec.names.index("seats")
        for number, answer in enumerate(answers):
            (found,) = answer.result().answers
            assert found.features[seats] == number
            assert found.margin == alone[number].margin


def _wire(row: dict[str, object]) -> pb.Row:
    from dagrun.server.client.values import request

    return request("", [row], features=False).rows[0]
