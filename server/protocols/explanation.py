"""`Explain`: what each feature of a row adds to its margin.

Guarantee: the margin has the bits that `Predict` gives, and a row is explained by the same bits
alone and among others. All of a response comes from one bundle, the one it names. Where it ends:
as `dagrun.stages.bundle.contributions` says; it takes about a hundred times as long as `Predict`,
so it runs on the threads of the tables.
"""

from __future__ import annotations

from time import perf_counter_ns

import grpc

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving.models import Models
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import DeadlinePassed, NotExplained, parsed
from dagrun.stages.bundle import NotBoosted, contributions

_PHASES = ("queue", "parse", "explain")


class Explanation:
    """The method, from the bytes of a request to the bytes of a response."""

    def __init__(self, models: Models, prediction: Prediction) -> None:
        self._models, self._prediction = models, prediction
        self._series = prediction.recorder.method("Explain", _PHASES)

    def explain(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        """Explain rows. Raises what `Prediction.predict` does, and `NotExplained`."""
        started = perf_counter_ns()
        if context.time_remaining() == 0:
            raise DeadlinePassed
        request = parsed(pb.ExplainRequest, data)
        model = self._models.get(request.model)
        TURN.labels = model.labels
        rows = self._prediction.admit(model, request, data, "Explain them in parts.")
        read_at = perf_counter_ns()
        booster = model.bundle.booster
        response = pb.ExplainResponse(
            features=booster.features,
            model_version=model.version.version if model.version else 0,
            bundle_digest=model.bundle.digest,
        )
        if rows:
            values = model.matrix(rows)
            margins = booster.predict_values(values, nthread=1).margins
            try:
                found = contributions(booster, values)
            except NotBoosted as error:
                raise NotExplained(model.name, error) from error
            for row, parts, bias, margin in zip(
                values, found.features, found.biases, margins, strict=True
            ):
                response.explanations.add(
                    contributions=parts.tolist(),
                    bias=bias,
                    margin=margin,
                    values=row.tolist(),
                )
        encoded = response.SerializeToString()
        moments = (TURN.queued, started, read_at, perf_counter_ns())
        self._series[model.labels].add((*moments, len(rows), len(data), len(encoded)))
        return encoded
