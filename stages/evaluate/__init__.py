"""Metrics, the report and the gate."""

from dagrun.stages.evaluate.gate import Gate, Gates, NoSuchFigure, judge
from dagrun.stages.evaluate.metrics import CalibrationBin, Decisions, Scores
from dagrun.stages.evaluate.regression import (
    RegressionReport,
    RegressionScores,
    Slice,
    evaluate_regression,
)
from dagrun.stages.evaluate.report import EvaluationInvalid, Report, choose_threshold, evaluate

__all__ = [
    "CalibrationBin",
    "Decisions",
    "EvaluationInvalid",
    "Gate",
    "Gates",
    "NoSuchFigure",
    "RegressionReport",
    "RegressionScores",
    "Report",
    "Scores",
    "Slice",
    "choose_threshold",
    "evaluate",
    "evaluate_regression",
    "judge",
]
