"""Clients of several workers: promotions, a killed worker and a drain fail none of their calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests_calls import Callers
from tests_serve import Serving

from dagrun.stages.bundle import Registry

Row = Callable[..., dict[str, object]]


@pytest.fixture
def serving(registry: Registry, tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path, "flights", "--port", "0", "--workers", "2") as server:
        yield server


def test_no_call_fails_while_models_and_workers_come_and_go(
    serving: Serving, registry: Registry, tmp_path: Path, make_row: Row
) -> None:
    with Callers(serving.address, make_row()) as callers:
        for turn in range(6):
            registry.set_alias("flights", "champion", (2, 3, 1)[turn % 3], reason="a turn")
            serving.wait_for("on all workers in", turn + 1)
            callers.more(30)
        os.kill(serving.workers()[-1], signal.SIGKILL)
        serving.wait_for("another one starts")
        callers.more()
        serving.wait_for(r"worker \d \(process \d+\) serves now")
        callers.more()
        assert serving.end() == 0
        port = serving.address.rpartition(":")[2]
        with Serving(tmp_path, "flights", "--port", port, "--workers", "2"):
            callers.more()
            callers.stop()
    thresholds = {1: 0.4, 2: 0.5, 3: 0.6}
    assert all(a.threshold == thresholds[a.model_version or 0] for a in callers.answers)
    assert len({answer.model_version for answer in callers.answers}) == 3
