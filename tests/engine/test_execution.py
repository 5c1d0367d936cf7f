from __future__ import annotations

import pytest
from tests_project import ProjectFolder, actions, statuses

from dagrun.engine.events import StageRetried
from dagrun.engine.explaining.artifacts import Artifacts


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


def test_frames_of_ready_made_stages_are_not_shown(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage
        from dagrun.stages.validate import Contract

        @stage
        def checked() -> pl.DataFrame:
            return Contract.parse("[columns.a]\\ndtipe = 'int'")
        """,
    )
    (failed,) = project.run().stages
    assert failed.trace
    assert "in checked" in failed.trace
    assert failed.trace.count("File ") == 1


def test_a_file_made_in_the_scratch_folder_is_stored(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from pathlib import Path
        from dagrun import Context, stage

        @stage
        def written(ctx: Context) -> Path:
            (ctx.scratch / "note.txt").write_text("kept")
            return ctx.scratch / "note.txt"

        @stage
        def read(written: Path) -> str:
            return written.read_text()
        """,
    )
    assert statuses(project.run()) == {"written": "ran", "read": "ran"}
    workspace = project.open()
    assert workspace.store.load(Artifacts(workspace).last("read").output) == "kept"
    assert not list((project.root / ".dagrun/tmp").iterdir())


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
