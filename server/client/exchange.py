"""What each method sends and what it gives back: pairs without a connection.

Guarantee: the two ends of a pair fit; `Client` and `AsyncClient` both send nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from grpc_health.v1 import health_pb2

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import values
from dagrun.server.client.answer import Answer, ModelInfo, answers, model_info

if TYPE_CHECKING:
    import polars as pl

Result = TypeVar("Result")
_SERVICE = "/dagrun.v1.Prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTable:
    """What a model says about a table.

    Attributes:
        frame: a row for each row sent, in order; see `Client.predict_table`.
        model_version: the version in the registry, None for a bundle served from a file.
        bundle_digest: digest of the bundle that answered.
        arm: which arm of a canary or a split answered, None where the model has none.
    """

    frame: pl.DataFrame
    model_version: int | None
    bundle_digest: str
    arm: str | None = None


class Exchange(NamedTuple, Generic[Result]):
    """One call: what is sent where, and what makes the result of the response.

    Attributes:
        path: `/package.Service/Method`.
        data: the request's bytes.
        read: makes the result of the response's bytes.
        name: writes the call's id into the request, where that has a place for it.
    """

    path: str
    data: bytes
    read: Callable[[bytes], Result]
    name: Callable[[bytes, str], bytes] | None = None


def predict(
    model: str,
    rows: Sequence[Mapping[str, object]],
    *,
    features: bool,
    keys: Sequence[str] | None,
) -> Exchange[list[Answer]]:
    """Score rows. Raises `ValueUnsupported` and `KeysUnmatched`."""
    data = values.encode(model, rows, features=features, keys=keys)

    def read(response: bytes) -> list[Answer]:
        return answers(pb.PredictResponse.FromString(response), features=features)

    return Exchange(f"{_SERVICE}/Predict", data, read, values.named)


def score_table(model: str, frame: pl.DataFrame) -> Exchange[ScoredTable]:
    """Score a frame."""
    import polars as pl

    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    request = pb.PredictTableRequest(model=model, table=buffer.getvalue())

    def read(data: bytes) -> ScoredTable:
        response = pb.PredictTableResponse.FromString(data)
        return ScoredTable(
            frame=pl.read_ipc_stream(io.BytesIO(response.table)),
            model_version=response.model_version or None,
            bundle_digest=response.bundle_digest,
            arm=response.arm or None,
        )

    return Exchange(f"{_SERVICE}/PredictTable", request.SerializeToString(), read, values.named)


def model(name: str) -> Exchange[ModelInfo]:
    """Describe one model."""
    request = pb.GetModelRequest(model=name)
    return Exchange(
        f"{_SERVICE}/GetModel",
        request.SerializeToString(),
        lambda data: model_info(pb.Model.FromString(data)),
    )


def models() -> Exchange[list[ModelInfo]]:
    """Describe all models."""

    def read(data: bytes) -> list[ModelInfo]:
        return [model_info(each) for each in pb.ListModelsResponse.FromString(data).models]

    return Exchange(f"{_SERVICE}/ListModels", b"", read)


def health(service: str) -> Exchange[bool]:
    """Ask whether a service says SERVING."""

    def read(data: bytes) -> bool:
        status = health_pb2.HealthCheckResponse.FromString(data).status
        return bool(status == health_pb2.HealthCheckResponse.SERVING)

    request = health_pb2.HealthCheckRequest(service=service)
    return Exchange("/grpc.health.v1.Health/Check", request.SerializeToString(), read)
