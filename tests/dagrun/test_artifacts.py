"""`dagrun.load`: from a name to a value, as the last run left it."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from tests_cli import Call
from tests_project import ProjectFolder

import dagrun
from dagrun.engine.explaining.artifacts import SeveralOutputs, UnknownArtifact
from dagrun.engine.history.runlog import UnknownRun
from dagrun.engine.workspace import NeverMade


def test_an_artifact_comes_in_the_form_that_is_asked_for(
    call: Call, project: ProjectFolder
) -> None:
    pipeline = project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage

        @stage
        def days() -> pl.DataFrame:
            return pl.DataFrame({"day": [1, 2, 3]})

        @stage
        def count(days) -> dict:
            return {"days": days.height}
        """,
    )
    call("run")
    assert dagrun.load("count", pipeline=pipeline) == {"days": 3}
    assert dagrun.load("days", pipeline=pipeline)["day"].to_list() == [1, 2, 3]
    assert isinstance(dagrun.load("days", pl.LazyFrame, pipeline=pipeline), pl.LazyFrame)
    assert isinstance(dagrun.load("days", pa.Table, pipeline=pipeline), pa.Table)


def test_an_earlier_state_is_loaded_by_its_run_or_its_digits(
    call: Call, project: ProjectFolder
) -> None:
    text = "from dagrun import stage\n\n@stage\ndef count() -> int:\n    return 1\n"
    pipeline = project.write("pipeline.py", text)
    call("run")
    first = project.run().stages[0].key
    project.write("pipeline.py", text.replace("return 1", "return 2"))
    call("run")
    assert dagrun.load("count", pipeline=pipeline) == 2
    assert dagrun.load("last:count", pipeline=pipeline) == 2
    assert dagrun.load("last~1:count", pipeline=pipeline) == 1
    assert dagrun.load(first[:12], pipeline=pipeline) == 1
    project.write("pipeline.py", text.replace("return 1", "return 3"))
    assert dagrun.load("count", pipeline=pipeline) == 2  # nothing has run since
    with pytest.raises(UnknownRun):
        dagrun.load("last~9:count", pipeline=pipeline)


def test_what_cannot_be_loaded_is_told_apart(numbers: ProjectFolder) -> None:
    pipeline = numbers.root / "pipeline.py"
    with pytest.raises(NeverMade, match="dagrun run -t split"):
        dagrun.load("low", pipeline=pipeline)
    with pytest.raises(UnknownArtifact, match="Did you mean 'low'") as caught:
        dagrun.load("lows", pipeline=pipeline)
    assert "split" not in caught.value.known
    numbers.run()
    with pytest.raises(SeveralOutputs, match="low"):
        dagrun.load("split", pipeline=pipeline)
