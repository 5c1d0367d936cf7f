"""All ops by the name that documents use."""

from __future__ import annotations

from dagrun.stages.ops import (
    bucket,
    cap,
    category,
    clock,
    date_text,
    group,
    impute,
    numeral,
    numeric,
    power,
    recode,
    scale,
    span,
    text,
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
        cap.ClipZ,
        power.YeoJohnson,
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
        text.NormText,
        recode.NullIf,
        recode.MapText,
        recode.MapNumber,
        recode.RareGroup,
        numeral.ParseNumber,
        date_text.ParseDate,
        date_text.ParseDatetime,
        clock.Clock,
        clock.Day,
        clock.TimePart,
        clock.DayPart,
        clock.Cyclical,
        span.TimeSince,
        group.GroupAgg,
        group.TargetMean,
    )
}
