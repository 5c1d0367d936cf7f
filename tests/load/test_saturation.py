"""A server at saturation while its models and its processes come and go.

5 seconds with 4 swaps by default, 60 seconds with 20 of them under DAGRUN_SOAK=1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests_cli import DAGRUN
from tests_load import Load
from tests_serve import Serving, callers_of, resident

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
SECONDS, SWAPS = (60, 20) if SOAK else (5, 4)


@pytest.mark.timeout(1_200)
def test_swaps_a_kill_and_a_drain_under_full_load(known: Path, tmp_path: Path) -> None:
    pause = threading.Event()
    with ExitStack() as stack:

        def served(port: str) -> Serving:
            arguments = ("flights", "--port", port, "--workers", "2")
            return stack.enter_context(Serving(tmp_path, *arguments))

        serving = served("0")
        raw = stack.enter_context(Load("load_raw", serving.address, known))
        clients = stack.enter_context(Load("load_clients", serving.address, known))
        port = serving.address.rpartition(":")[2]
        killed: set[int] = set()
        swapped, took = 0, list[float]()
        for turn in range(SWAPS):
            pause.wait(SECONDS / SWAPS)
            if turn == SWAPS // 2:
                victim = serving.workers()[-1]
                killed = callers_of(victim, int(port))
                os.kill(victim, signal.SIGKILL)
            if turn == SWAPS * 3 // 4:
                assert serving.end() == 0
                serving, swapped = served(port), 0
            promote(tmp_path, turn)
            swapped += 1
            serving.wait_for("on all workers in", swapped)
            lines = [line for line in serving.lines if "on all workers in" in line]
            took.append(float(lines[-1].split()[-2]))
        pause.wait(SECONDS / SWAPS)
        by_raw, by_clients = raw.stop(), clients.stop()
        memory = [resident(pid) // 1024 for pid in serving.workers()]
        assert serving.end() == 0
    print(f"\nraw     {by_raw}\nclients {by_clients}\nRSS of the workers, MiB: {memory}")
    print(f"seconds from the move of an alias to all workers: {sorted(took)}")
    for seen in (by_raw, by_clients):
        assert seen.wrong == []
        assert set(seen.answers) == {"1", "2", "3"}
    assert by_clients.failures == {}
    assert set(by_raw.failures) <= {"broken connection", "goodbye", "shed"}
    assert set(by_raw.broken) <= killed


def promote(folder: Path, turn: int) -> None:
    """Make the next version champion, as people do."""
    version = f"flights@{(2, 3, 1)[turn % 3]}"
    command = [DAGRUN, "registry", "promote", version, "champion", "--reason", "a swap"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
