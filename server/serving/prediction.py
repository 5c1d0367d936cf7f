"""The service `dagrun.v1.Prediction`: what each method answers, from bytes to bytes.

Guarantee: a row and a table get the bits that `dagrun.stages.bundle.score` gives; all answers of
one response come from one bundle, the one it names. Nothing is computed after the deadline, and
nothing for a request that is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from time import perf_counter_ns

import grpc

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.observe.prediction_log import UNNAMED, PredictionLog
from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving import answers
from dagrun.server.serving.aside import Aside
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.recheck import Recheck
from dagrun.server.serving.refusals import (
    DeadlinePassed,
    Method,
    TooMuch,
    ValuesRefused,
    parsed,
)
from dagrun.server.serving.rows import NotAdmitted, Rows, Scalar, drop
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.table_scoring import TableScoring
from dagrun.server.traffic.arms import attempted, sticky_key
from dagrun.stages.bundle import RowScore

SERVICE = pb.DESCRIPTOR.services_by_name["Prediction"].full_name
_MANY_ROWS = 9
"""From here on one call of XGBoost for all rows (0.5 ms) is faster than one for each (54 us); a
model whose trees are walked (7 us a row) is faster row by row however many there are."""


class Prediction:
    """The methods, each from the bytes of a request to the bytes of a response."""

    def __init__(
        self, models: Models, settings: ServerSettings, log: PredictionLog | None = None
    ) -> None:
        self._models, self._settings, self._log = models, settings, log
        self.recorder = Recorder(TURN.mark if settings.trace else None)
        self.tables = TableScoring(models, settings, self.recorder, log)
        self.recheck = Recheck(settings.recheck, settings.recheck_waiting, self.recorder)

    @property
    def answered(self) -> int:
        """Number of calls answered so far with scores, of rows or of tables."""
        return self.recorder.answered

    @property
    def methods(self) -> Mapping[str, Method]:
        """The methods by their name in the service."""
        return {
            "Predict": self.predict,
            "PredictTable": self.predict_table,
            "GetModel": self.get_model,
            "ListModels": self.list_models,
        }

    def predict(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        """Score rows. The hot path: a microsecond here is a hundredth of a request."""
        started = perf_counter_ns()
        if context.time_remaining() == 0:
            raise DeadlinePassed
        request = parsed(pb.PredictRequest, data)
        model = self._models.get(request.model)
        if model.arms is not None:
            # Parsed again for each attempt: reading rows may change them.
            return model.arms.answer(
                sticky_key(context) or next((row.key for row in request.rows), ""),
                lambda arm: attempted(
                    self._predict(arm, parsed(pb.PredictRequest, data), data, started)
                ),
            )
        return self._predict(model, request, data, started)

    def _predict(
        self, model: ServedModel, request: pb.PredictRequest, data: bytes, started: int
    ) -> bytes:
        TURN.labels = model.labels
        values = self.admit(model, request, data, "Use PredictTable.")
        return self.respond(
            model,
            values,
            features=request.include_features,
            started=started,
            received=len(data),
            request_id=request.request_id,
            keys=[row.key for row in request.rows],
        )

    def respond(
        self,
        model: ServedModel,
        rows: Sequence[Sequence[Scalar]],
        *,
        features: bool,
        started: int,
        received: int,
        request_id: str = "",
        keys: Iterable[str] = UNNAMED,
    ) -> bytes:
        """Score and log admitted rows, and return the bytes of a `PredictResponse`.

        `started` is when the work began, in nanoseconds of `perf_counter_ns`; `received` the
        request's size in bytes; `request_id` and `keys` what the caller calls request and rows.
        """
        read_at = perf_counter_ns()
        outside = None if model.live is None else model.live.check(rows, self.recorder)
        response, scored, featured, modelled = _score(
            model, rows, self._asides(model), features=features
        )
        featured += read_at
        modelled += featured
        if outside is not None:
            response = answers.with_outside(response, outside)
        if self._log is not None:
            self._log.take(model, rows, scored, request_id=request_id, keys=keys)
        moments = (TURN.queued, started, read_at, featured, modelled, perf_counter_ns())
        self.recorder.predict[model.labels].add((*moments, len(rows), received, len(response)))
        return response

    def admit(
        self, model: ServedModel, request: Rows, data: bytes, instead: str
    ) -> list[list[Scalar]]:
        """Return the rows of a request, parsed from `data`, in the order of the model's columns.

        Raises `TooMuch`, advising what to do `instead`, and `ValuesRefused`.
        """
        rows = request.rows
        self.check_size(rows, instead)
        read = model.reader.read
        try:
            return [read(row.values) for row in rows]
        except NotAdmitted:
            again = parsed(type(request), data)
        extra = self._models.elsewhere(model)
        if not extra:
            raise self._refused(model, again)
        drop(extra, again)
        try:
            return [read(row.values) for row in again.rows]
        except NotAdmitted:
            again = parsed(type(request), data)
            drop(extra, again)
            raise self._refused(model, again) from None

    def check_size(self, rows: Sized, instead: str) -> None:
        """Raise `TooMuch`, advising what to do `instead`, for more rows than are let in."""
        most = self._settings.max_rows
        if len(rows) > most:
            raise TooMuch("rows", len(rows), most, instead)

    def predict_table(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        """Score a table."""
        started = perf_counter_ns()
        if context.time_remaining() == 0:
            raise DeadlinePassed
        request = parsed(pb.PredictTableRequest, data)
        model = self._models.get(request.model)
        if model.arms is not None:
            return model.arms.answer(
                sticky_key(context),
                lambda arm: self.tables.answer(arm, request, len(data), started),
            )
        return self.tables.answer(model, request, len(data), started).response

    def get_model(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Describe one model."""
        request = parsed(pb.GetModelRequest, data)
        return self._models.get(request.model).described().SerializeToString()

    def list_models(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Describe all models."""
        models = sorted(self._models.current.items())
        response = pb.ListModelsResponse(models=[model.described() for _, model in models])
        return response.SerializeToString()

    def score_rows(
        self, model: ServedModel, rows: Sequence[Sequence[object]], request_id: str = ""
    ) -> list[RowScore]:
        """Score and log admitted rows one by one, for a protocol that writes its own answers.

        Raises `ValuesRefused`.
        """
        if model.live is not None:
            model.live.check(rows, self.recorder)
        asides, scorer = self._asides(model), model.scorer
        scores = []
        for row in rows:
            scores.append(scorer.score(row))
            for aside in asides:
                if aside.wants():
                    aside.take((model, row, scorer.features, scores[-1].margin))
        if self._log is not None:
            self._log.take(model, rows, scores, request_id=request_id)
        return scores

    def _asides(self, model: ServedModel) -> Sequence[Aside]:
        """Return what looks at served rows later on."""
        return (self.recheck,) if model.shadow is None else (self.recheck, model.shadow)

    def _refused(self, model: ServedModel, request: Rows) -> Exception:
        """Return what to raise for rows that the reader did not admit."""
        most = self._settings.max_columns
        for row in request.rows:
            if len(row.values) > most:
                return TooMuch("values in a row", len(row.values), most, "")
        return ValuesRefused(model.name, model.reader.violations(request))


def _score(
    model: ServedModel,
    rows: Sequence[Sequence[Scalar]],
    asides: Sequence[Aside],
    *,
    features: bool,
) -> tuple[bytes, list[tuple[float, float]], int, int]:
    """Return the response for admitted rows, their scores, and the nanoseconds for both."""
    threshold, scorer = model.threshold, model.scorer
    if len(rows) < _MANY_ROWS or not scorer.left_to_xgboost:
        parts: list[bytes] = []
        scored: list[tuple[float, float]] = []
        in_features = in_model = 0
        for row in rows:
            begun = perf_counter_ns()
            scorer.prepare(row)
            prepared = perf_counter_ns()
            margin, value = pair = scorer.predict()
            in_model += perf_counter_ns() - prepared
            in_features += prepared - begun
            scored.append(pair)
            for aside in asides:
                if aside.wants():
                    aside.take((model, row, scorer.features, margin))
            answer = answers.encode(margin, value, threshold)
            parts.append(answers.with_features(answer, scorer.features) if features else answer)
    else:
        begun = perf_counter_ns()
        matrix = model.matrix(rows)
        prepared = perf_counter_ns()
        scores = model.bundle.booster.predict_values(matrix, nthread=1)
        in_features, in_model = prepared - begun, perf_counter_ns() - prepared
        for row, served, margin in zip(rows, matrix, scores.margins, strict=True):
            for aside in asides:
                if aside.wants():
                    aside.take((model, row, served, margin))
        scored = list(zip(scores.margins.tolist(), scores.values.tolist(), strict=True))
        parts = [answers.encode(*pair, threshold) for pair in scored]
        if features:
            parts = list(map(answers.with_features, parts, matrix.tolist()))
    return b"".join((*parts, model.tail)), scored, in_features, in_model
