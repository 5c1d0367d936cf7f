"""Reload after reload: what a server holds of a model goes with the model.

24 reloads by default, 200 under DAGRUN_SOAK=1.
"""

from __future__ import annotations

import io
import os
import re
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import numpy as np
import polars as pl
import pytest
from tests_bundles import flights
from tests_load import MakeBundle
from tests_serve import Serving, callers_of, resident
from tests_v2 import Request

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import encode
from dagrun.stages.bundle import Registry

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
RELOADS, MOST_KIB = (200, 64) if SOAK else (24, 1_024)
"""A model that stayed would be seen as more KiB for each reload."""
WARM = RELOADS // 2
CALLS = 32
"""Of each method and reload: each thread of a worker gets to see each model."""


@pytest.mark.timeout(3_600)
def test_memory_does_not_grow_with_reloads(
    registry: Registry, make_version: MakeBundle, tmp_path: Path
) -> None:
    for version in range(1, RELOADS + 2):
        bundle = make_version(version)
        assert registry.register("flights", bundle, reason="made").version == version
    registry.set_alias("flights", "champion", 1, reason="first")
    size = len(bundle.booster.ubj)
    with (
        Serving(tmp_path, "flights", "--port", "0", "--workers", "2") as serving,
        ExitStack() as stack,
    ):
        workers = serving.workers()
        channels = one_for_each(workers, serving.address, stack)
        memory = []
        for reload in range(RELOADS):
            registry.set_alias("flights", "champion", reload + 2, reason="a newer one")
            serving.wait_for("on all workers in", reload + 1)
            for channel in channels:
                call_everything(channel, reload + 2)
            memory.append([resident(pid) for pid in (*workers, serving.process.pid)])
        assert serving.workers() == workers
        port = serving.wait_for(r"probes on http://\S+:(\d+)")[1]
        counted: set[str] = set()
        until = time.monotonic() + 30
        # Workers tell what they have counted four times a second.
        while f"{RELOADS + 1}" not in counted and time.monotonic() < until:
            time.sleep(0.1)
            exposed = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            counted = set(re.findall(r'dagrun_rows_total\{.*version="(\d+)"', exposed))
    assert f"{RELOADS + 1}" in counted
    assert len(counted) < 10
    table = np.array(memory)
    slopes = np.array([slope(column) for column in table[WARM:].T])
    print(f"\nRSS in KiB of the workers and the supervisor; a model of {size / 1024:.0f} KiB:")
    for row in range(0, RELOADS, max(1, RELOADS // 20)):
        print(f"{row + 1:>5} {table[row]}")
    print(f"KiB for each reload after the first {WARM}: {slopes.round(1)}")
    assert (slopes < MOST_KIB).all()


def slope(values: np.ndarray) -> float:
    """Return the median of the slopes between any two values (Theil and Sen): a jump is no rise."""
    first, second = np.triu_indices(len(values), 1)
    return float(np.median((values[second] - values[first]) / (second - first)))


def one_for_each(workers: list[int], address: str, stack: ExitStack) -> list[grpc.Channel]:
    """Return connections of which each worker has one."""
    channels, port = [], int(address.rpartition(":")[2])
    while not all(callers_of(pid, port) for pid in workers):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = stack.enter_context(grpc.insecure_channel(address, options))
        grpc.channel_ready_future(channel).result(60)
        channels.append(channel)
    return channels


def call_everything(channel: grpc.Channel, version: int) -> None:
    """Have everything that a worker keeps of a model made."""
    frame = flights(CALLS, seed=version).drop("late")
    stream = io.BytesIO()
    frame.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
    table = pb.PredictTableRequest(model="flights", table=stream.getvalue()).SerializeToString()
    rows = [encode("flights", [row], features=False, keys=None) for row in frame.to_dicts()]
    infer = Request(raw=True).frame(frame.head(1)).message.SerializeToString()
    asked = [
        *(("dagrun.v1.Prediction/Predict", request) for request in rows),
        *(("dagrun.v1.Prediction/PredictTable", table) for _ in range(2)),
        ("dagrun.v1.Prediction/GetModel", pb.GetModelRequest(model="flights").SerializeToString()),
        ("dagrun.v1.Prediction/Explain", rows[0]),  # the same fields
        ("dagrun.models.flights.Flights/Predict", b""),
        *(("inference.GRPCInferenceService/ModelInfer", infer) for _ in range(2)),
    ]
    futures = [channel.unary_unary(f"/{method}").future(data) for method, data in asked]
    answers = [future.result(60) for future in futures]
    for answer in answers[:CALLS]:
        assert pb.PredictResponse.FromString(answer).model_version == version
