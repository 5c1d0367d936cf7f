"""Scoring of whole tables, for every protocol that takes them.

Guarantee: the batch twin's bits, which are the served ones; what is held against the contract is
held against it before anything is computed; what was answered is logged, and offered to the
model's shadow.
"""

from __future__ import annotations

from time import perf_counter_ns

import polars as pl

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.observe.prediction_log import PredictionLog
from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving import answers
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.refusals import ValuesRefused, Violation
from dagrun.server.serving.rows import no_column
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.tables import read_table, write_table
from dagrun.server.traffic.arms import Attempt
from dagrun.stages.bundle.score import score_admitted
from dagrun.stages.ops.errors import BadValue, DtypeMismatch, UnknownColumn


class TableScoring:
    """Scores tables. It may be used from any thread."""

    def __init__(
        self,
        models: Models,
        settings: ServerSettings,
        recorder: Recorder,
        log: PredictionLog | None,
    ) -> None:
        self._models, self._settings = models, settings
        self._recorder, self._log = recorder, log

    def answer(
        self, model: ServedModel, request: pb.PredictTableRequest, received: int, started: int
    ) -> Attempt:
        """Return the response to a request of so many bytes, begun at `perf_counter_ns`.

        Raises `MessageRefused`, `TooMuch` and `ValuesRefused`.
        """
        TURN.labels = model.labels
        frame = read_table(request.table, self._settings)
        known = [column.name for column in model.bundle.spec.inputs]
        taken = {*known, *self._models.elsewhere(model)}
        if unknown := [name for name in frame.columns if name not in taken]:
            raise ValuesRefused(model.name, (no_column("table", name, known) for name in unknown))
        read_at = perf_counter_ns()
        try:
            scores = self.score(model, frame, request.request_id)
        except UnknownColumn as error:
            missing = (Violation(f"table.{name}", "is missing") for name in error.missing)
            raise ValuesRefused(model.name, missing) from error
        except (BadValue, DtypeMismatch) as error:
            violation = Violation(f"table.{error.column}", str(error))
            raise ValuesRefused(model.name, [violation]) from error
        scored_at = perf_counter_ns()
        table = write_table(answers.with_confidence(scores))
        response = pb.PredictTableResponse(table=table).SerializeToString() + model.tail
        moments = (TURN.queued, started, read_at, scored_at, perf_counter_ns())
        self._recorder.table[model.labels].add((*moments, frame.height, received, len(response)))
        return Attempt(response, answers.margins(scores))

    def score(self, model: ServedModel, frame: pl.DataFrame, request_id: str) -> pl.DataFrame:
        """Score and log a table, held against the contract; `request_id` is the caller's.

        Raises what `dagrun.stages.bundle.score` does, and `ValuesRefused`.
        """
        columns = model.bundle.spec.admitted(frame)
        if model.live is not None:
            model.live.check_table(columns, self._recorder)
        scores = score_admitted(model.bundle, columns, nthread=1)
        if self._log is not None:
            self._log.take_table(model, frame, scores, request_id)
        if model.shadow is not None:
            model.shadow.take_table(model, frame, answers.margins(scores))
        return scores
