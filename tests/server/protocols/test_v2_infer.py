"""ModelInfer over a real connection: the bits of the offline scorer, in every form of request."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import polars as pl
import pytest
from tests_v2 import Request, columns, method, parameters

from dagrun.server.protocols import v2_messages as v2
from dagrun.server.serving import Server
from dagrun.server.serving.answers import with_confidence
from dagrun.stages.bundle import Bundle, score

Rows = Callable[[int, int], pl.DataFrame]
Infer = Callable[[Request], Any]


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def infer(channel: grpc.Channel) -> Infer:
    call = method(channel, "ModelInfer", v2.ModelInferResponse)
    return lambda request: call(request.message, timeout=30)


def refusal(infer: Infer, request: Request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        infer(request)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("flat", [True, False], ids=["[N]", "[N,1]"])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("rows", [0, 1, 2, 127, 128, 1000])
def test_answers_have_the_bits_of_the_offline_scorer(
    infer: Infer, bundle: Bundle, make_rows: Rows, rows: int, raw: bool, flat: bool
) -> None:
    frame = make_rows(1000, rows).head(rows)
    response = infer(Request(raw=raw, flat=flat).frame(frame))
    expected = with_confidence(score(bundle, frame))
    found = columns(response)
    assert list(found) == ["probability", "margin", "label", "confidence"]
    made = pl.DataFrame(found, schema_overrides={"margin": pl.Float32})
    assert made.cast(dict(expected.schema)).equals(expected)
    assert bool(response.raw_output_contents) == raw
    assert parameters(response.parameters) == {
        "bundle_digest": bundle.digest,
        "threshold": bundle.threshold,
    }


def test_every_datatype_that_holds_a_value_exactly_is_taken(
    infer: Infer, bundle: Bundle, make_rows: Rows
) -> None:
    frame = (
        make_rows(100, 5)
        .head(3)
        .with_columns(
            distance=pl.Series([100.0, 7.0, 99.0]),
            wind_speed=pl.Series([None, 0.5, 12.0], dtype=pl.Float64),
            seats=pl.Series([3, None, 120], dtype=pl.Int64),
            carrier=pl.Series(["UA", None, "é"]),
        )
    )
    expected = with_confidence(score(bundle, frame)).to_dict(as_series=False)
    whole = [100, 7, 99]
    narrow = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
    times = {
        "sched_dep": [moment.isoformat().encode() for moment in frame["sched_dep"]],
        "booked": [moment.isoformat().encode() for moment in frame["booked"]],
        "bought": [day.isoformat().encode() for day in frame["bought"]],
    }
    rest = frame.drop("distance", "seats", "carrier", *times)
    nan = float("nan")
    for raw in (True, False):
        floats = ("FP16", "FP32", "FP64") if raw else ("FP32", "FP64")
        for kind in (*narrow, *floats):
            request = Request(raw=raw).frame(rest).add("distance", kind, whole)
            if kind in floats:
                request.add("seats", kind, [3, nan, 120])
                request.add("carrier", "BYTES", [b'"UA"', b"null", '"é"'.encode()], "pd_json")
            else:
                request.add("seats", kind, [3, 1, 120])
                request.add("seats__valid", "BOOL", [True, False, True])
                request.add("carrier__valid", "BOOL", [True, False, True])
                request.add("carrier", "BYTES", [b"UA", b"", "é".encode()], "str")
            for name, texts in times.items():
                request.add(name, "BYTES", texts, "datetime")
            assert columns(infer(request)) == expected, (kind, raw)


def test_a_pandas_column_of_bools_with_nulls_and_times_as_json(
    infer: Infer, bundle: Bundle, make_rows: Rows
) -> None:
    frame = (
        make_rows(100, 6)
        .head(2)
        .with_columns(
            sched_dep=pl.Series([dt.datetime(2013, 1, 1), None]),
            bought=pl.Series([None, dt.date.max]),
        )
    )
    request = Request(raw=False).frame(frame.drop("holiday", "sched_dep", "bought", "seats"))
    holiday = [b"true" if one else b"false" for one in frame["holiday"]]
    seats = [b"null" if one is None else b"%d" % one for one in frame["seats"]]
    request.add("holiday", "BYTES", holiday, "pd_json").add("seats", "BYTES", seats, "pd_json")
    request.add("sched_dep", "BYTES", [b'"2013-01-01T00:00:00"', b"null"], "pd_json")
    request.add("bought", "BYTES", [b"null", b'"9999-12-31"'], "pd_json")
    expected = with_confidence(score(bundle, frame)).to_dict(as_series=False)
    assert columns(infer(request)) == expected


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_the_outputs_asked_for_come_in_their_order_with_the_id(
    infer: Infer, make_rows: Rows, raw: bool
) -> None:
    request = Request(raw=raw).frame(make_rows(100, 1).head(1))
    request.message.id = "a" * 300
    request.message.outputs.add(name="label")
    request.message.outputs.add(name="probability")
    response = infer(request)
    assert response.id == "a" * 300
    assert [output.name for output in response.outputs] == ["label", "probability"]
    assert (
        columns(response).items()
        <= columns(infer(Request(raw=True).frame(make_rows(100, 1).head(1)))).items()
    )
    request.message.outputs.add(name="propability")
    code, details = refusal(infer, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "outputs.propability: there is no such output. Did you mean 'probability'?" in details


WRONG: dict[str, tuple[Callable[[Request], object], str]] = {
    "beyond 2**53": (
        lambda r: r.add("distance", "INT64", [1, 2**53 + 1]),
        r"inputs.distance\[1\]: 9007199254740993 is beyond 2\*\*53",
    ),
    "null": (lambda r: r.add("distance", "FP64", [1, float("nan")]), r"distance\[1\]: is null"),
    "a text": (
        lambda r: r.add("distance", "BYTES", [b"1", b"2"]),
        "inputs.distance: is BYTES; it takes FP64, FP32",
    ),
    "no datatype": (
        lambda r: r.add("distance", "FP64", [1, 2]).message.inputs[-1].ClearField("datatype"),
        "of no datatype",
    ),
    "another count": (
        lambda r: r.add("distance", "FP64", [1, 2, 3]),
        "has 3 rows, and 'wind_speed' has 2",
    ),
    "a mask of another type": (
        lambda r: r.add("distance", "FP64", [1, 2]).add("distance__valid", "INT8", [1, 1]),
        "inputs.distance__valid: is INT8; it takes BOOL",
    ),
    "masked": (
        lambda r: r.add("distance", "FP64", [1, 2]).add("distance__valid", "BOOL", [True, False]),
        r"inputs.distance\[1\]: is null",
    ),
    "twice": (
        lambda r: r.add("distance", "FP64", [1, 2]).add("distance", "FP64", [1, 2]),
        "inputs.distance: is there twice",
    ),
    "unknown": (
        lambda r: r.add("distence", "FP64", [1, 2]),
        "inputs.distence: the model has no such column. Did you mean 'distance'?",
    ),
    "missing": (lambda r: r, "inputs.distance: is missing"),
}


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("problem", WRONG)
def test_a_refusal_names_tensor_and_row(
    infer: Infer, make_rows: Rows, problem: str, raw: bool
) -> None:
    change, expected = WRONG[problem]
    request = Request(raw=raw).frame(
        make_rows(100, 1).head(2).select("wind_speed", pl.exclude("wind_speed", "distance"))
    )
    change(request)
    code, details = refusal(infer, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(expected, details), details


def test_tensors_of_a_wrong_size_are_refused(infer: Infer, make_rows: Rows) -> None:
    for place, damage, expected in (
        ("distance", b"1234567", "holds 7 bytes; 1 of FP64 take 8"),
        ("carrier", b"\x02\0\0\0U", "its 5 bytes are not 1 elements of BYTES"),
        ("carrier", b"\xff\xff\xff\xffUA", "its 6 bytes are not 1 elements of BYTES"),
    ):
        frame = make_rows(100, 1).head(1).with_columns(carrier=pl.lit("UA"))
        request = Request(raw=True).frame(frame)
        number = [tensor.name for tensor in request.message.inputs].index(place)
        request.message.raw_input_contents[number] = damage
        assert expected in refusal(infer, request)[1]
    request = Request(raw=True).frame(make_rows(100, 1).head(1))
    request.message.raw_input_contents.pop()
    assert "a raw request has every input there" in refusal(infer, request)[1]
    huge = Request(raw=True).frame(make_rows(100, 1).head(1))
    huge.message.inputs[0].shape[:] = [2**62]
    assert "at most 1000000" in refusal(infer, huge)[1]
    for shape in ([1, 2], [1, 1, 1], [-1], []):
        request = Request(raw=True).frame(make_rows(100, 1).head(1))
        request.message.inputs[1].ClearField("shape")
        request.message.inputs[1].shape.extend(shape)
        assert f"has the shape {shape}; a column has" in refusal(infer, request)[1]


def test_names_and_versions(infer: Infer, make_rows: Rows) -> None:
    request = Request("flihgts", raw=True).frame(make_rows(100, 1).head(1))
    code, details = refusal(infer, request)
    assert code is grpc.StatusCode.NOT_FOUND
    assert "Did you mean 'flights'?" in details
    request = Request("flights", raw=True).frame(make_rows(100, 1).head(1))
    request.message.model_version = "7"
    code, details = refusal(infer, request)
    assert code is grpc.StatusCode.NOT_FOUND
    assert "'flights@7'" in details
