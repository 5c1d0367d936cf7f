"""Training: one interface for XGBoost and the candidates of scikit-learn."""

from dagrun.stages.bundle.booster import Booster, FeatureMismatch
from dagrun.stages.bundle.model import Model
from dagrun.stages.train.calibrating import calibrate
from dagrun.stages.train.candidate import Candidate
from dagrun.stages.train.crossing import Attempt, attempts, predict_fold
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.fit import fit
from dagrun.stages.train.gradient_boosting import OBJECTIVES, fit_xgboost
from dagrun.stages.train.selecting import Selection, Standing, select
from dagrun.stages.train.tuning import Between, Told, Trial, best_trial, suggest

__all__ = [
    "OBJECTIVES",
    "Attempt",
    "Between",
    "Booster",
    "Candidate",
    "FeatureMismatch",
    "Model",
    "Selection",
    "Standing",
    "Told",
    "TrainingInvalid",
    "Trial",
    "attempts",
    "best_trial",
    "calibrate",
    "fit",
    "fit_xgboost",
    "predict_fold",
    "select",
    "suggest",
]
