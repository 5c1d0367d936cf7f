"""Making a bundle from the artifacts of a pipeline, proved before it leaves the stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from dagrun.engine.context import Context
from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.bundle import Bundle, Lineage
from dagrun.stages.bundle.golden import check
from dagrun.stages.bundle.golden_rows import record
from dagrun.stages.bundle.limits import Limits, Live
from dagrun.stages.bundle.model import FeatureMismatch, Model, Task
from dagrun.stages.features import FeatureSpec

if TYPE_CHECKING:
    from dagrun.stages.validate.contract import Contract


class ThresholdInvalid(DagrunError):
    """A decision threshold is not a probability, or the model has none to compare it with."""

    def __init__(self, threshold: float, task: Task) -> None:
        self.threshold, self.task = threshold, task
        super().__init__(
            f"threshold is {threshold!r}, but a regression answers numbers, not labels; give none"
            if task == "regression"
            else f"threshold is {threshold!r}; it is compared with a probability, so give a number "
            "from 0 to 1, such as the report's"
        )


def make_bundle(
    ctx: Context | None,
    *,
    name: str,
    spec: FeatureSpec,
    booster: Model,
    sample: pl.DataFrame,
    threshold: float | None = None,
    metrics: Mapping[str, float] | None = None,
    trained: Mapping[str, str] | None = None,
    contract: Contract | None = None,
    live: Live = "warn",
) -> Bundle:
    """Return a bundle whose golden rows were replayed once already.

    Args:
        ctx: the running stage's context, whose key and inputs become the lineage; None outside.
        name: name of the model.
        spec: the fitted spec.
        booster: a model trained on the spec's features: XGBoost's, or any other `Model`.
        sample: raw rows with the spec's inputs; the golden rows are drawn from them.
        threshold: probability from which on a row is labelled True; None means 0.5. A regression
            has none.
        metrics: figures to show with the model.
        trained: first and last moment of the training data, `{"from": ..., "to": ...}`.
        contract: of the raw rows; its ranges and sets travel in the bundle, and rows that are
            served are held against them.
        live: what becomes of a served row outside of them: `"count"` it, `"warn"` (name the
            columns in its answer too), or `"refuse"` it.

    Raises:
        FeatureMismatch: the model expects other features than the spec makes.
        GoldenMismatch: the two paths disagree, which is a defect of an op.
        LimitsInvalid: a range or set of the contract does not fit the type of its column.
        ThresholdInvalid: the threshold is no probability, or the model is a regression.
    """
    if booster.features != spec.names:
        raise FeatureMismatch(booster.features, spec.names)
    bundle = Bundle(
        name=name,
        spec=spec,
        booster=booster,
        golden=record(spec, booster, sample),
        threshold=_threshold(booster.task, threshold),
        metrics=dict(metrics or {}),
        trained=dict(trained or {}),
        lineage=Lineage(inputs=dict(ctx.inputs), key=ctx.key) if ctx else Lineage(),
        limits=None if contract is None else Limits.of(contract, spec.inputs, live),
    )
    check(bundle).require()
    return bundle


def _threshold(task: Task, threshold: float | None) -> float | None:
    if task == "regression":
        if threshold is not None:
            raise ThresholdInvalid(threshold, task)
        return None
    chosen = 0.5 if threshold is None else float(threshold)
    if not 0.0 <= chosen <= 1.0:
        raise ThresholdInvalid(chosen, task)
    return chosen
