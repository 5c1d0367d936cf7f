"""The bundle: spec, model and golden rows under one digest, and the registry of its versions."""

from dagrun.stages.bundle.booster import Booster, FeatureMismatch, NotBoosted, Prediction
from dagrun.stages.bundle.bundle import Bundle, BundleDamaged, Lineage, read_bundle
from dagrun.stages.bundle.calibration import Calibrated, Isotonic, Platt
from dagrun.stages.bundle.contributions import (
    Contributions,
    FeatureNameTaken,
    contributions,
    explain,
)
from dagrun.stages.bundle.estimator import Estimator
from dagrun.stages.bundle.field_numbers import Field
from dagrun.stages.bundle.golden import Difference, GoldenMismatch, GoldenReport, check
from dagrun.stages.bundle.golden_rows import GoldenRows
from dagrun.stages.bundle.limits import Limits, LimitsInvalid
from dagrun.stages.bundle.make import ThresholdInvalid, make_bundle
from dagrun.stages.bundle.model import Model
from dagrun.stages.bundle.refresh import Refresh, RefreshRefused, refresh, try_refresh
from dagrun.stages.bundle.registry import DEFAULT_ALIAS, Registry, register
from dagrun.stages.bundle.row import PredictionFailed, RowScore, RowScorer
from dagrun.stages.bundle.score import score
from dagrun.stages.bundle.shift import NoRows, Shift, ShiftLimits, prediction_shift
from dagrun.stages.versions import (
    AliasMove,
    ModelVersion,
    NameInvalid,
    NothingToRollBack,
    NotRegistered,
    VerdictOfAnother,
    VersionRefused,
)

__all__ = [
    "DEFAULT_ALIAS",
    "AliasMove",
    "Booster",
    "Bundle",
    "BundleDamaged",
    "Calibrated",
    "Contributions",
    "Difference",
    "Estimator",
    "FeatureMismatch",
    "FeatureNameTaken",
    "Field",
    "GoldenMismatch",
    "GoldenReport",
    "GoldenRows",
    "Isotonic",
    "Limits",
    "LimitsInvalid",
    "Lineage",
    "Model",
    "ModelVersion",
    "NameInvalid",
    "NoRows",
    "NotBoosted",
    "NotRegistered",
    "NothingToRollBack",
    "Platt",
    "Prediction",
    "PredictionFailed",
    "Refresh",
    "RefreshRefused",
    "Registry",
    "RowScore",
    "RowScorer",
    "Shift",
    "ShiftLimits",
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
]
