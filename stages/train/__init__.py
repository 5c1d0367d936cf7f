"""Training: one interface for XGBoost and the candidates of scikit-learn."""

from dagrun.stages.bundle.booster import Booster, FeatureMismatch
from dagrun.stages.bundle.model import Model
from dagrun.stages.train.calibrating import calibrate
from dagrun.stages.train.candidate import Candidate
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.fit import fit
from dagrun.stages.train.gradient_boosting import OBJECTIVES, fit_xgboost

__all__ = [
    "OBJECTIVES",
    "Booster",
    "Candidate",
    "FeatureMismatch",
    "Model",
    "TrainingInvalid",
    "calibrate",
    "fit",
    "fit_xgboost",
]
