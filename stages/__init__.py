"""Features, bundles, the registry and the ready-made stages of machine learning.

The public names of all rooms can be imported from here, except those that are also the name of
a room: `from dagrun.stages.evaluate import evaluate`, and likewise `validate`. A room is loaded
when one of its names is first asked for, so that `import dagrun.stages` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagrun.stages.bundle import *  # noqa: F403
    from dagrun.stages.clean import *  # noqa: F403
    from dagrun.stages.evaluate import *  # noqa: F403
    from dagrun.stages.features import *  # noqa: F403
    from dagrun.stages.ingest import *  # noqa: F403
    from dagrun.stages.joining import *  # noqa: F403
    from dagrun.stages.scoring import *  # noqa: F403
    from dagrun.stages.split import *  # noqa: F403
    from dagrun.stages.train import *  # noqa: F403
    from dagrun.stages.validate import *  # noqa: F403

_ROOMS = {
    "features": (
        "ANY",
        "CannotFit",
        "Column",
        "Feature",
        "FeatureDefinitionError",
        "FeatureSet",
        "FeatureSpec",
        "Features",
        "KEY",
        "Kind",
        "MOMENT",
        "NUMBER",
        "Names",
        "Op",
        "Source",
        "TEXT",
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
    ),
    "bundle": (
        "DEFAULT_ALIAS",
        "AliasMove",
        "Booster",
        "Bundle",
        "BundleDamaged",
        "Contributions",
        "Difference",
        "FeatureMismatch",
        "FeatureNameTaken",
        "Field",
        "GoldenMismatch",
        "GoldenReport",
        "GoldenRows",
        "ShiftLimits",
        "Limits",
        "LimitsInvalid",
        "Lineage",
        "ModelVersion",
        "NameInvalid",
        "NoRows",
        "NotRegistered",
        "NothingToRollBack",
        "Prediction",
        "PredictionFailed",
        "Refresh",
        "RefreshRefused",
        "Registry",
        "RowScore",
        "RowScorer",
        "Shift",
        "ThresholdInvalid",
        "VerdictOfAnother",
        "VersionRefused",
        "check",
        "contributions",
        "explain",
        "make_bundle",
        "prediction_shift",
        "read_bundle",
        "refresh",
        "register",
        "score",
        "try_refresh",
    ),
    "clean": (
        "CleaningInvalid",
        "Duplicates",
        "dedupe",
        "duplicates",
    ),
    "train": (
        "OBJECTIVES",
        "TrainingInvalid",
        "fit_xgboost",
    ),
    "evaluate": (
        "Bootstrap",
        "CalibrationBin",
        "Champion",
        "Decisions",
        "EvaluationInvalid",
        "Gate",
        "GateUnjudgeable",
        "Gates",
        "Judgement",
        "NoSuchFigure",
        "Outcome",
        "Part",
        "RegressionReport",
        "RegressionScores",
        "Report",
        "Scores",
        "Slice",
        "choose_threshold",
        "evaluate_regression",
        "judge",
    ),
    "validate": (
        "ColumnRules",
        "Contract",
        "ContractViolation",
        "Leak",
        "LeakageReport",
        "LeakageUnchecked",
        "Strength",
        "SumRule",
        "Violation",
        "check_leakage",
    ),
    "ingest": (
        "Unparsed",
        "ValuesUnreadable",
        "read_csv",
        "read_ndjson",
        "read_parquet",
    ),
    "joining": (
        "Coverage",
        "JoinInvalid",
        "coverage",
        "join_known",
    ),
    "scoring": (
        "ModelUnavailable",
        "PredictionNamesTaken",
        "RegisteredModel",
        "score_table",
    ),
    "split": (
        "SplitInvalid",
        "split_by_time",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'dagrun.stages' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dagrun.stages.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_ROOM_OF))
