"""What a served model says of itself: the message `Model` of `dagrun.v1`.

Guarantee: everything here is as the bundle states it and stays while the model is served; what is
counted while it serves is added by whoever counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving.rows import wire
from dagrun.stages.bundle import Bundle
from dagrun.stages.catalog import served_alias

if TYPE_CHECKING:
    from dagrun.server.traffic.arms import Arms


def described(name: str, version: int, bundle: Bundle) -> pb.Model:
    """Return the description of a bundle served by a name; version 0 for one from a file."""
    return pb.Model(
        name=name,
        version=version,
        bundle_digest=bundle.digest,
        spec_digest=bundle.spec.digest,
        model_digest=bundle.booster.digest,
        columns=[
            pb.Column(name=column.name, type=wire(column).type, nullable=column.nullable)
            for column in bundle.spec.inputs
        ],
        features=bundle.spec.names,
        threshold=bundle.threshold or 0.0,
        metrics=bundle.metrics,
        trained_from=bundle.trained.get("from", ""),
        trained_to=bundle.trained.get("to", ""),
        lineage=bundle.lineage.inputs,
        task=bundle.task,
        alias=served_alias(name) if version else "",
    )


def described_arms(arms: Arms) -> Iterator[pb.Arm]:
    """Yield who shares a model's requests, the champion first."""
    for arm in (arms.champion, *arms.others):
        model = arm.model.description
        yield pb.Arm(
            name=arm.name,
            version=model.version,
            bundle_digest=model.bundle_digest,
            share=arm.share,
        )
