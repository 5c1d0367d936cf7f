"""What the client gives back: answers and descriptions of models, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dagrun.proto import dagrun_v1_pb2 as pb

_TYPES: Final[Mapping[int, str]] = {
    pb.COLUMN_TYPE_DOUBLE: "double",
    pb.COLUMN_TYPE_INT64: "int64",
    pb.COLUMN_TYPE_STRING: "string",
    pb.COLUMN_TYPE_BOOL: "bool",
    pb.COLUMN_TYPE_TIMESTAMP: "timestamp",
    pb.COLUMN_TYPE_WALL_CLOCK: "wall_clock",
    pb.COLUMN_TYPE_DATE: "date",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says about one row.

    A classifier says everything but `value`, a regression `value` alone; the rest is None.

    Attributes:
        probability: of the positive class; a float32 value.
        margin: the raw score before the sigmoid; a float32 value.
        label: whether the probability reaches the threshold.
        threshold: the model's threshold.
        confidence: the probability of the label given; a float32 value.
        model_version: the version in the registry, None for a bundle served from a file.
        bundle_digest: digest of the bundle that answered.
        arm: which arm of a canary or a split answered, None where the model has none.
        value: what a regression predicts, in the unit of its label; a float32 value.
        features: the float32 vector that the model saw, null as NaN; None unless asked for.
        out_of_contract: columns whose value is outside of the model's contract, where its bundle
            says that answers name them.
    """

    probability: float | None = None
    margin: float | None = None
    label: bool | None = None
    threshold: float | None = None
    confidence: float | None = None
    value: float | None = None
    model_version: int | None
    bundle_digest: str
    features: tuple[float, ...] | None = None
    out_of_contract: tuple[str, ...] = ()
    arm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """One column that rows must have.

    Attributes:
        name: its name.
        type: double, int64, string, bool, timestamp (an instant), wall_clock or date.
        nullable: whether None is let in.
    """

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmInfo:
    """One of the versions that share a model's requests.

    Attributes:
        name: `champion`, `canary`, or what the split calls it.
        version: the version in the registry, None for a bundle served from a file.
        bundle_digest: digest of its bundle.
        share: of the requests, 0 to 1.
    """

    name: str
    version: int | None
    bundle_digest: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One served model.

    Attributes:
        name: the name that requests use.
        version: the version in the registry, None for a bundle served from a file.
        bundle_digest, spec_digest, model_digest: what answers, and its two parts.
        columns: what a row must hold.
        features: names of the features, in order.
        task: `"binary"` (a classifier) or `"regression"`.
        threshold: probability from which on a row is labelled True; None for a regression.
        metrics: figures of the evaluation.
        trained_from, trained_to: span of the training data; may be empty.
        lineage: what the bundle was built from: artifact name to logical digest.
        rechecked_rows: served rows that the batch twin computed again since the server started.
        rechecked_different: of these, rows with other bits; anything but 0 is a skew.
        out_of_contract: values outside of the contract since the server started, by column.
        alias: the alias that requests for this name follow, None for a version by its number and
            for a file.
        arms: who shares the requests, this version among them; none where it answers all of them.
    """

    name: str
    version: int | None
    bundle_digest: str
    spec_digest: str
    model_digest: str
    columns: tuple[ColumnInfo, ...]
    features: tuple[str, ...]
    task: str
    threshold: float | None
    metrics: Mapping[str, float]
    trained_from: str
    trained_to: str
    lineage: Mapping[str, str]
    rechecked_rows: int
    rechecked_different: int
    out_of_contract: Mapping[str, int]
    alias: str | None = None
    arms: tuple[ArmInfo, ...] = ()


def answers(response: pb.PredictResponse, *, features: bool) -> list[Answer]:
    """Return the answers of a response."""
    return [_answer(response, answer, features=features) for answer in response.answers]


def _answer(response: pb.PredictResponse, answer: pb.Answer, *, features: bool) -> Answer:
    version, digest = response.model_version or None, response.bundle_digest
    arm, vector = response.arm or None, tuple(answer.features) if features else None
    if answer.HasField("value"):
        return Answer(
            value=answer.value,
            model_version=version,
            bundle_digest=digest,
            features=vector,
            out_of_contract=tuple(answer.out_of_contract),
            arm=arm,
        )
    return Answer(
        probability=answer.probability,
        margin=answer.margin,
        label=answer.label,
        threshold=response.threshold,
        confidence=answer.confidence,
        model_version=version,
        bundle_digest=digest,
        features=vector,
        out_of_contract=tuple(answer.out_of_contract),
        arm=arm,
    )


def model_info(model: pb.Model) -> ModelInfo:
    """Return a description from the wire."""
    return ModelInfo(
        name=model.name,
        version=model.version or None,
        bundle_digest=model.bundle_digest,
        spec_digest=model.spec_digest,
        model_digest=model.model_digest,
        columns=tuple(
            ColumnInfo(
                name=column.name,
                type=_TYPES.get(column.type, "unknown"),
                nullable=column.nullable,
            )
            for column in model.columns
        ),
        features=tuple(model.features),
        task=model.task or "binary",
        threshold=None if model.task == "regression" else model.threshold,
        metrics=dict(model.metrics),
        trained_from=model.trained_from,
        trained_to=model.trained_to,
        lineage=dict(model.lineage),
        rechecked_rows=model.rechecked_rows,
        rechecked_different=model.rechecked_different,
        out_of_contract=dict(model.out_of_contract),
        alias=model.alias or None,
        arms=tuple(
            ArmInfo(
                name=arm.name,
                version=arm.version or None,
                bundle_digest=arm.bundle_digest,
                share=arm.share,
            )
            for arm in model.arms
        ),
    )
