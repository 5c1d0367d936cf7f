"""Eight processes run one cold pipeline at once: each function is called once, nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests_project import ProjectFolder, statuses

from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.fsck import check

ROUNDS = 20 if os.environ.get("DAGRUN_SOAK") else 1
PROCESSES = 8
PIPELINE = """
    import os
    import pathlib
    from dagrun import stage

    def note(folder: str, name: str) -> None:
        descriptor = os.open(pathlib.Path(folder) / "calls", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{{name}}\\n".encode())
        os.close(descriptor)

    @stage
    def first(calls: str = {folder!r}) -> dict:
        note(calls, "first")
        return {{"x": "y" * 20_000}}
"""
BRANCH = """
    @stage
    def b{number}(first: dict, calls: str = {folder!r}) -> dict:
        note(calls, "b{number}")
        return {{"x": first["x"] * {number}}}

    @stage
    def c{number}(b{number}: dict, calls: str = {folder!r}) -> int:
        note(calls, "c{number}")
        return len(b{number}["x"])
"""


def test_every_function_is_called_once(project: ProjectFolder, tmp_path: Path) -> None:
    for turn in range(ROUNDS):
        folder = tmp_path / f"calls-{turn}"
        folder.mkdir()
        text = PIPELINE.format(folder=str(folder))
        text += "".join(BRANCH.format(number=n, folder=str(folder)) for n in range(6))
        project.write("pipeline.py", text)
        command = [sys.executable, "-P", "-m", "dagrun", "run", "-j", "4"]
        running = [
            subprocess.Popen(command, cwd=project.root, stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        ends = [(process.communicate()[1], process.returncode) for process in running]
        assert [code for _, code in ends] == [0] * PROCESSES, ends
        calls = sorted((folder / "calls").read_text().split())
        assert calls == sorted(["first", *(f"{s}{n}" for n in range(6) for s in "bc")])
        store = project.root / ".dagrun"
        assert [*(store / "tmp").iterdir(), *(store / "locks").iterdir()] == []
        assert check(Store(store)).findings == ()
        assert set(statuses(project.run()).values()) == {"hit"}
