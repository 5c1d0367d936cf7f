"""PredictStream: one answer for each message, in order, at the caller's pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.serving import Server

Row = Callable[..., dict[str, object]]


def open_stream(
    channel: grpc.Channel, messages: Iterable[pb.PredictRequest], **options: object
) -> Iterator[pb.PredictResponse]:
    call = channel.stream_stream(
        "/dagrun.v1.Prediction/PredictStream",
        pb.PredictRequest.SerializeToString,
        pb.PredictResponse.FromString,
    )
    return call(iter(messages), timeout=60, **options)  # type: ignore[no-any-return]


def message(rows: list[dict[str, object]]) -> pb.PredictRequest:
    return request("flights", rows, features=False)


def test_answers_come_in_order_with_the_bits_of_predict(
    server: Server, client: Client, make_row: Row
) -> None:
    batches = [[make_row(distance=float(10 * n + k)) for k in range(n % 4)] for n in range(50)]
    with grpc.insecure_channel(server.address) as channel:
        responses = list(open_stream(channel, map(message, batches)))
    assert len(responses) == len(batches)
    for rows, response in zip(batches, responses, strict=True):
        expected = client.predict("flights", rows)
        assert [a.margin for a in response.answers] == [a.margin for a in expected]
        assert response.bundle_digest == server.models.get("flights").bundle.digest


def test_each_answer_comes_before_the_next_message_is_sent(server: Server, make_row: Row) -> None:
    sending: SimpleQueue[pb.PredictRequest | None] = SimpleQueue()
    with grpc.insecure_channel(server.address) as channel:
        stream = open_stream(channel, iter(sending.get, None))
        for _ in range(3):
            sending.put(message([make_row()]))
            assert len(next(stream).answers) == 1
        sending.put(None)
        assert list(stream) == []


def test_a_bad_message_ends_the_stream_and_is_named(server: Server, make_row: Row) -> None:
    good, bad = message([make_row()]), message([make_row(), make_row(distance="far")])
    with grpc.insecure_channel(server.address) as channel:
        stream = open_stream(channel, [good, good, bad, good])
        answered = [next(stream), next(stream)]
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
    assert [len(response.answers) for response in answered] == [1, 1]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    problem = "rows[1].distance: is a string; the model needs a double"
    assert caught.value.details() == f"messages[2]: flights: {problem}"
    trailers = {trailer.key: trailer.value for trailer in caught.value.trailing_metadata()}
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    refused = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(refused)
    assert [v.field for v in refused.field_violations] == ["messages[2].rows[1].distance"]


def test_other_refusals_keep_their_status(server: Server, make_row: Row) -> None:
    elsewhere = request("fligths", [make_row()], features=False)
    with (
        grpc.insecure_channel(server.address) as channel,
        pytest.raises(grpc.RpcError, match=r"messages\[0\]: no model 'fligths'") as caught,
    ):
        list(open_stream(channel, [elsewhere]))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_caller_that_does_not_read_is_not_read_from(server: Server, make_row: Row) -> None:
    """Its messages stay with it: neither side piles up more than the connection's windows."""
    sent, most = 0, 40_000
    bulky = request("flights", [make_row(seats=n) for n in range(20)], features=True)

    def messages() -> Iterator[pb.PredictRequest]:
        nonlocal sent
        for _ in range(most):
            sent += 1
            yield bulky

    with grpc.insecure_channel(server.address) as channel:
        stream = open_stream(channel, messages())
        next(stream)
        before = -1
        while before != sent:
            before = sent
            time.sleep(0.5)
        assert sent < most
        for _ in range(100):
            assert len(next(stream).answers) == 20
        stream.cancel()  # type: ignore[attr-defined]


def test_streams_are_bounded_apart_from_watches(
    start: Callable[..., Server], make_row: Row
) -> None:
    server = start(max_scoring_streams=2, max_streams=1)
    forever = threading.Event()

    def held() -> Iterator[pb.PredictRequest]:
        yield message([make_row()])
        forever.wait()

    with grpc.insecure_channel(server.address) as channel:
        streams = [open_stream(channel, held()) for _ in range(2)]
        assert [len(next(stream).answers) for stream in streams] == [1, 1]
        with pytest.raises(grpc.RpcError, match="too many open streams") as caught:
            list(open_stream(channel, [message([])]))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with Client(server.address, timeout=20) as client:
            assert client.healthy()
            assert len(client.predict("flights", [make_row()])) == 1
        forever.set()
        assert [list(stream) for stream in streams] == [[], []]


def test_a_stopping_server_finishes_busy_streams_and_ends_idle_ones(
    start: Callable[..., Server], make_row: Row
) -> None:
    server = start()
    forever, stopping = threading.Event(), threading.Event()

    def idle() -> Iterator[pb.PredictRequest]:
        yield message([make_row()])
        forever.wait()

    def busy() -> Iterator[pb.PredictRequest]:
        yield message([make_row()])
        stopping.wait()
        for _ in range(50):
            yield message([make_row()])

    with grpc.insecure_channel(server.address) as channel:
        waits, works = open_stream(channel, idle()), open_stream(channel, busy())
        next(waits), next(works)
        end = threading.Thread(target=server.stop)
        end.start()
        stopping.set()
        assert len(list(works)) == 50
        with pytest.raises(grpc.RpcError) as caught:
            next(waits)
        assert caught.value.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        end.join()
        forever.set()
