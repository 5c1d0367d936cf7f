"""What a server refuses to protect itself or its callers, each with the right status."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable

import grpc
import polars as pl
import pytest

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import (
    Client,
    DeadlinePassed,
    MessageTooLarge,
    RequestInvalid,
    ServerBusy,
    ServerFailed,
)
from dagrun.server.client.values import request
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.server.serving.rows import RowReader
from dagrun.stages.bundle import Bundle

Row = Callable[..., dict[str, object]]
Start = Callable[..., Server]


class Gate(RowReader):
    """A reader that waits, so that a request stays in its thread as long as a test needs."""

    def __init__(self, model: ServedModel) -> None:
        super().__init__(model.bundle.spec.inputs)
        self.entered, self.open = threading.Semaphore(0), threading.Event()

    def read(self, values):  # type: ignore[no-untyped-def]
        self.entered.release()
        assert self.open.wait(30)
        return super().read(values)


@pytest.fixture
def gated(bundle: Bundle) -> tuple[ServedModel, Gate]:
    model = ServedModel("flights", bundle)
    model.reader = gate = Gate(model)
    return model, gate


def predict(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable:
    return channel.unary_unary(
        "/dagrun.v1.Prediction/Predict",
        pb.PredictRequest.SerializeToString,
        pb.PredictResponse.FromString,
    )


NO_RETRIES = [("grpc.enable_retries", 0)]


def test_requests_beyond_the_queue_are_refused_with_the_pause_to_make(
    gated: tuple[ServedModel, Gate], make_row: Row
) -> None:
    model, gate = gated
    settings = ServerSettings(port=0, threads=1, waiting=2, retry_after_ms=70)
    sent = request("flights", [make_row()], features=False)
    with (
        Server(Models([model]), settings) as server,
        grpc.insecure_channel(server.address, NO_RETRIES) as channel,
    ):
        call = predict(channel)
        working = call.future(sent, timeout=60)
        assert gate.entered.acquire(timeout=30)
        # One works and two wait; of those sent next, all are refused.
        waiting = [call.future(sent, timeout=60) for _ in range(2)]
        while server._threads.waiting < 2:
            threading.Event().wait(0.01)
        with pytest.raises(grpc.RpcError) as caught:
            call(sent, timeout=60)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ("grpc-retry-pushback-ms", "70") in list(caught.value.trailing_metadata())
        with Client(server.address, timeout=30) as client, pytest.raises(ServerBusy):
            client.predict("flights", [make_row()])
        gate.open.set()
        for future in (working, *waiting):
            assert len(future.result().answers) == 1


def test_a_client_comes_through_once_there_is_room(
    gated: tuple[ServedModel, Gate], make_row: Row
) -> None:
    model, gate = gated
    settings = ServerSettings(port=0, threads=1, waiting=1, retry_after_ms=400)
    sent = request("flights", [make_row()], features=False)
    with (
        Server(Models([model]), settings) as server,
        grpc.insecure_channel(server.address) as channel,
        Client(server.address, timeout=30) as client,
    ):
        futures = [predict(channel).future(sent, timeout=60)]
        assert gate.entered.acquire(timeout=30)
        futures.append(predict(channel).future(sent, timeout=60))
        while server._threads.waiting < 1:
            threading.Event().wait(0.01)
        threading.Timer(0.2, gate.open.set).start()
        assert len(client.predict("flights", [make_row()])) == 1
        assert all(len(future.result().answers) == 1 for future in futures)


def test_nothing_is_computed_after_the_deadline(
    gated: tuple[ServedModel, Gate], make_row: Row
) -> None:
    model, gate = gated
    sent = request("flights", [make_row()], features=False)
    with (
        Server(Models([model]), ServerSettings(port=0, threads=1)) as server,
        grpc.insecure_channel(server.address, NO_RETRIES) as channel,
        Client(server.address, timeout=0.2) as client,
    ):
        working = predict(channel).future(sent, timeout=60)
        assert gate.entered.acquire(timeout=30)
        with pytest.raises(DeadlinePassed):
            client.predict("flights", [make_row()])
        gate.open.set()
        assert len(working.result().answers) == 1
        # A request sent now runs after the expired one would have: only it gets to the reader.
        predict(channel)(sent, timeout=60)
        assert gate.entered.acquire(timeout=30)
        assert not gate.entered.acquire(blocking=False)
        assert server.prediction.answered == 2


def test_a_defect_is_internal_and_its_text_stays_here(
    bundle: Bundle, make_row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    model = ServedModel("flights", bundle)

    class Broken(RowReader):
        def read(self, values):  # type: ignore[no-untyped-def]
            raise KeyError("the secret")

    model.reader = Broken(bundle.spec.inputs)
    with (
        Server(Models([model]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=20) as client,
        caplog.at_level(logging.ERROR),
        pytest.raises(ServerFailed) as caught,
    ):
        client.predict("flights", [make_row()])
    number = str(caught.value).rpartition(" ")[2]
    assert "secret" not in str(caught.value)
    assert "KeyError" not in str(caught.value)
    assert f"request {number} failed" in caplog.text
    assert "KeyError: 'the secret'" in caplog.text


def test_rows_and_columns_are_limited(start: Start, make_row: Row) -> None:
    server = start(max_rows=3, max_columns=20)
    with Client(server.address, timeout=20) as client:
        assert len(client.predict("flights", [make_row()] * 3)) == 3
        with pytest.raises(RequestInvalid, match=r"4 rows.*at most 3. Use PredictTable"):
            client.predict("flights", [make_row()] * 4)
        wide = make_row(**{f"x{number}": 1 for number in range(30)})
        with pytest.raises(RequestInvalid, match=r"38 values in a row.*at most 20"):
            client.predict("flights", [make_row(), wide])


def test_tables_are_limited(start: Start, make_rows: Callable[..., pl.DataFrame]) -> None:
    server = start(max_table_rows=10)
    with Client(server.address, timeout=20) as client:
        assert client.predict_table("flights", make_rows(10, 1)).height == 10
        with pytest.raises(RequestInvalid, match=r"at most 10\. Send the table in parts"):
            client.predict_table("flights", make_rows(11, 1))


def test_messages_are_limited(start: Start, make_row: Row) -> None:
    server = start(max_message_bytes=100_000)
    with (
        Client(server.address, timeout=20) as client,
        pytest.raises(MessageTooLarge, match="larger than max"),
    ):
        client.predict("flights", [make_row(carrier="x" * 200_000)])


def test_times_beyond_every_calendar_are_scored_as_offline(client: Client, make_row: Row) -> None:
    """Extreme instants are values like any other: no error, the same bits every time."""
    rows = [make_row(sched_dep=extreme) for extreme in (dt.datetime.min, dt.datetime.max)]
    first, again = client.predict("flights", rows), client.predict("flights", rows)
    assert first == again
