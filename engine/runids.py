"""Ids of runs: unique, sorted by time, and made without importing anything heavy."""

from __future__ import annotations

import os
import time


def new_run_id() -> str:
    """Return a fresh id that sorts by time: `20261121-115700-042917-7f3a`."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    at = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
    return f"{at}-{rest // 1000:06d}-{os.urandom(2).hex()}"


def domain(run_id: str) -> str:
    """Return the domain under which the lines of a run's log are sealed."""
    return f"run/{run_id}"
