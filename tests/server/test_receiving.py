"""Calls whose message comes late, never, or for nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings, receiving
from dagrun.server.serving.rows import RowReader
from dagrun.stages.bundle import Bundle

Row = Callable[..., dict[str, object]]
Start = Callable[..., Server]
PREDICT = "/dagrun.v1.Prediction/Predict"
NO_RETRIES = [("grpc.enable_retries", 0)]


class Silent:
    """Calls that are opened and send nothing until they are told to."""

    def __init__(self, channel: grpc.Channel, path: str = PREDICT) -> None:
        self._call = channel.stream_unary(path)
        self._speak = threading.Event()
        self.message: bytes | None = None

    def open(self) -> grpc.Future:
        return self._call.future(self._messages(), timeout=60)

    def send(self, message: bytes | None) -> None:
        self.message = message
        self._speak.set()

    def _messages(self) -> Iterator[bytes]:
        assert self._speak.wait(60)
        if self.message is not None:
            yield self.message


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.01)


def test_the_installed_grpcio_is_known() -> None:
    """Else silent callers stop a server again: adapt `receiving` to the new release."""
    assert receiving.SUPPORTED


@pytest.mark.parametrize(
    "path", [PREDICT, "/dagrun.v1.Prediction/PredictTable", "/grpc.health.v1.Health/Watch"]
)
def test_silent_callers_hold_no_thread(start: Start, make_row: Row, path: str) -> None:
    server = start(threads=2, table_threads=1, max_streams=2)
    with grpc.insecure_channel(server.address) as channel, Client(server.address) as client:
        silent = Silent(channel, path)
        calls = [silent.open() for _ in range(50)]
        pools = (server._threads, server._tables, server._streams._pool)
        wait_for(lambda: sum(len(pool.receiving) for pool in pools) == 50)
        for _ in range(5):
            assert len(client.predict("flights", [make_row()])) == 1
        silent.send(None)
        for call in calls:
            call.cancel()


def test_a_late_message_is_answered(start: Start, make_row: Row) -> None:
    server = start(threads=1)
    with grpc.insecure_channel(server.address) as channel:
        silent = Silent(channel)
        call = silent.open()
        wait_for(lambda: len(server._threads.receiving) == 1)
        silent.send(request("flights", [make_row()], features=False).SerializeToString())
        assert len(pb.PredictResponse.FromString(call.result()).answers) == 1
        assert len(server._threads.receiving) == 0


def test_a_call_without_a_message_is_told(start: Start) -> None:
    server = start()
    with grpc.insecure_channel(server.address) as channel:
        silent = Silent(channel)
        silent.send(None)
        with pytest.raises(grpc.RpcError, match="ended without its request message") as caught:
            silent.open().result()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_takes_too_long_ends_its_call(start: Start, make_row: Row) -> None:
    server = start(receive_seconds=0.1)
    with grpc.insecure_channel(server.address, NO_RETRIES) as channel:
        silent = Silent(channel)
        with pytest.raises(grpc.RpcError, match=r"did not arrive within 0\.1 s") as caught:
            silent.open().result()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        silent.send(None)
        wait_for(lambda: len(server._threads.receiving) == 0)


def test_one_silent_call_too_many_ends_the_oldest(start: Start, make_row: Row) -> None:
    server = start(receiving=3)
    with (
        grpc.insecure_channel(server.address, NO_RETRIES) as channel,
        Client(server.address) as client,
    ):
        silent = Silent(channel)
        first = silent.open()
        wait_for(lambda: len(server._threads.receiving) == 1)
        others = [silent.open() for _ in range(2)]
        wait_for(lambda: len(server._threads.receiving) == 3)
        assert len(client.predict("flights", [make_row()])) == 1
        with pytest.raises(grpc.RpcError, match="this one for the longest time") as caught:
            first.result()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        silent.send(None)
        for call in others:
            with pytest.raises(grpc.RpcError, match="ended without its request message"):
                call.result()


def test_a_call_given_up_while_it_waits_is_not_computed(bundle: Bundle, make_row: Row) -> None:
    model = ServedModel("flights", bundle)
    entered, go = threading.Semaphore(0), threading.Event()

    class Gate(RowReader):
        def read(self, values):  # type: ignore[no-untyped-def]
            entered.release()
            assert go.wait(30)
            return super().read(values)

    model.reader = Gate(bundle.spec.inputs)
    sent = request("flights", [make_row()], features=False).SerializeToString()
    with (
        Server(Models([model]), ServerSettings(port=0, threads=1)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = channel.unary_unary(PREDICT)
        working = predict.future(sent, timeout=60)
        assert entered.acquire(timeout=30)
        given_up = [predict.future(sent, timeout=60) for _ in range(5)]
        wait_for(lambda: server._threads.waiting == 5)
        for call in given_up:
            call.cancel()
        wait_for(lambda: len(server._server._state.rpc_states) == 1)
        go.set()
        working.result()
        predict(sent, timeout=60)
        assert server.prediction.answered == 2


def test_a_release_of_grpcio_that_is_not_known_is_served_its_own_way(
    start: Start, make_row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "SUPPORTED", False)
    with Client(start().address, timeout=20) as client:
        assert len(client.predict("flights", [make_row()])) == 1
