"""What was served, read back: the prediction log and the outcomes that came in later."""

from dagrun.stages.monitor.arms import (
    ArmFigure,
    ArmResult,
    ArmsIncomparable,
    compare_arms,
)
from dagrun.stages.monitor.log import (
    LogColumnsDiffer,
    LogMissing,
    raw_rows,
    read_prediction_log,
)
from dagrun.stages.monitor.outcomes import join_outcomes
from dagrun.stages.monitor.replay import QUANTILES, CannotReplay, Replayed, replay

__all__ = [
    "QUANTILES",
    "ArmFigure",
    "ArmResult",
    "ArmsIncomparable",
    "CannotReplay",
    "LogColumnsDiffer",
    "LogMissing",
    "Replayed",
    "compare_arms",
    "join_outcomes",
    "raw_rows",
    "read_prediction_log",
    "replay",
]
