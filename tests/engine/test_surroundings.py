from __future__ import annotations

import threading
import time

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.errors import DefinitionError
from dagrun.engine.events import StageFinished, StageStarted
from dagrun.engine.pipeline import DuplicateStage, PipelineBroken
from dagrun.engine.project import PipelineMissing


def test_files_are_identified_by_content(project: ProjectFolder) -> None:
    project.write("data/a.csv", "x\n1\n2\n")
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import Files, stage

        @stage
        def rows(files: Files = Files("data/*.csv")) -> pl.DataFrame:
            return files.read_csv()
        """,
    )
    assert project.run().stages[0].rows == 2
    project.write("data/a.csv", "x\n1\n2\n")
    assert statuses(project.run()) == {"rows": "hit"}
    project.write("data/b.csv", "x\n3\n")
    (cause,) = project.why("rows").causes
    assert (cause.kind, cause.name) == ("source", "files")
    assert [(each.name, each.change, each.after) for each in cause.files] == [
        ("data/b.csv", "added", 4)
    ]
    assert project.run().stages[0].rows == 3
    assert project.run(params={"rows.files": "data/b.csv"}).stages[0].rows == 1


def test_a_source_edited_under_a_running_stage_is_not_stored(project: ProjectFolder) -> None:
    project.write("data.csv", "x\n1\n")
    project.write(
        "pipeline.py",
        """
        import pathlib
        import polars as pl
        from dagrun import Files, stage

        @stage
        def rows(files: Files = Files("data.csv")) -> pl.DataFrame:
            table = files.read_csv()
            files.paths[0].write_text("x\\n1\\n2\\n")
            return table
        """,
    )
    result = project.run()
    assert result.status == "failed"
    assert "changed while the run was going on" in result.stages[0].error
    assert statuses(project.run())["rows"] == "ran"


def test_broken_pipelines_are_explained(project: ProjectFolder) -> None:
    with pytest.raises(PipelineMissing, match="dagrun init"):
        project.run()
    project.write("pipeline.py", "import nowhere_at_all\n")
    with pytest.raises(PipelineBroken, match=r"nowhere_at_all.*pipeline.py:1"):
        project.run()
    project.write("pipeline.py", "def broken(:\n")
    with pytest.raises(PipelineBroken, match=r"SyntaxError.*pipeline.py:1"):
        project.run()
    project.write("pipeline.py", "x = 1\n")
    with pytest.raises(DefinitionError, match="defines no stage"):
        project.run()
    twice = """
        from dagrun import stage

        def make(value):
            @stage
            def same() -> int:
                return value
            return same

        one, two = make(1), make(2)
    """
    project.write("pipeline.py", twice)
    with pytest.raises(DuplicateStage, match="two stages are named 'same'"):
        project.run()


def test_independent_stages_run_at_the_same_time(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import threading
        from dagrun import stage

        @stage
        def left() -> int:
            from meeting import barrier
            barrier.wait(20)
            return 1

        @stage
        def right() -> int:
            from meeting import barrier
            barrier.wait(20)
            return 2
        """,
    )
    project.write("meeting.py", "import threading\n\nbarrier = threading.Barrier(2)\n")
    try:
        result = project.run(jobs=2)
    except DefinitionError:
        pytest.skip("a barrier in a global is opaque to the code version")
    assert result.status == "done"


def test_two_runs_at_once_call_each_stage_once(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib, time, uuid
        from dagrun import stage

        @stage
        def once(folder: str = "") -> int:
            (pathlib.Path(folder) / uuid.uuid4().hex).touch()
            time.sleep(0.3)
            return 1
        """,
    )
    calls = project.root / "calls"
    calls.mkdir()
    workspaces = [project.open(), project.open()]
    results: list = []

    def work(workspace) -> None:
        from dagrun.engine.running import RunSettings

        selection = workspace.select(params={"once.folder": str(calls)})
        results.append(workspace.run(selection, RunSettings(), lambda _: None))

    threads = [threading.Thread(target=work, args=(item,)) for item in workspaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.status for result in results] == ["done", "done"]
    assert len(list(calls.iterdir())) == 1
    assert sorted(result.stages[0].status for result in results) == ["hit", "ran"]


def test_events_and_the_log_tell_the_same_story(tables: ProjectFolder) -> None:
    events: list = []
    result = tables.run(events=events)
    assert [e.name for e in events if isinstance(e, StageStarted)] == [
        "raw",
        "scaled",
        "split",
        "total",
    ]
    finished = [event.result for event in events if isinstance(event, StageFinished)]
    assert finished == list(result.stages)
    logged = tables.open().runs.read(result.run_id)
    assert logged.status == "done"
    assert {name: line["key"] for name, line in logged.stages.items()} == {
        stage.name: stage.key for stage in result.stages
    }
    assert tables.open().runs.read(result.run_id[-4:]).run_id == result.run_id
    time.sleep(0)


def test_a_torn_run_log_reads_as_interrupted(tables: ProjectFolder) -> None:
    result = tables.run()
    path = tables.root / ".dagrun/runs" / f"{result.run_id}.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    run = tables.open().runs.read("last")
    assert run.status == "interrupted"
    assert "raw" in run.stages
    assert set(statuses(tables.run()).values()) == {"hit"}
