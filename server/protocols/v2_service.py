"""The Open Inference Protocol V2 over gRPC: what each method answers, from bytes to bytes.

Guarantee: probability, margin, label, confidence and value are the very ones that `Predict` gives
for the same rows; the answer is raw exactly when the request was. Nothing is computed after the
deadline, and nothing for a request that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from time import perf_counter_ns
from typing import Any

import grpc

from dagrun.engine.errors import DagrunError
from dagrun.server.observe.recorder import TABLE_PHASES
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols import v2_outputs, v2_violations
from dagrun.server.protocols.v2_reader import NotRead, V2Reader, drop
from dagrun.server.protocols.v2_values import CHECKS, UNITS
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import (
    DeadlinePassed,
    Method,
    ModelNotServed,
    TooMuch,
    ValuesRefused,
    Violation,
    parsed,
)
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.traffic.arms import Attempt, sticky_key
from dagrun.stages.ops.errors import BadValue, DtypeMismatch

PLATFORM = "dagrun_xgboost"
EXTENSIONS = ("null_by_valid_tensors",)
"""`<column>__valid` tensors."""

_MANY_ROWS, _MANY_FOR_XGBOOST = 128, 9
"""From here on rows are scored together: for a model whose trees are walked, and for others."""


class OpenInference:
    """The methods of `inference.GRPCInferenceService`."""

    def __init__(
        self,
        models: Models,
        prediction: Prediction,
        settings: ServerSettings,
        ready: Callable[[], bool],
    ) -> None:
        """Answer with the served models; `ready` tells whether the server takes requests."""
        self._models, self._prediction = models, prediction
        self._settings, self._ready = settings, ready
        self._series = prediction.recorder.method("ModelInfer", TABLE_PHASES)

    @property
    def methods(self) -> Mapping[str, Method]:
        """The methods but `ModelInfer`, by their name in the service."""
        return {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
        }

    def server_live(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Answer that the process answers."""
        return bytes(v2.ServerLiveResponse(live=True).SerializeToString())

    def server_ready(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Answer whether requests are taken."""
        return bytes(v2.ServerReadyResponse(ready=self._ready()).SerializeToString())

    def model_ready(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Answer whether one model takes requests; one that is not served does not."""
        request: Any = parsed(v2.ModelReadyRequest, data)
        try:
            self._model(request.name, request.version)
            ready = self._ready()
        except ModelNotServed:
            ready = False
        return bytes(v2.ModelReadyResponse(ready=ready).SerializeToString())

    def server_metadata(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Tell name, version and extensions."""
        response = v2.ServerMetadataResponse(
            name="dagrun", version=metadata.version("dagrun"), extensions=EXTENSIONS
        )
        return bytes(response.SerializeToString())

    def model_metadata(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Tell the tensors of one model."""
        request: Any = parsed(v2.ModelMetadataRequest, data)
        return _face(self._model(request.name, request.version)).metadata

    def model_infer(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        """Score rows. A hot path."""
        started = perf_counter_ns()
        if context.time_remaining() == 0:
            raise DeadlinePassed
        request: Any = parsed(v2.ModelInferRequest, data)
        model = self._model(request.model_name, request.model_version)
        if model.arms is not None:
            # Parsed again for each attempt: columns may be dropped from it.
            return model.arms.answer(
                sticky_key(context),
                lambda arm: self._infer(
                    arm, parsed(v2.ModelInferRequest, data), len(data), started
                ),
            )
        return self._infer(model, request, len(data), started).response

    def _infer(self, model: ServedModel, request: Any, received: int, started: int) -> Attempt:
        TURN.labels = labels = model.labels
        outputs = _face(model).outputs
        names = outputs.wanted(request.outputs)
        try:
            rows, elements, read_at = self._scored(model, request)
        except ValuesRefused:
            extra = self._models.elsewhere(model)
            if not (extra and drop(request, extra)):
                raise
            rows, elements, read_at = self._scored(model, request)
        scored_at = perf_counter_ns()
        raw = bool(request.raw_input_contents)
        response = outputs.response(elements, rows, names, raw, request.id)
        moments = (TURN.queued, started, read_at, scored_at, perf_counter_ns())
        self._series[labels].add((*moments, rows, received, len(response)))
        return Attempt(response, memoryview(outputs.margins(elements)).cast("f"))

    def _scored(self, model: ServedModel, request: Any) -> tuple[int, Mapping[str, bytes], int]:
        """Return the number of rows, the elements of each output, and when the rows were read.

        Raises `TooMuch` and `ValuesRefused`.
        """
        face, inputs = _face(model), request.inputs
        rows = inputs[0].shape[0] if inputs and inputs[0].shape else 0
        most, tensors = self._settings.max_table_rows, 2 * self._settings.max_columns
        if rows > most:
            raise TooMuch("rows", rows, most, "Send them in parts.")
        if len(inputs) > tensors:
            raise TooMuch("tensors", len(inputs), tensors, "")
        try:
            if rows == 1:
                row = face.reader.row(request)
                read_at = perf_counter_ns()
                scores = self._prediction.score_rows(model, [row], request.id)
                return 1, face.outputs.of_scores(scores), read_at
        except NotRead:
            pass  # what the fast way does not know the other one may
        try:
            frame = face.reader.frame(request)
            read_at = perf_counter_ns()
            many = _MANY_FOR_XGBOOST if model.scorer.left_to_xgboost else _MANY_ROWS
            if rows >= many:
                table = self._prediction.tables.score(model, frame, request.id)
                return rows, face.outputs.of_frame(table), read_at
            admitted = model.bundle.spec.rows_of(frame)
        except (NotRead, BadValue, DtypeMismatch) as error:
            found = list(v2_violations.violations(face.reader, request))
            raise ValuesRefused(model.name, found or [_unknown(error)]) from error
        scores = self._prediction.score_rows(model, admitted, request.id)
        return rows, face.outputs.of_scores(scores), read_at

    def _model(self, name: str, version: str) -> ServedModel:
        """Return a served model. Raises `ModelNotServed`."""
        model = self._models.get(name)
        if version and version != _version(model):
            try:
                model = self._models.get(f"{name}@{version}")
            except ModelNotServed:
                served = sorted(self._models.current)
                raise ModelNotServed(f"{name}@{version}", served) from None
        return model


class _Face:
    """What this protocol keeps of a served model."""

    def __init__(self, model: ServedModel) -> None:
        self.reader = V2Reader(model.bundle.spec.inputs)
        self.outputs = v2_outputs.Outputs(model, _version(model))
        self.metadata = _metadata(model, self.outputs.datatypes)


def _face(model: ServedModel) -> _Face:
    face: _Face | None = model.kept.get("v2")
    if face is None:
        face = model.kept["v2"] = _Face(model)
    return face


def _version(model: ServedModel) -> str:
    return str(model.version.version) if model.version else ""


def _metadata(model: ServedModel, outputs: Mapping[str, str]) -> bytes:
    described = v2.ModelMetadataResponse(
        name=model.name, versions=list(filter(None, [_version(model)])), platform=PLATFORM
    )
    for column in model.bundle.spec.inputs:
        tensor = described.inputs.add(
            name=column.name, datatype=next(iter(CHECKS[column.kind])), shape=[-1]
        )
        tensor.parameters["nullable"].bool_param = column.nullable
        if column.kind in UNITS:
            tensor.parameters["unit"].string_param = UNITS[column.kind]
    for name, datatype in outputs.items():
        described.outputs.add(name=name, datatype=datatype, shape=[-1])
    return bytes(described.SerializeToString(deterministic=True))


def _unknown(error: DagrunError) -> Violation:
    return Violation("inputs", str(error))
