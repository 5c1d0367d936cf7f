"""Training: XGBoost behind one small function."""

from dagrun.stages.bundle.booster import Booster, FeatureMismatch
from dagrun.stages.train.gradient_boosting import OBJECTIVES, TrainingInvalid, fit_xgboost

__all__ = ["OBJECTIVES", "Booster", "FeatureMismatch", "TrainingInvalid", "fit_xgboost"]
