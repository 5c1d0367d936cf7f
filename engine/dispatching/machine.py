"""What this process may use of the machine: CPUs and memory, by affinity and cgroup.

The limit: of cgroups it sees the one mounted in its place and, on a shared hierarchy, its own and
those above it; what a virtual machine or a batch system grants beyond that, nobody tells it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """A number of CPUs and what set it: `"cgroup"`, `"affinity"`."""

    count: int
    limit: str


def available(cgroup: Path = CGROUP) -> Cpus:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """An amount of memory in bytes and what set it: `"cgroup"`, `"machine"`."""

    size: int
    limit: str


def memory(cgroup: Path = CGROUP, own: Path = Path("/proc/self/cgroup")) -> Memory:
    """Return the memory this process may use: the machine's, or the least of its cgroups' limits.

    Reads `memory.max` (version 2) and `memory/memory.limit_in_bytes` (version 1), at the mount
    and at every level down to the cgroup that the file `own` names.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [limit for folder in _folders(cgroup, own) if (limit := _memory_limit(folder))]
    least = min(limits, default=machine)
    if least < machine:
        return Memory(size=least, limit="cgroup")
    return Memory(size=machine, limit="machine")


def _folders(cgroup: Path, own: Path) -> Iterator[Path]:
    yield cgroup
    yield cgroup / "memory"
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        folder = cgroup / "memory" if controllers else cgroup
        for part in Path(path).parts[1:]:
            folder = folder / part
            yield folder


def _memory_limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return None
