"""Messages that were damaged on purpose: an answer or a refusal, never INTERNAL, never a crash.

Every method with one message is called in-process with mutations of valid messages, then the same
goes over the wire, with damaged metadata too. With DAGRUN_SOAK=1 there are a million messages.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

import grpc
import polars as pl
import pyarrow as pa
import pytest
from tests_v2 import Request

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.serving import Server
from dagrun.server.serving.refusals import Refusal
from dagrun.server.serving.router import Limited, Unary

SOAK = "DAGRUN_SOAK" in os.environ
IN_PROCESS, ON_WIRE = (1_000_000, 50_000) if SOAK else (24_000, 1_500)
Make = Callable[[random.Random], tuple[str, bytes]]
V1, V2, HEALTH = "/dagrun.v1.Prediction", f"/{v2.SERVICE}", "/grpc.health.v1.Health"
EXTREMES = (b"\x00", b"\xff", b"\x80" * 10, b"\xff" * 9 + b"\x01", b"\x7f", b"\xed\xa0\x80")


class Context:
    """As much of a call as the methods look at."""

    def time_remaining(self) -> float:
        return 10.0

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        return ()

    def is_active(self) -> bool:
        return True


def damaged(pick: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return a seed after a few cuts, copies, flips and splices."""
    data = bytearray(pick.choice(seeds))
    for _ in range(pick.choice((1, 1, 2, 3, 8))):
        at = pick.randrange(len(data) + 1)
        kind = pick.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] = pick.randrange(256)
        elif kind == 1:
            del data[at : at + pick.choice((1, 2, 9, 60))]
        elif kind == 2:
            data[at:at] = pick.choice(EXTREMES)
        elif kind == 3:
            data[at:at] = data[at : at + pick.randrange(1, 80)]
        elif kind == 4:
            other = pick.choice(seeds)
            data[at:] = other[pick.randrange(len(other) + 1) :]
        elif data:
            data[at % len(data)] ^= 1 << pick.randrange(8)
    return bytes(data)


def tables(frame: pl.DataFrame) -> list[bytes]:
    found = []
    for compression in (None, "lz4", "zstd"):
        sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        table = frame.to_arrow()
        with pa.ipc.new_stream(sink, table.schema, options=options) as out:
            out.write_table(table, 7)
        found.append(sink.getvalue())
    for newest in (frame, frame.with_columns(pl.col(pl.String).cast(pl.Categorical))):
        written = io.BytesIO()
        newest.write_ipc_stream(written)
        found.append(written.getvalue())
    return found


@pytest.fixture
def make(make_rows: Callable[[int, int], pl.DataFrame]) -> Make:
    """Return a maker of damaged messages, each with the method to call."""
    raw = make_rows(20, 5)
    rows = raw.to_dicts()
    named = pb.GetModelRequest(model="flights").SerializeToString()
    predict = [request("flights", rows[:n], features=n == 2).SerializeToString() for n in (1, 2, 9)]
    streams = tables(raw)
    infer = [Request(raw=way).frame(raw).message.SerializeToString() for way in (True, False)]
    seeds = {
        f"{V1}/Predict": predict,
        f"{V1}/Explain": predict,
        f"{V1}/GetModel": [named],
        f"{V1}/ListModels": [named],
        f"{V2}/ModelInfer": infer,
        f"{V2}/ModelMetadata": [v2.ModelMetadataRequest(name="flights").SerializeToString()],
        f"{V2}/ModelReady": [v2.ModelReadyRequest(name="flights").SerializeToString()],
        f"{HEALTH}/Check": [named],
    }
    paths = [*seeds, f"{V1}/PredictTable", f"{V1}/PredictTable"]

    def made(pick: random.Random) -> tuple[str, bytes]:
        path = pick.choice(paths)
        if path in seeds:
            return path, damaged(pick, seeds[path])
        table = damaged(pick, streams)
        message = pb.PredictTableRequest(model="flights", table=table).SerializeToString()
        return path, message if pick.random() < 0.9 else damaged(pick, [message])

    return made


def methods(server: Server) -> dict[str, Callable[[bytes, Context], bytes]]:
    """Return the methods as they are called, without gRPC."""
    found = {}
    for path, method in server._methods().items():
        if isinstance(method, Limited):
            found[path] = method.admitted.method
        elif isinstance(method, Unary):
            found[path] = method.method
    return found  # type: ignore[return-value]


@pytest.mark.timeout(7_200)
def test_damaged_messages_are_answered_or_refused(server: Server, make: Make) -> None:
    called, context, outcomes = methods(server), Context(), Counter[str]()
    seed, longest = time.time_ns() if SOAK else 1, 0
    pick = random.Random(seed)
    for number in range(IN_PROCESS):
        path, data = make(pick)
        try:
            assert isinstance(called[path](data, context), bytes)
            outcomes["answered"] += 1
        except Refusal as refusal:
            outcomes[refusal.code.name] += 1
            longest = max(longest, len(refusal.details()))
        except Exception as error:
            error.add_note(f"seed {seed}, message {number}: {path} {data[:2_000]!r}")
            raise
    print(dict(outcomes))
    assert longest < 8_000
    assert "INTERNAL" not in outcomes
    assert outcomes["answered"] > IN_PROCESS // 50
    assert outcomes["INVALID_ARGUMENT"] > IN_PROCESS // 10


def metadata(pick: random.Random) -> list[tuple[str, str | bytes]]:
    keys = ("x-request-id", "dagrun-key", "authorization", "traceparent", "grpc-timeout-x", "a")
    found: list[tuple[str, str | bytes]] = []
    for _ in range(pick.randrange(4)):
        text = "".join(chr(pick.randrange(32, 127)) for _ in range(pick.choice((0, 1, 20, 500))))
        if pick.random() < 0.3:
            found.append((f"{pick.choice(keys)}-bin", pick.randbytes(30)))
        else:
            found.append((pick.choice(keys), text))
    return found


@pytest.mark.timeout(7_200)
def test_damaged_messages_over_the_wire(server: Server, make: Make) -> None:
    """As many as a connection takes at once; the server answers the last as the first."""
    pick, outcomes = random.Random(2), Counter[str]()
    with grpc.insecure_channel(server.address, [("grpc.enable_retries", 0)]) as channel:
        for _ in range(ON_WIRE // 50):
            calls = []
            for _ in range(50):
                path, data = make(pick)
                method = channel.unary_unary(path)
                calls.append(method.future(data, timeout=60, metadata=metadata(pick)))
            for call in calls:
                outcomes[call.code().name] += 1
        named = pb.GetModelRequest(model="flights").SerializeToString()
        assert channel.unary_unary(f"{V1}/GetModel")(named, timeout=60)
    print(dict(outcomes))
    assert set(outcomes) <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
