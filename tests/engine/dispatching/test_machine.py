"""CPUs and memory, by affinity and cgroup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagrun.engine.dispatching.machine import available, memory

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("content", "count", "limit"),
    [
        ("50000 100000", 1, "cgroup"),
        ("100000 100000", 1, "cgroup"),
        ("max 100000", ALLOWED, "affinity"),
        ("99999900000 100000", ALLOWED, "affinity"),
        ("nonsense", ALLOWED, "affinity"),
    ],
)
def test_version_2(tmp_path: Path, content: str, count: int, limit: str) -> None:
    (tmp_path / "cpu.max").write_text(content + "\n")
    found = available(tmp_path)
    assert (found.count, found.limit) == (count, limit)


def test_version_1(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("10000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available(tmp_path).count == 1
    assert available(tmp_path).limit == "cgroup"
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert available(tmp_path).limit == "affinity"


def test_without_a_cgroup(tmp_path: Path) -> None:
    assert available(tmp_path / "none").count == ALLOWED


def test_memory_is_the_least_of_the_limits_on_the_way_down(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/batch/run1\n")
    cgroup = tmp_path / "cgroup"
    (cgroup / "batch/run1").mkdir(parents=True)
    machine = memory(cgroup, own)
    assert machine.limit == "machine"
    (cgroup / "memory.max").write_text("max\n")
    assert memory(cgroup, own) == machine
    (cgroup / "batch/memory.max").write_text("3000000\n")
    (cgroup / "batch/run1/memory.max").write_text("5000000\n")
    found = memory(cgroup, own)
    assert (found.size, found.limit) == (3_000_000, "cgroup")
    assert memory(tmp_path / "none", tmp_path / "none") == machine


def test_memory_of_version_1(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("7:cpu,cpuacct:/a\n5:memory:/docker/x\n")
    (tmp_path / "memory/docker/x").mkdir(parents=True)
    (tmp_path / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory(tmp_path, own).limit == "machine"
    (tmp_path / "memory/docker/x/memory.limit_in_bytes").write_text("2000000\n")
    assert memory(tmp_path, own).size == 2_000_000
