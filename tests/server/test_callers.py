"""Many callers at once: each gets its own rows' bits and nobody else's, and all is accounted for.

Every row is another one, so an answer that belongs to another caller has other bits. Callers send
rows, tables and streams of all sizes, give calls up, and set deadlines that cannot be met.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.server.serving.tables import write_table
from dagrun.stages.bundle import Bundle, score

SOAK = "DAGRUN_SOAK" in os.environ
CALLERS, CALLS, RUNS = (24, 400, 40) if SOAK else (12, 40, 4)
ROWS = 2_000
SERVICE = "/dagrun.v1.Prediction"
LOST = (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


class Truth:
    """Rows and the margins that the offline scorer gives them."""

    def __init__(self, bundle: Bundle, frame: pl.DataFrame) -> None:
        self.frame, self.rows = frame, frame.to_dicts()
        self.margins = score(bundle, frame)["margin"].to_list()

    def message(self, places: list[int]) -> bytes:
        rows = [self.rows[place] for place in places]
        return request("flights", rows, features=False).SerializeToString()


@pytest.fixture(scope="module")
def truth(bundle: Bundle) -> Truth:
    steps = pl.int_range(ROWS, eager=True)
    frame = bundle.golden.rows
    picked = frame[[number % frame.height for number in range(ROWS)]]
    return Truth(bundle, picked.with_columns(distance=80.0 + steps * 2.5))


class Caller:
    """One client with a connection of its own."""

    def __init__(self, address: str, truth: Truth, seed: int) -> None:
        self._truth, self._pick = truth, random.Random(seed)
        self._address = address
        self.outcomes = Counter[str]()

    def work(self) -> Counter[str]:
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options) as channel:
            for _ in range(CALLS):
                way = self._pick.choice((self._rows, self._rows, self._rows, self._table))
                if self._pick.random() < 0.1:
                    way = self._stream
                try:
                    way(channel)
                except grpc.RpcError as error:
                    self._refused(error)
        return self.outcomes

    def _refused(self, error: grpc.RpcError) -> None:
        self.outcomes[error.code().name] += 1
        assert error.code() in (*LOST, grpc.StatusCode.RESOURCE_EXHAUSTED), error
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            assert ("grpc-retry-pushback-ms", "20") in list(error.trailing_metadata())

    def _places(self, most: int) -> list[int]:
        return [self._pick.randrange(ROWS) for _ in range(self._pick.randint(1, most))]

    def _rows(self, channel: grpc.Channel) -> None:
        places = self._places(self._pick.choice((1, 3, 40)))
        hurry = self._pick.choice((60, 60, 60, 0.001, 0.005))
        method = channel.unary_unary(f"{SERVICE}/Predict")
        call = method.future(self._truth.message(places), timeout=hurry)
        if self._pick.random() < 0.1:
            call.cancel()
        try:
            self._judge(places, call.result())
        except grpc.FutureCancelledError:
            self.outcomes["CANCELLED"] += 1

    def _table(self, channel: grpc.Channel) -> None:
        places = self._places(300)
        table = write_table(self._truth.frame[places])
        message = pb.PredictTableRequest(model="flights", table=table).SerializeToString()
        answer = channel.unary_unary(f"{SERVICE}/PredictTable")(message, timeout=60)
        scores = pl.read_ipc_stream(pb.PredictTableResponse.FromString(answer).table)
        assert scores["margin"].to_list() == [self._truth.margins[place] for place in places]
        self.outcomes["OK"] += 1

    def _stream(self, channel: grpc.Channel) -> None:
        parts = [self._places(5) for _ in range(self._pick.randint(1, 6))]

        def messages() -> Iterator[bytes]:
            for places in parts:
                yield self._truth.message(places)

        answers = channel.stream_stream(f"{SERVICE}/PredictStream")(messages(), timeout=60)
        for places, answer in zip(parts, answers, strict=True):
            self._judge(places, answer)

    def _judge(self, places: list[int], answer: bytes) -> None:
        margins = [one.margin for one in pb.PredictResponse.FromString(answer).answers]
        assert margins == [self._truth.margins[place] for place in places]
        self.outcomes["OK"] += 1


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=not SOAK,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 8]), st.sampled_from([2, 256]))
def test_nobody_gets_what_is_anothers(
    served: ServedModel, truth: Truth, seed: int, threads: int, waiting: int
) -> None:
    chosen = ServerSettings(
        port=0, threads=threads, waiting=waiting, waiting_tables=waiting, retry_after_ms=20
    )
    with (
        Server(Models([served]), chosen) as server,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        makes = [Caller(server.address, truth, seed + number) for number in range(CALLERS)]
        working = [callers.submit(caller.work) for caller in makes]
        outcomes = sum((future.result() for future in working), Counter[str]())
        # A call that its caller lost may have been answered all the same, and no other.
        lost = sum(outcomes[code.name] for code in LOST)
        assert outcomes["OK"] <= server.prediction.answered <= outcomes["OK"] + lost
    print(dict(outcomes), f"answered {server.prediction.answered}")
    assert outcomes["OK"] > 0


def test_what_has_expired_is_never_computed(
    bundle: Bundle, truth: Truth, make_row: Callable[..., dict[str, object]]
) -> None:
    """While one call holds the only thread, others run out of time; nothing of them is read."""
    model = ServedModel("flights", bundle)
    entered, go, read = threading.Event(), threading.Event(), Counter[str]()
    reader = model.reader.read

    def gated(values):  # type: ignore[no-untyped-def]
        read["rows"] += 1
        entered.set()
        assert go.wait(60)
        return reader(values)

    model.reader.read = gated  # type: ignore[method-assign]
    with (
        Server(Models([model]), ServerSettings(port=0, threads=1)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = channel.unary_unary(f"{SERVICE}/Predict")
        first = predict.future(truth.message([0]), timeout=60)
        assert entered.wait(60)
        late = [predict.future(truth.message([place]), timeout=0.2) for place in range(1, 40)]
        assert {call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        go.set()
        assert len(pb.PredictResponse.FromString(first.result()).answers) == 1
        predict(truth.message([1]), timeout=60)
        assert read["rows"] == 2
        assert server.prediction.answered == 2
