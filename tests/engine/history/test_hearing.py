"""What stages say: attributed to the right one, kept, passed on, by every executor."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_project import ProjectFolder

from dagrun.engine.history import stagelogs
from dagrun.engine.history.runlog import Runs
from dagrun.engine.history.stagelogs import Line, read_log, speaking_run

TALKING = """
    import logging, os, subprocess, sys, threading, time
    from dagrun import Context, stage

    def talk(name):
        for number in range(200):
            print(name, number)
            if not number % 50:
                time.sleep(0.001)

    @stage
    def one():
        talk("one")

    @stage
    def two():
        talk("two")

    @stage
    def three(ctx: Context):
        print("to", "out", end="\\n\\n")
        print("to err", file=sys.stderr)
        ctx.logger.info("info")
        ctx.logger.warning("two\\nlines")
        logging.warning("root %d", 1)
        logging.info("not wanted")
        sys.stdout.buffer.write("über\\n".encode())
        print("bar 1%", end="\\r")
        print("bar 2%", end="\\r")
        print("bar done")
        print("no end", end="")
"""


def said(project: ProjectFolder, stage: str) -> list[tuple[str, str]]:
    workspace = project.open()
    lines = read_log(workspace.store, workspace.runs.read("last").run_id, stage)
    return [(line.origin, line.text) for line in lines]


@pytest.fixture
def unhandled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """When called: as in a program of its own, nobody handles log records."""
    return lambda: monkeypatch.setattr(logging.getLogger(), "handlers", [])


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_each_line_goes_to_its_stage_and_on(
    project: ProjectFolder,
    capfd: pytest.CaptureFixture[str],
    executor: str,
    unhandled: Callable[[], None],
) -> None:
    unhandled()
    project.write("pipeline.py", TALKING)
    before = sys.stdout, sys.stderr
    assert project.run(executor=executor, jobs=3).status == "done"
    assert (sys.stdout, sys.stderr) == before
    for name in ("one", "two"):
        assert said(project, name) == [("stdout", f"{name} {number}") for number in range(200)]
    out, err = capfd.readouterr()
    mine = [line for line in out.splitlines() if line.startswith("one")]
    assert mine == [f"one {number}" for number in range(200)]
    lines = said(project, "three")
    assert [text for origin, text in lines if origin == "stdout"] == [
        "to out", "", "über", "bar done", "no end",
    ]  # fmt: skip
    assert [text for origin, text in lines if origin != "stdout"] == [
        "to err",
        "INFO dagrun.stage.three: info",
        "WARNING dagrun.stage.three: two",
        "lines",
        "WARNING:root:root 1",
    ]
    assert "bar 1%\rbar 2%\rbar done\n" in out
    assert "no end\n" in out
    assert "WARNING:root:root 1\n" in err
    assert "INFO" not in err
    assert "\x1e" not in err


def test_native_output_and_children_of_a_worker_are_heard(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import os, subprocess
        from dagrun import stage

        @stage
        def native():
            os.write(1, b"native\\n")
            subprocess.run(["sh", "-c", "echo child; sleep 60 &"], check=True)
            os.write(2, b"x" * 200_000 + b"\\n")
            os._exit(3)
        """,
    )
    assert project.run(executor="processes").status == "failed"
    lines = said(project, "native")
    assert lines[:2] == [("stdout", "native"), ("stdout", "child")]
    assert sum(len(text) for origin, text in lines if origin == "stderr") == 200_000


def test_threads_of_a_lone_stage_and_a_handler_of_its_own_are_heard_once(
    project: ProjectFolder, unhandled: Callable[[], None]
) -> None:
    unhandled()
    project.write(
        "pipeline.py",
        """
        import logging, threading
        from dagrun import stage

        @stage
        def lone():
            logging.basicConfig(level=logging.INFO, format="mine: %(message)s")
            thread = threading.Thread(target=lambda: (print("inner"), logging.info("told")))
            thread.start()
            thread.join()
        """,
    )
    project.run()
    assert sorted(said(project, "lone")) == [("stderr", "mine: told"), ("stdout", "inner")]


def test_handlers_that_were_there_keep_working_and_are_heard(
    project: ProjectFolder, unhandled: Callable[[], None], tmp_path: Path
) -> None:
    unhandled()
    project.write(
        "pipeline.py",
        """
        import logging
        from dagrun import Context, stage

        logging.basicConfig(level=logging.INFO, format="mine: %(message)s")

        @stage
        def early(ctx: Context, n: int = 1):
            ctx.logger.info("told %s", n)
            logging.debug("not told")
        """,
    )
    for number in (1, 2):
        project.run(params={"early.n": str(number)})
        assert said(project, "early") == [("stderr", f"mine: told {number}")]
    logging.getLogger().handlers = [logging.FileHandler(tmp_path / "file")]
    project.run(params={"early.n": "3"})
    assert said(project, "early") == [("log", "INFO dagrun.stage.early: told 3")]
    logging.getLogger().handlers[0].close()
    assert (tmp_path / "file").read_text() == "told 3\n"


def test_attempts_follow_each_other_and_a_silent_stage_leaves_no_file(
    project: ProjectFolder,
) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def quiet():
            return 1

        @stage(retries=1)
        def flaky(quiet):
            print("trying")
            raise OSError("no")
        """,
    )
    project.run()
    assert said(project, "flaky") == [("stdout", "trying")] * 2
    folders = list((project.root / ".dagrun/runs").glob("*.logs"))
    assert [path.name for folder in folders for path in folder.iterdir()] == ["flaky.jsonl"]


def test_too_much_is_counted_and_a_torn_line_dropped(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stagelogs, "LIMIT", 20)
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def chatty():
            for number in range(10):
                print("ten chars.")
        """,
    )
    project.run()
    assert said(project, "chatty")[2:] == [("log", "(88 more characters were not kept)")]
    (path,) = (project.root / ".dagrun/runs").glob("*.logs/chatty.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    assert len(said(project, "chatty")) == 2


def test_what_led_to_a_hit_is_found_in_the_run_that_made_it(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def talker(n: int = 1):
            print("n is", n)
        """,
    )
    first = project.run()
    project.run(params={"talker.n": "2"})
    project.run()
    store = project.open().store
    found = speaking_run(store, Runs(store).read("last"), "talker")
    assert found.run_id == first.run_id
    (line,) = read_log(store, found.run_id, "talker")
    assert isinstance(line, Line)
    assert line.text == "n is 1"


def test_a_log_that_cannot_be_written_harms_nobody(
    project: ProjectFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import stage
        from dagrun.engine.context import current

        @stage
        def talker() -> int:
            run_id = current().run_id
            # A file where the folder of the logs would be.
            (current().store.runs / f"{run_id}.logs").touch()
            print("still shown")
            return 1
        """,
    )
    assert project.run().status == "done"
    assert "still shown" in capfd.readouterr().out
