"""Metrics, the report, the gate file and the judge."""

from dagrun.stages.evaluate.bootstrap import Bootstrap
from dagrun.stages.evaluate.champion import Champion
from dagrun.stages.evaluate.gate import Gate, Gates
from dagrun.stages.evaluate.holdout import GateUnjudgeable
from dagrun.stages.evaluate.judge import NoSuchFigure, judge
from dagrun.stages.evaluate.judgement import Judgement, Outcome, Part
from dagrun.stages.evaluate.metrics import CalibrationBin, Decisions, Scores
from dagrun.stages.evaluate.regression import (
    RegressionReport,
    RegressionScores,
    Slice,
    evaluate_regression,
)
from dagrun.stages.evaluate.report import EvaluationInvalid, Report, choose_threshold, evaluate

__all__ = [
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
    "evaluate",
    "evaluate_regression",
    "judge",
]
