"""The feature spec: ops with two twins, fitted once, bit-identical ever after.

Write features with the constructors below, gather them with `feature_set`, fit them on training
rows, and transform frames (`FeatureSpec.transform`) or single rows (`FeatureSpec.row_function`).
"""

from dagrun.stages.features.column import Column
from dagrun.stages.features.feature_set import FeatureSet, feature_set
from dagrun.stages.features.hard import hard_rows
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.bucket import bucket_fixed, bucket_quantile
from dagrun.stages.ops.cap import clip_z
from dagrun.stages.ops.category import cross, frequency, one_hot, ordinal
from dagrun.stages.ops.clock import cyclical, date_parts
from dagrun.stages.ops.date_text import parse_date, parse_datetime
from dagrun.stages.ops.define import Feature
from dagrun.stages.ops.group import group_agg, target_mean
from dagrun.stages.ops.impute import impute_const, impute_stat, missing_flag
from dagrun.stages.ops.numeral import parse_number
from dagrun.stages.ops.numeric import affine, cast, clip, interact, log1p, ratio, signed_log
from dagrun.stages.ops.power import yeo_johnson
from dagrun.stages.ops.recode import map_values, null_if, rare_group
from dagrun.stages.ops.scale import clip_iqr, minmax, robust_scale, standardize
from dagrun.stages.ops.span import time_since
from dagrun.stages.ops.text import norm_text

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
    "clip_z",
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
    "map_values",
    "minmax",
    "missing_flag",
    "norm_text",
    "null_if",
    "one_hot",
    "ordinal",
    "parse_date",
    "parse_datetime",
    "parse_number",
    "rare_group",
    "ratio",
    "robust_scale",
    "signed_log",
    "standardize",
    "target_mean",
    "time_since",
    "yeo_johnson",
]
