"""The typed client of a model server.

Guarantee: values are sent exactly, errors are `CallFailed` with what to do, and a call ends
within `timeout`, its repetitions included. Refused and unanswered calls are repeated by gRPC: at
most 4 attempts, after the pause the server asks for or else a growing random one, and while not
more than half of the recent calls fail (a budget, so that repetitions never swamp a struggling
server). Repeating is safe, as predictions change nothing. Where it ends: messages of more than
256 KiB are sent once.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import values
from dagrun.server.client.answer import Answer, ModelInfo, answers, model_info
from dagrun.server.client.errors import ModelUnknown, ServerUnreachable, failure

if TYPE_CHECKING:
    import polars as pl

_Response = TypeVar("_Response", bound=Message)

# https://github.com/grpc/proposal/blob/master/A6-client-retries.md
_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                # A server that ends drops what arrives in that moment as CANCELLED.
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


class Client:
    """A connection to one server. A context manager; it may be used from several threads."""

    def __init__(
        self, target: str, *, timeout: float = 5.0, max_message_bytes: int = 16 * 1024 * 1024
    ) -> None:
        """Prepare the connection, which is made by the first call.

        Args:
            target: `host:port`.
            timeout: seconds that each call may take.
            max_message_bytes: largest response.
        """
        self.target, self.timeout = target, timeout
        self._channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
                ("grpc.max_receive_message_length", max_message_bytes),
            ],
        )

    def predict(
        self, model: str, rows: Sequence[Mapping[str, object]], *, features: bool = False
    ) -> list[Answer]:
        """Score rows: `{column: None, float, int, str, bool, datetime or date}`.

        Args:
            model: the model's name.
            rows: each with every column of the model.
            features: give the feature vectors back too.

        Raises:
            ValueUnsupported: a value cannot be sent.
            RequestInvalid: the model does not admit some value; says which.
            ModelUnknown, ServerBusy, ServerUnreachable, DeadlinePassed, ServerFailed: as named.
        """
        request = values.request(model, rows, features=features)
        response = self._call("/dagrun.v1.Prediction/Predict", request, pb.PredictResponse)
        return answers(response, features=features)

    def predict_table(self, model: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Score a frame with the model's columns, row by row in order.

        Returns `probability`, `margin` and `confidence` (Float32) and `label` (Boolean); of a
        regression, `value` (Float32). Raises what `predict` does.
        """
        import polars as pl

        buffer = io.BytesIO()
        frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
        request = pb.PredictTableRequest(model=model, table=buffer.getvalue())
        response = self._call(
            "/dagrun.v1.Prediction/PredictTable", request, pb.PredictTableResponse
        )
        return pl.read_ipc_stream(io.BytesIO(response.table))

    def model(self, name: str) -> ModelInfo:
        """Describe one served model. Raises `ModelUnknown`."""
        request = pb.GetModelRequest(model=name)
        return model_info(self._call("/dagrun.v1.Prediction/GetModel", request, pb.Model))

    def models(self) -> list[ModelInfo]:
        """Describe every served model, by name."""
        response = self._call(
            "/dagrun.v1.Prediction/ListModels", pb.ListModelsRequest(), pb.ListModelsResponse
        )
        return [model_info(model) for model in response.models]

    def healthy(self, model: str = "") -> bool:
        """Whether the server, or one of its models, answers and says SERVING."""
        request = health_pb2.HealthCheckRequest(service=model)
        try:
            response = self._call(
                "/grpc.health.v1.Health/Check", request, health_pb2.HealthCheckResponse
            )
        except (ModelUnknown, ServerUnreachable):
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: str, request: Message, response: type[_Response]) -> _Response:
        call = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        try:
            answer: _Response = call(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise failure(self.target, error) from error
        return answer
