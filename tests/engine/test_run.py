from __future__ import annotations

import threading
import time

import pytest

from dagrun.engine.errors import DefinitionError
from dagrun.engine.events import StageFinished, StageRetried, StageStarted
from dagrun.engine.pipeline import DuplicateStage, PipelineBroken, UnknownParam
from dagrun.engine.project import PipelineMissing
from tests_project import ProjectFolder, actions, statuses

TABLES = """
    import polars as pl
    from dagrun import Context, Verdict, stage
    from helper import scale

    @stage
    def raw(rows: int = 10) -> pl.DataFrame:
        return pl.DataFrame({"x": range(rows)})

    @stage
    def scaled(raw: pl.DataFrame) -> pl.LazyFrame:
        return raw.lazy().with_columns(y=scale(pl.col("x")))

    @stage(outputs=("low", "high"))
    def split(scaled: pl.DataFrame, at: int = 5) -> tuple[pl.DataFrame, ...]:
        return scaled.filter(pl.col("x") < at), scaled.filter(pl.col("x") >= at)

    @stage
    def total(low: pl.LazyFrame, high: pl.LazyFrame) -> dict:
        return {"low": low.collect()["y"].sum(), "high": high.collect()["y"].sum()}
"""


@pytest.fixture
def tables(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", TABLES)
    project.write("helper.py", "FACTOR = 2\n\ndef scale(x):\n    return x * FACTOR\n")
    return project


def test_the_second_run_does_nothing(tables: ProjectFolder) -> None:
    first = tables.run()
    assert first.status == "done"
    assert set(statuses(first).values()) == {"ran"}
    second = tables.run()
    assert set(statuses(second).values()) == {"hit"}
    assert [stage.key for stage in first.stages] == [stage.key for stage in second.stages]
    rows = {stage.name: stage.rows for stage in second.stages}
    assert rows == {"raw": 10, "scaled": 10, "split": 10, "total": None}
    workspace = tables.open()
    entry = workspace.store.find(second.stages[-1].key)
    assert workspace.store.load(entry.outputs["total"]) == {"low": 20, "high": 70}


def test_a_constant_two_modules_away_reruns_exactly_what_reaches_it(tables: ProjectFolder) -> None:
    tables.run()
    tables.edit("helper.py", "FACTOR = 2", "FACTOR = 3  # a comment")
    plan = tables.plan()
    assert actions(plan) == {"raw": "hit", "scaled": "run", "split": "unknown", "total": "unknown"}
    assert [stage.key for stage in plan.stages][2:] == [None, None]
    (cause,) = tables.why("scaled").causes
    assert (cause.kind, cause.name) == ("code", "helper:FACTOR")
    assert [line[0] for line in cause.diff] == ["-", "+"]
    assert statuses(tables.run())["scaled"] == "ran"


def test_a_comment_changes_nothing(tables: ProjectFolder) -> None:
    tables.run()
    tables.edit("helper.py", "def scale", "# why not\n\n\ndef scale")
    assert set(actions(tables.plan()).values()) == {"hit"}


def test_equal_data_cuts_off_what_is_downstream(tables: ProjectFolder) -> None:
    tables.run()
    tables.edit("helper.py", "return x * FACTOR", "return FACTOR * x")
    result = tables.run()
    assert statuses(result) == {"raw": "hit", "scaled": "ran", "split": "hit", "total": "hit"}
    by_name = {stage.name: stage for stage in result.stages}
    assert by_name["scaled"].same
    assert by_name["split"].cutoff
    assert not by_name["total"].cutoff


def test_params_rerun_their_stage_and_come_back_to_old_entries(tables: ProjectFolder) -> None:
    tables.run()
    changed = tables.run(params={"split.at": "7"})
    expected = {"raw": "hit", "scaled": "hit", "split": "ran", "total": "ran"}
    assert statuses(changed) == expected
    (cause,) = tables.open().why("split", tables.open().select(params={"split.at": "5"})).causes
    assert (cause.kind, cause.name, cause.before, cause.after) == ("param", "at", "7", "5")
    assert set(statuses(tables.run()).values()) == {"hit"}


def test_changed_rows_and_columns_are_named(tables: ProjectFolder) -> None:
    tables.run()
    workspace = tables.open()
    tables.run(params={"raw.rows": "12"}, targets=("raw",))
    explanation = workspace.why("scaled", workspace.select(params={"raw.rows": "12"}))
    (cause,) = explanation.causes
    assert cause.kind == "input"
    assert cause.after == "rows 10 -> 12; columns changed: x"


def test_wrong_settings_are_refused_with_the_nearest_name(tables: ProjectFolder) -> None:
    for name, message in {
        "splt.at": "no stage named 'splt'.*Did you mean 'split'",
        "split.att": "no param named 'att'.*Did you mean 'at'",
        "split": "no param named ''",
    }.items():
        with pytest.raises(UnknownParam, match="(?s)" + message):
            tables.run(params={name: "1"})
    with pytest.raises(DefinitionError, match="not of the default's type int"):
        tables.run(params={"split.at": "many"})
    with pytest.raises(DefinitionError, match="Did you mean 'threads'"):
        tables.run(executor="thread")


def test_target_and_force(tables: ProjectFolder) -> None:
    assert list(statuses(tables.run(targets=("scaled",)))) == ["raw", "scaled"]
    tables.run()
    forced = tables.run(force=("scaled",))
    assert statuses(forced) == {"raw": "hit", "scaled": "ran", "split": "hit", "total": "hit"}
    assert {stage.name: stage.reason for stage in forced.stages}["scaled"] == "forced"


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_every_executor_gives_the_same_keys(tables: ProjectFolder, executor: str) -> None:
    result = tables.run(executor=executor)
    assert result.status == "done", [stage.error for stage in result.stages]
    again = tables.run(executor="inline", force=("raw", "scaled", "split", "total"))
    assert [s.outputs for s in result.stages] == [s.outputs for s in again.stages]


def test_a_failure_skips_downstream_and_shows_the_users_frames(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def good() -> int:
            return 1

        @stage
        def bad(good: int) -> int:
            return inner(good)

        def inner(number):
            raise RuntimeError("no luck")

        @stage
        def after(bad: int) -> int:
            return bad

        @stage
        def apart(good: int) -> int:
            return good + 1
        """,
    )
    result = project.run(keep_going=True)
    assert result.status == "failed"
    expected = {"good": "ran", "bad": "failed", "after": "skipped", "apart": "ran"}
    assert statuses(result) == expected
    failed = result.stages[1]
    assert failed.error == "running stage 'bad': calling it: RuntimeError: no luck"
    assert "in inner" in failed.trace
    assert "execute.py" not in failed.trace
    stopped = project.run(jobs=1)
    assert stopped.status == "failed"
    assert statuses(project.run(executor="processes"))["bad"] == "failed"


def test_retries_back_off_and_count(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import stage

        @stage(retries=2)
        def flaky(folder: str = "") -> int:
            marks = pathlib.Path(folder)
            count = len(list(marks.glob("mark*")))
            (marks / f"mark{count}").touch()
            if count < 2:
                raise OSError("not yet")
            return count
        """,
    )
    events: list = []
    result = project.run(params={"flaky.folder": str(project.root)}, events=events)
    assert result.status == "done"
    assert result.stages[0].attempts == 3
    delays = [event.delay for event in events if isinstance(event, StageRetried)]
    assert len(delays) == 2
    assert 0.25 <= delays[0] <= 0.5 <= delays[1] <= 1.0


def test_a_refusing_gate_halts_downstream_also_when_it_hits(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import Verdict, stage

        @stage
        def score() -> float:
            return 0.4

        @stage(gate=True)
        def verdict(score: float, least: float = 0.5) -> Verdict:
            return Verdict(passed=score >= least, reasons=(f"score {score} against {least}",))

        @stage
        def bundle(verdict: Verdict) -> int:
            return 1

        @stage
        def deeper(bundle: int) -> int:
            return 1

        @stage
        def apart(score: float) -> int:
            return 2

        @stage(effect=True)
        def publish(bundle: int, verdict: Verdict) -> None:
            print("published")
        """,
    )
    for gate_status in ("ran", "hit"):
        result = project.run()
        assert result.status == "halted"
        found = statuses(result)
        assert found["verdict"] == gate_status
        assert (found["bundle"], found["deeper"], found["publish"]) == ("halted",) * 3
        assert found["apart"] in ("ran", "hit")
        assert result.stages[1].verdict == {"passed": False, "reasons": ["score 0.4 against 0.5"]}
        assert "gate 'verdict'" in result.effects[0].reason
    assert actions(project.plan())["bundle"] == "unknown"
    passed = project.run(params={"verdict.least": "0.3"})
    assert passed.status == "done"
    assert statuses(passed)["publish"] == "ran"
    assert statuses(project.run(params={"verdict.least": "0.3"}))["publish"] == "ran"


def test_what_is_never_cached_runs_again_and_cuts_off(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage(cache=False, reason="asks the world")
        def clock() -> int:
            return 7

        @stage
        def after(clock: int) -> int:
            return clock
        """,
    )
    project.run()
    assert statuses(project.run()) == {"clock": "ran", "after": "hit"}


def test_seed_is_part_of_the_key_of_stages_with_context_only(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import Context, stage

        @stage
        def fixed() -> int:
            return 1

        @stage
        def random(ctx: Context, fixed: int) -> int:
            (ctx.scratch / "note").write_text("x")
            return ctx.seed
        """,
    )
    project.run()
    assert statuses(project.run(seed=5)) == {"fixed": "hit", "random": "ran"}
    assert not list((project.root / ".dagrun/tmp").iterdir())


def test_order_by_makes_any_row_order_the_same(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage

        @stage(order_by="x")
        def rows(order: str = "1,2,3") -> pl.LazyFrame:
            return pl.LazyFrame({"x": [int(part) for part in order.split(",")]})

        @stage
        def after(rows: pl.DataFrame) -> int:
            return rows.height
        """,
    )
    project.run()
    result = project.run(params={"rows.order": "3,1,2"})
    assert statuses(result) == {"rows": "ran", "after": "hit"}


def test_a_timeout_really_stops_a_stage(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import time
        from dagrun import stage

        @stage(timeout=2)
        def slow() -> int:
            time.sleep(60)
            return 1
        """,
    )
    result = project.run()
    assert result.status == "failed"
    assert "timeout of 2 s" in result.stages[0].error


def test_a_crashing_worker_is_a_failed_stage_and_nothing_more(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import os, signal
        from dagrun import stage

        @stage
        def crash() -> int:
            os.kill(os.getpid(), signal.SIGKILL)
            return 1

        @stage
        def apart() -> int:
            return 1
        """,
    )
    result = project.run(executor="processes", keep_going=True)
    assert statuses(result) == {"crash": "failed", "apart": "ran"}
    assert "killed by SIGKILL" in result.stages[0].error


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ("1", "declares 2 outputs"),
        ("(1, 2, 3)", "returned 3"),
        ("(1, object())", "storing output 'b': DefinitionError: no codec for a result of type"),
    ],
)
def test_a_result_that_is_not_as_declared(
    project: ProjectFolder, returns: str, message: str
) -> None:
    project.write(
        "pipeline.py",
        f"""
        from dagrun import stage

        @stage(outputs=("a", "b"))
        def pair():
            return {returns}
        """,
    )
    result = project.run()
    assert message in result.stages[0].error
    assert not list((project.root / ".dagrun/tmp").iterdir())


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
    assert (cause.kind, cause.name) == ("param", "files")
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
        from dagrun.engine.workspace import RunSettings

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
