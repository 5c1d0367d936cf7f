"""Real processes, really killed: what was committed stays, what was not is done again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.fsck import check

ROUNDS = 300 if os.environ.get("DAGRUN_SOAK") else 2
PIPELINE = """
    import pathlib
    import polars as pl
    from dagrun import stage

    def note(name: str, folder: str) -> None:
        with open(pathlib.Path(folder) / name, "a") as calls:
            calls.write("x")
"""
STAGE = """
    @stage
    def s{number}({inputs}folder: str = {folder!r}) -> pl.DataFrame:
        note("s{number}", folder)
        return pl.DataFrame({{"x": range({number}, 40_000)}})
"""


@pytest.fixture
def chain(project: ProjectFolder, tmp_path: Path) -> ProjectFolder:
    calls = tmp_path / "calls"
    calls.mkdir()
    stages = [
        STAGE.format(
            number=number,
            inputs=f"s{number - 1}: pl.DataFrame, " if number else "",
            folder=str(calls),
        )
        for number in range(12)
    ]
    project.write("pipeline.py", PIPELINE + "\n".join(stages))
    return project


# A shell's background jobs ignore SIGINT, and their children inherit that. It is undone in the new
# process: Python code between fork and exec is not safe beside the threads of Polars and gRPC.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dagrun.cli.main import main
sys.exit(main())
"""


def start(project: ProjectFolder, *options: str) -> subprocess.Popen[bytes]:
    with (project.root.parent / "stderr").open("ab") as told:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, "run", "--json", *options],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=told,
        )


def project_errors(project: ProjectFolder) -> str:
    return (project.root.parent / "stderr").read_text()[-2000:]


def committed(project: ProjectFolder) -> dict[str, str]:
    """Stage name of every entry in the store that is complete, with its key."""
    store = Store.open(project.root)
    entries = [store.find(key) for key in store.entries.keys()]  # noqa: SIM118
    return {entry.stage: entry.key for entry in entries if entry}


def check_every_artifact(project: ProjectFolder) -> None:
    store = Store.open(project.root)
    for key in store.entries.keys():  # noqa: SIM118
        entry = store.find(key)
        assert entry is not None, f"entry {key} is there without its blobs"
        for output in entry.outputs.values():
            store.load(output)


def test_sigkill_loses_nothing_that_was_committed(chain: ProjectFolder, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    chance = random.Random(7)
    redone = 0
    for _ in range(ROUNDS):
        process = start(chain, "-j", "1")
        entries = chance.randrange(12)
        while process.poll() is None and len(committed(chain)) < entries:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.05))
        before = committed(chain)
        counts = {path.name: path.stat().st_size for path in calls.iterdir()}
        process.send_signal(signal.SIGKILL)
        process.communicate()
        check_every_artifact(chain)
        after = committed(chain)
        assert before.items() <= after.items()
        done = start(chain)
        output, _ = done.communicate(timeout=60)
        assert done.returncode == 0, (project_errors(chain), done.returncode)
        result = json.loads(output)
        for stage in result["stages"]:
            if stage["name"] in after:
                assert stage["status"] == "hit"
        for name in before:
            assert (calls / name).stat().st_size == counts[name]
        redone += sum(stage["status"] == "ran" for stage in result["stages"])
        assert not list((chain.root / ".dagrun/tmp").iterdir())
        assert not list((chain.root / ".dagrun/locks").iterdir())
        assert check(Store(chain.root / ".dagrun")).damage == ()
        for name in ("entries", "blobs"):
            subprocess.run(["rm", "-rf", str(chain.root / ".dagrun" / name)], check=True)
            (chain.root / ".dagrun" / name).mkdir()
    assert redone > 0


def test_ctrl_c_stops_cleanly(chain: ProjectFolder) -> None:
    chain.edit("pipeline.py", "import pathlib\n", "import pathlib\nimport time\n")
    chain.edit("pipeline.py", "with open", "time.sleep(0.2)\n    with open")
    process = start(chain, "-j", "1")
    while len(committed(chain)) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    result = json.loads(output)
    assert result["status"] == "interrupted"
    found = {stage["name"]: stage["status"] for stage in result["stages"]}
    assert set(found.values()) == {"ran", "skipped"}
    check_every_artifact(chain)
    again = statuses(chain.run())
    assert all(again[name] == "hit" for name, status in found.items() if status == "ran")


def test_a_worker_process_dies_with_its_parent(project: ProjectFolder, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    project.write(
        "pipeline.py",
        f"""
        import os, pathlib, time
        from dagrun import stage

        @stage
        def slow(mark: str = {str(mark)!r}) -> int:
            pathlib.Path(mark).write_text(str(os.getpid()))
            time.sleep(60)
            return 1
        """,
    )
    process = start(project, "--executor", "processes")
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    worker = int(mark.read_text())
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")


def test_elements_done_before_a_kill_are_hits_after_it(
    project: ProjectFolder, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    project.write(
        "pipeline.py",
        PIPELINE
        + f"""
    import time

    @stage(over={{"number": tuple(range(30))}})
    def element(number: int) -> int:
        note(str(number), {str(calls)!r})
        time.sleep(0.02)
        return number

    @stage
    def total(element: list[int]) -> int:
        return sum(element)
""",
    )
    process = start(project)
    entries = project.root / ".dagrun" / "entries"
    while len(list(entries.glob("*/*.json"))) < 8:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    committed, called = len(list(entries.glob("*/*.json"))), len(list(calls.iterdir()))
    result = project.run()
    assert result.status == "done"
    kept = [each.status for each in result.stages[0].elements].count("hit")
    assert 8 <= committed == kept
    again = sum(len(path.read_text()) - 1 for path in calls.iterdir())
    assert again == called - kept


@pytest.mark.parametrize("moment", range(1 + ROUNDS // 10))
def test_a_kill_while_many_publish_leaves_whole_entries_and_nothing_else(
    project: ProjectFolder, moment: int
) -> None:
    """Their locks' files are being written, and become entries: some are cut short."""
    stages = "".join(f"@stage\ndef s{n}() -> int:\n    return {n}\n" for n in range(400))
    project.write("pipeline.py", "from dagrun import stage\n" + stages)
    process = start(project)
    entries = project.root / ".dagrun" / "entries"
    while len(list(entries.glob("*/*.json"))) < 5 + moment:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    survivors = {path.stem for path in entries.glob("*/*.json")}
    assert len(survivors) < 400
    check_every_artifact(project)
    result = project.run()
    assert result.status == "done"
    assert {stage.key for stage in result.stages if stage.status == "hit"} == survivors
    store = project.root / ".dagrun"
    assert [*(store / "tmp").iterdir(), *(store / "locks").iterdir()] == []
    assert check(Store(store)).findings == ()
