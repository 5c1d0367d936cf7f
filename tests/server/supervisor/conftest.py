"""A store with versions of one model, servers for it, and callers that repeat nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tests_serve import Serving

from dagrun.engine.store.store import Store
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.stages.bundle import Bundle, Registry

THRESHOLDS = (0.4, 0.5, 0.6)


@pytest.fixture
def registry(tmp_path: Path, bundle: Bundle) -> Registry:
    """Three versions that differ in their threshold; the first is champion."""
    registry = Registry(Store.open(tmp_path))
    for threshold in THRESHOLDS:
        registry.register("flights", replace(bundle, threshold=threshold), reason="made")
    registry.set_alias("flights", "champion", 1, reason="first")
    return registry


Serve = Callable[..., Serving]


@pytest.fixture
def serve(registry: Registry, tmp_path: Path) -> Iterator[Serve]:
    """Start `dagrun serve` with given arguments, on a free port; it ends with the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(
            Serving(tmp_path, *arguments, "--port", "0", "--workers", "2")
        )


class Callers:
    """Callers on connections of their own, each asking on and on, without any repetition."""

    def __init__(self, address: str, model: str, row: dict[str, object], many: int) -> None:
        self.versions: list[list[int]] = [[] for _ in range(many)]
        self.failures: list[list[grpc.RpcError]] = [[] for _ in range(many)]
        self._address = address
        self._request = request(model, [row], features=False).SerializeToString()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(many)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(self._address, options) as channel:
            predict = channel.unary_unary("/dagrun.v1.Prediction/Predict")
            while not self._stopped.is_set():
                try:
                    answered = pb.PredictResponse.FromString(predict(self._request, timeout=30))
                except grpc.RpcError as error:
                    self.failures[number].append(error)
                    self._stopped.wait(0.01)
                else:
                    assert answered.threshold == THRESHOLDS[answered.model_version - 1]
                    self.versions[number].append(answered.model_version)

    @property
    def answered(self) -> int:
        return sum(map(len, self.versions))

    def more(self, calls: int) -> None:
        """Wait until every caller has got so many answers more."""
        wanted = [len(versions) + calls for versions in self.versions]
        pause = threading.Event()
        while any(len(v) < w for v, w in zip(self.versions, wanted, strict=True)):
            assert any(thread.is_alive() for thread in self._threads)
            pause.wait(0.01)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def callers(make_row: Callable[..., dict[str, object]]) -> Iterator[Callable[..., Callers]]:
    """Start callers of a server; they end with the test."""
    started: list[Callers] = []

    def start(serving: Serving, many: int = 4, model: str = "flights") -> Callers:
        started.append(Callers(serving.address, model, make_row(), many))
        return started[-1]

    yield start
    for each in started:
        each.stop()
