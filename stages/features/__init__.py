"""The feature spec: ops with two twins, fitted once, bit-identical ever after.

Write features with the constructors below, gather them with `feature_set`, fit them on training
rows, and transform frames (`FeatureSpec.transform`) or single rows (`FeatureSpec.row_function`).
"""

from dagrun.stages.features.bucket import bucket_fixed, bucket_quantile
from dagrun.stages.features.category import cross, frequency, lower, one_hot, ordinal
from dagrun.stages.features.clock import cyclical, date_parts
from dagrun.stages.features.column import Column
from dagrun.stages.features.define import Feature
from dagrun.stages.features.feature_set import FeatureSet, feature_set
from dagrun.stages.features.group import group_agg, target_mean
from dagrun.stages.features.hard import hard_rows
from dagrun.stages.features.impute import impute_const, impute_stat, missing_flag
from dagrun.stages.features.numeric import affine, cast, clip, interact, log1p, ratio, signed_log
from dagrun.stages.features.scale import clip_iqr, minmax, robust_scale, standardize
from dagrun.stages.features.span import time_since
from dagrun.stages.features.spec import FeatureSpec

__all__ = [
    "Column",
    "Feature",
    "FeatureSet",
    "FeatureSpec",
    "affine",
    "bucket_fixed",
    "bucket_quantile",
    "cast",
    "clip",
    "clip_iqr",
    "cross",
    "cyclical",
    "date_parts",
    "feature_set",
    "frequency",
    "group_agg",
    "hard_rows",
    "impute_const",
    "impute_stat",
    "interact",
    "log1p",
    "lower",
    "minmax",
    "missing_flag",
    "one_hot",
    "ordinal",
    "ratio",
    "robust_scale",
    "signed_log",
    "standardize",
    "target_mean",
    "time_since",
]
