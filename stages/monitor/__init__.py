"""What was served, read back: the prediction log and the outcomes that came in later."""

from dagrun.stages.monitor.log import (
    LogColumnsDiffer,
    LogMissing,
    raw_rows,
    read_prediction_log,
)
from dagrun.stages.monitor.outcomes import join_outcomes

__all__ = [
    "LogColumnsDiffer",
    "LogMissing",
    "join_outcomes",
    "raw_rows",
    "read_prediction_log",
]
