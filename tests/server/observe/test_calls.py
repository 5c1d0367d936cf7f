"""What a server counts and tells of the calls it gets, over the wire."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
import polars as pl
import pytest

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.observe import metrics
from dagrun.server.observe.recorder import ROW_PHASES, TABLE_PHASES
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.server.serving.calls import _Limit
from dagrun.server.serving.rows import RowReader
from dagrun.stages.bundle import Bundle

Row = Callable[..., dict[str, object]]
Start = Callable[..., Server]


def predict(server: Server, sent: pb.PredictRequest, request_id: str | None = None) -> Any:
    """Send one request without retries; return its outcome, an error as it is."""
    with grpc.insecure_channel(server.address, [("grpc.enable_retries", 0)]) as channel:
        call = channel.unary_unary(
            "/dagrun.v1.Prediction/Predict",
            pb.PredictRequest.SerializeToString,
            pb.PredictResponse.FromString,
        )
        metadata = [("x-request-id", request_id)] if request_id else None
        try:
            return call(sent, timeout=20, metadata=metadata)
        except grpc.RpcError as error:
            return error


def readings(server: Server, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(labels): value
        for found, labels, value in server.recorder.snapshot()["readings"]
        if found == name
    }


def test_answered_calls_are_counted_with_rows_bytes_and_phases(
    start: Start, bundle: Bundle, make_row: Row, make_rows: Callable[..., pl.DataFrame]
) -> None:
    server = start()
    with Client(server.address, timeout=20) as client:
        client.predict("flights", [make_row()])
        client.predict("flights", [make_row()] * 3)
        client.predict_table("flights", make_rows(50, 1))
    rows, table = server.recorder.snapshot()["calls"]
    assert (rows["method"], rows["sizes"][:2]) == ("Predict", [2, 4])
    assert (table["method"], table["sizes"][:2]) == ("PredictTable", [1, 50])
    for call, phases in ((rows, ROW_PHASES), (table, TABLE_PHASES)):
        assert call["labels"] == ["flights", bundle.digest[:12], ""]
        assert call["phases"] == list(phases)
        *parts, whole = call["sums"]
        assert sum(parts) == whole
        assert all(part > 0 for part in parts)
        assert min(call["sizes"][2:]) > 0
    assert readings(server, metrics.MODEL_INFO) == {
        ("flights", bundle.digest[:12], "", bundle.digest): 1
    }
    assert readings(server, metrics.THREADS) == {("predict",): 8, ("table",): 2}
    assert readings(server, metrics.RESIDENT)[()] > 10**6


def test_rows_left_to_xgboost_have_phases_too(bundle: Bundle, make_row: Row) -> None:
    model = ServedModel("flights", bundle)
    with (
        Server(Models([model]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=20) as client,
    ):
        model.scorer.left_to_xgboost = "a test"
        client.predict("flights", [make_row()] * 20)
        (call,) = server.recorder.snapshot()["calls"]
    assert call["sizes"][:2] == [1, 20]
    assert all(part > 0 for part in call["sums"])


def test_refusals_are_counted_under_the_model_once_it_is_known(
    start: Start, bundle: Bundle, make_row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    wrong = request("flights", [make_row(distance="far")], features=False)
    with caplog.at_level(logging.INFO, "dagrun.server"):
        refused = predict(server, wrong, "order-17")
        unknown = predict(server, request("flihgts", [make_row()], features=False), "x" * 65)
        predict(server, request("flights", [make_row()], features=False))
    model = ("flights", bundle.digest[:12], "")
    assert readings(server, metrics.REQUESTS) == {
        ("Predict", *model, "INVALID_ARGUMENT"): 1,
        ("Predict", "", "", "", "NOT_FOUND"): 1,
    }
    first, second = caplog.records
    assert dict(refused.trailing_metadata())["x-request-id"] == "order-17"
    assert (first.request_id, first.model, first.code) == (
        "order-17",
        "flights",
        "INVALID_ARGUMENT",
    )
    assert "rows[0].distance" in first.getMessage()
    assert second.request_id == dict(unknown.trailing_metadata())["x-request-id"] != "x" * 65
    assert not hasattr(second, "model")


@pytest.fixture
def broken(bundle: Bundle) -> ServedModel:
    class Broken(RowReader):
        def read(self, values):  # type: ignore[no-untyped-def]
            raise KeyError("the secret")

    model = ServedModel("flights", bundle)
    model.reader = Broken(bundle.spec.inputs)
    return model


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("none", ["ERROR"]),
        ("failures", ["ERROR", "WARNING"]),
        ("refusals", ["ERROR", "WARNING", "WARNING"]),
        ("all", ["ERROR", "WARNING", "WARNING"]),
    ],
)
def test_lines_are_written_for_what_was_asked(
    broken: ServedModel,
    make_row: Row,
    lines: str,
    expected: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = ServerSettings(port=0, log_calls=lines)  # type: ignore[arg-type]
    with (
        Server(Models([broken]), settings) as server,
        caplog.at_level(logging.INFO, "dagrun.server"),
    ):
        failed = predict(server, request("flights", [make_row()], features=False), "a-1")
        predict(server, request("houses", [make_row()], features=False))
    assert [record.levelname for record in caplog.records] == expected
    assert caplog.records[0].request_id == "a-1"
    assert caplog.records[0].exc_info
    assert dict(failed.trailing_metadata())["x-request-id"] == "a-1"
    assert failed.details() == "internal error; the server's log has it under request a-1"


@pytest.mark.parametrize(("settings", "told"), [({"slow_ms": 0.001}, 1), ({"slow_ms": 60_000}, 0)])
def test_slow_calls_are_told(
    start: Start,
    make_row: Row,
    settings: dict[str, Any],
    told: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start(**settings)
    with caplog.at_level(logging.INFO, "dagrun.server"):
        predict(server, request("flights", [make_row()], features=False), "s-1")
        server.stop()
    assert [(record.request_id, record.code) for record in caplog.records] == [("s-1", "OK")] * told
    assert all(record.seconds > 0 for record in caplog.records)


def test_a_flood_of_lines_is_cut_and_counted() -> None:
    limit = _Limit(2)
    assert [limit.take(second) for second in (7, 7, 7, 7, 8, 8)] == [0, 0, None, None, 2, 0]
