"""The same work in MLServer, in an environment of its own: a model class of its kind, over gRPC.

`python -m serving_peers.mlserver_peer KIND CORE FOLDER`. The class reads one tensor per column,
computes the features with dagrun's row function and the margin with XGBoost's Python API, in the
server's own process (`parallel_workers` 0: the faster way for one row). MLServer's ready-made
XGBoost runtime has no place for features: it loads a model file and takes the finished matrix as
one tensor, so its callers would compute the features, each in a language of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import xgboost
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from dagrun.stages.bundle import read_bundle
from serving_peers.control import obey, own_output, pin

COUNT, ASKED = itertools.count(), itertools.count()


class Flights(MLModel):
    """Scores rows of raw columns."""

    async def load(self) -> bool:
        bundle = read_bundle(Path(sys.argv[3]) / "flights.bundle")
        self._row = bundle.spec.row_function()
        self._columns = [column.name for column in bundle.spec.inputs]
        self._threshold = bundle.threshold
        self._digest = bundle.digest
        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(bytearray(bundle.booster.ubj))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensors = {tensor.name: tensor.data.root for tensor in payload.inputs}
        columns = [_values(tensors, name) for name in self._columns]
        matrix = np.array([self._row(row) for row in zip(*columns, strict=True)], np.float32)
        margin = self._booster.inplace_predict(matrix, predict_type="margin")
        probability = 1.0 / (1.0 + np.exp(-margin))
        label = probability >= self._threshold
        answers = {
            "probability": ("FP32", probability),
            "margin": ("FP32", margin),
            "label": ("BOOL", label),
            "confidence": ("FP32", np.where(label, probability, 1.0 - probability)),
        }
        outputs = [
            ResponseOutput(name=name, shape=[len(margin)], datatype=kind, data=values.tolist())
            for name, (kind, values) in answers.items()
        ]
        next(COUNT)
        return InferenceResponse(
            model_name=self.name, parameters={"bundle_digest": self._digest}, outputs=outputs
        )


def _values(tensors: dict[str, list[Any]], name: str) -> list[Any]:
    """Return a column; what `<column>__valid` says is missing is None."""
    values = [one.decode() if isinstance(one, bytes) else one for one in tensors[name]]
    valid = tensors.get(f"{name}__valid")
    if valid:
        return [one if there else None for one, there in zip(values, valid, strict=True)]
    return values


async def _serve(output: TextIO) -> None:
    http, grpc, metrics = _free_ports(3)
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        http_port=http,
        grpc_port=grpc,
        metrics_port=metrics,
        parallel_workers=0,
    )
    server = MLServer(settings)
    serving = asyncio.create_task(
        server.start([ModelSettings(name="flights", implementation=Flights)])
    )
    while not _listens(grpc):
        if serving.done():
            serving.result()
        await asyncio.sleep(0.05)
    await asyncio.to_thread(obey, grpc, lambda: next(COUNT) - next(ASKED), output)
    await server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


if __name__ == "__main__":
    pin(int(sys.argv[2]))
    asyncio.run(_serve(own_output()))
