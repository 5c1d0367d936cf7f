"""How many CPUs this process may use: its affinity and its cgroup's quota, not the machine's."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """A number of CPUs and what set it: `"cgroup"`, `"affinity"`."""

    count: int
    limit: str


def available(cgroup: Path = Path("/sys/fs/cgroup")) -> Cpus:
    """Return the CPUs this process may use, at least 1.

    Reads the quota of the cgroup mounted at `cgroup`: `cpu.max` (version 2) or `cpu/cpu.cfs_*`
    (version 1). Limits set further up the hierarchy, where it cannot see, are not known.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = affinity or 1
    quota = _quota(cgroup)
    if quota is not None and quota <= count:
        return Cpus(count=max(1, math.ceil(quota)), limit="cgroup")
    return Cpus(count=count, limit="affinity")


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
