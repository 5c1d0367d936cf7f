"""Ids of runs: unique, sorted by time, and made without importing anything heavy."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

STAGE_LOGS = ".logs"
"""What follows a run's id in the name of the folder with its stages' logs."""


def new_run_id() -> str:
    """Return a fresh id that sorts by time: `20261121-115700-042917-7f3a`."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    at = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
    return f"{at}-{rest // 1000:06d}-{os.urandom(2).hex()}"


def domain(run_id: str) -> str:
    """Return the domain under which the lines of a run's log are sealed."""
    return f"run/{run_id}"


def owner(path: Path) -> str:
    """Return the id of the run that a log, its own or that of one of its stages, belongs to."""
    of_stage = path.parent.name.endswith(STAGE_LOGS)
    return path.parent.name.removesuffix(STAGE_LOGS) if of_stage else path.name.split(".")[0]


def log_domain(path: Path) -> str:
    """Return the domain under which the lines of a log are sealed."""
    run_id = owner(path)
    of_stage = path.parent.name.endswith(STAGE_LOGS)
    return f"{domain(run_id)}/{path.name}" if of_stage else domain(run_id)
