"""What a stage can be mapped over besides lists: rows, files; and what it cannot."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder, find, of_elements

from dagrun.engine.events import Event, StageAdvanced, StageStarted


def test_the_rows_of_a_table_are_elements(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import datetime as dt
        import polars as pl
        from dagrun import stage

        @stage
        def months() -> pl.DataFrame:
            return pl.DataFrame({"month": [dt.date(2013, 1, 1), dt.date(2013, 2, 1)], "n": [1, 2]})

        @stage(over="months", outputs=("first", "second"))
        def named(months: dict) -> tuple[str, int]:
            return months["month"].isoformat(), months["n"]

        @stage
        def joined(first: tuple[str, ...], second) -> dict:
            return {"first": first, "second": second}
        """,
    )
    result = project.run()
    assert result.status == "done", [each.error for each in result.stages]
    joined = project.open().store.load(find(result, "joined").outputs["joined"])
    assert joined == {"first": ("2013-01-01", "2013-02-01"), "second": [1, 2]}


def test_one_file_more_is_one_call_more(project: ProjectFolder) -> None:
    project.write("data/[1].csv", "x\n1\n")
    project.write("data/2.csv", "x\n2\n")
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import Files, stage

        @stage(over="files")
        def month(files: Files = Files("data/*.csv")) -> pl.DataFrame:
            return files.read_csv()

        @stage
        def total(month: pl.DataFrame) -> int:
            return month["x"].sum()
        """,
    )
    first = project.run(executor="processes")
    assert first.status == "done", [each.error for each in first.stages]
    assert [each.label for each in find(first, "month").elements] == ["data/2.csv", "data/[1].csv"]
    project.write("data/3.csv", "x\n3\n")
    assert find(project.run(), "month").rows == 3
    project.write("data/2.csv", "x\n20\n")
    result = project.run()
    assert of_elements(result, "month") == ["ran", "hit", "hit"]
    assert project.open().store.load(find(result, "total").outputs["total"]) == 24
    params = {"month.files": f"{project.root}/data/*.csv"}
    outside = project.run(params=params, executor="processes")
    assert find(outside, "month").rows == 3, outside.stages[0].error


def test_an_element_is_tried_again_on_its_own(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import stage

        @stage(over={"number": (1, 2)}, retries=1)
        def flaky(number: int, folder: str = "") -> int:
            mark = pathlib.Path(folder) / "mark"
            if number == 2 and not mark.exists():
                mark.touch()
                raise OSError("not yet")
            return number
        """,
    )
    events: list[Event] = []
    result = project.run(params={"flaky.folder": str(project.root)}, events=events)
    assert [each.attempts for each in result.stages[0].elements] == [1, 2]
    assert sum(isinstance(event, StageStarted) for event in events) == 1
    advanced = [(each.done, each.total) for each in events if isinstance(each, StageAdvanced)]
    assert advanced == [(1, 2), (2, 2)]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_elements_may_be_of_the_pipelines_own_classes(
    project: ProjectFolder, executor: str
) -> None:
    project.write(
        "pipeline.py",
        """
        import enum
        from dataclasses import dataclass
        from dagrun import stage

        class Kind(enum.Enum):
            FLAT = 1
            DEEP = 2

        @dataclass(frozen=True)
        class Plan:
            kind: Kind
            rate: float

        @stage(over={"plan": (Plan(Kind.FLAT, 0.1), Plan(Kind.DEEP, 0.2))})
        def model(plan: Plan) -> Plan:
            return Plan(plan.kind, plan.rate * 10)

        @stage(over="model")
        def rate(model: Plan) -> float:
            return model.rate
        """,
    )
    result = project.run(executor=executor)
    assert result.status == "done", [each.error for each in result.stages]
    assert project.open().store.load(find(result, "rate").outputs["rate"]) == [1.0, 2.0]


def test_what_has_no_elements_fails_with_the_way_out(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def word() -> str:
            return "abc"

        @stage(over="word")
        def each(word: str) -> str:
            return word
        """,
    )
    result = project.run()
    assert result.stages[1].status == "failed"
    assert "mapped over 'word', which is a builtins:str" in result.stages[1].error
    assert "Return a list" in result.stages[1].error
