"""The number of CPUs, by cgroup quota and affinity."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagrun.server.serving.cpus import available

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
