"""The feature spec: ops with two twins, fitted once, bit-identical ever after.

Write features with the constructors below, gather them with `feature_set`, fit them on training
rows, and transform frames (`FeatureSpec.transform`) or single rows (`FeatureSpec.row_function`).
For an op of your own derive from `Op`: see docs/howto/write-your-own-op.md.
"""

from dagrun.stages.features.column import Column
from dagrun.stages.features.feature_set import FeatureSet, feature_set
from dagrun.stages.features.hard import hard_rows
from dagrun.stages.features.knowledge import TimeRules
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.bucket import bucket_fixed, bucket_quantile
from dagrun.stages.ops.cap import clip_z
from dagrun.stages.ops.category import cross, frequency, lower, one_hot, ordinal
from dagrun.stages.ops.clock import cyclical, date_parts
from dagrun.stages.ops.date_text import parse_date, parse_datetime
from dagrun.stages.ops.define import Feature, Features, Source, each, number, only
from dagrun.stages.ops.errors import CannotFit, FeatureDefinitionError
from dagrun.stages.ops.group import group_agg, target_mean
from dagrun.stages.ops.hashing import hash_bucket
from dagrun.stages.ops.impute import impute_const, impute_stat, missing_flag
from dagrun.stages.ops.kind import ANY, KEY, MOMENT, NUMBER, TEXT, Kind
from dagrun.stages.ops.lookup import lookup
from dagrun.stages.ops.numeral import parse_number
from dagrun.stages.ops.numeric import affine, cast, clip, interact, log1p, ratio, signed_log
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.power import yeo_johnson
from dagrun.stages.ops.recode import map_values, null_if, rare_group
from dagrun.stages.ops.scale import clip_iqr, minmax, robust_scale, standardize
from dagrun.stages.ops.since import available_since
from dagrun.stages.ops.span import time_since
from dagrun.stages.ops.table import Table, make_table
from dagrun.stages.ops.text import norm_text
from dagrun.stages.ops.tokens import tokens
from dagrun.stages.ops.training import Training
from dagrun.stages.ops.vector import embed_lookup

__all__ = [
    "ANY",
    "KEY",
    "MOMENT",
    "NUMBER",
    "TEXT",
    "CannotFit",
    "Column",
    "Feature",
    "FeatureDefinitionError",
    "FeatureSet",
    "FeatureSpec",
    "Features",
    "Kind",
    "Names",
    "Op",
    "Source",
    "Table",
    "TimeRules",
    "Training",
    "affine",
    "available_since",
    "bucket_fixed",
    "bucket_quantile",
    "cast",
    "clip",
    "clip_iqr",
    "clip_z",
    "cross",
    "cyclical",
    "date_parts",
    "each",
    "embed_lookup",
    "feature_set",
    "frequency",
    "group_agg",
    "hard_rows",
    "hash_bucket",
    "impute_const",
    "impute_stat",
    "interact",
    "log1p",
    "lookup",
    "lower",
    "make_table",
    "map_values",
    "minmax",
    "missing_flag",
    "norm_text",
    "null_if",
    "number",
    "one_hot",
    "only",
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
    "tokens",
    "yeo_johnson",
]
