"""All ops by the name that documents use."""

from __future__ import annotations

from dagrun.stages.ops import (
    bucket,
    category,
    clock,
    group,
    hashing,
    impute,
    lookup,
    numeric,
    scale,
    span,
    tokens,
    vector,
)
from dagrun.stages.ops.op import Op

OPS: dict[str, type[Op]] = {
    kind.op: kind
    for kind in (
        numeric.Cast,
        numeric.Affine,
        numeric.Clip,
        numeric.Log1p,
        numeric.SignedLog,
        numeric.Ratio,
        numeric.Interact,
        scale.Standardize,
        scale.MinMax,
        scale.RobustScale,
        scale.ClipIqr,
        impute.ImputeNumber,
        impute.ImputeText,
        impute.ImputeStat,
        impute.MissingFlag,
        bucket.BucketFixed,
        bucket.BucketQuantile,
        category.OneHot,
        category.Ordinal,
        category.Frequency,
        category.Cross,
        category.Lower,
        clock.Clock,
        clock.Day,
        clock.TimePart,
        clock.DayPart,
        clock.Cyclical,
        span.TimeSince,
        group.GroupAgg,
        group.TargetMean,
        hashing.HashBucket,
        lookup.Lookup,
        tokens.Tokens,
        tokens.HashedTokens,
        vector.EmbedLookup,
        vector.Elements,
        vector.Counts,
    )
}
