"""Mapped stages: an element, a key; a list that cuts off; a failure that keeps the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_project import ProjectFolder, actions, find, of_elements, statuses

SHOPS = """
    import pathlib
    import polars as pl
    from dagrun import stage

    @stage
    def sales(shift: int = 0) -> pl.DataFrame:
        return pl.DataFrame({"shop": ["a", "b", "a", "c"], "taken": [1, 2, 3, 4 + shift]})

    @stage
    def shops(sales: pl.DataFrame, but: str = "") -> list[str]:
        names = sales["shop"].unique().sort().to_list()
        return [name for name in names if name not in but]

    @stage
    def parts(sales: pl.DataFrame) -> dict:
        return {name: rows["taken"].to_list() for (name,), rows in sales.group_by("shop")}

    @stage(over="shops")
    def taken(shops: str, word: str = "at") -> dict:
        return {"shop": shops, "word": word}

    @stage(over="taken")
    def told(taken: dict) -> pl.DataFrame:
        return pl.DataFrame({"shop": [taken["shop"]], "long": [len(taken["word"])]})

    @stage
    def everything(told: pl.DataFrame, taken: list[dict]) -> dict:
        return {"shops": told["shop"].to_list(), "count": len(taken)}
"""


@pytest.fixture
def shops(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", SHOPS)
    return project


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_each_element_is_called_once_and_in_order(shops: ProjectFolder, executor: str) -> None:
    result = shops.run(executor=executor)
    assert result.status == "done", [each.error for each in result.stages]
    taken = find(result, "taken")
    assert [(each.element, each.label) for each in taken.elements] == [
        (0, "a"), (1, "b"), (2, "c"),
    ]  # fmt: skip
    workspace = shops.open()
    everything = find(result, "everything").outputs["everything"]
    assert workspace.store.load(everything) == {"shops": ["a", "b", "c"], "count": 3}
    told = find(result, "told")
    assert told.rows == 3
    again = shops.run(executor=executor)
    assert set(statuses(again).values()) == {"hit"}
    assert of_elements(again, "taken") == ["hit"] * 3


def test_one_element_more_is_one_call_more(shops: ProjectFolder) -> None:
    shops.run(params={"shops.but": "b"})
    result = shops.run()
    assert of_elements(result, "taken") == ["hit", "ran", "hit"]
    assert of_elements(result, "told") == ["hit", "ran", "hit"]
    assert find(result, "told").reason == "input taken elements added: b"
    assert [each.element for each in find(result, "taken").elements] == [0, 1, 2]
    assert statuses(result)["everything"] == "ran"
    fewer = shops.run(params={"shops.but": "a"})
    assert of_elements(fewer, "taken") == ["hit", "hit"]
    assert statuses(fewer)["taken"] == "hit"


def test_equal_elements_downstream_cut_off(shops: ProjectFolder) -> None:
    shops.run()
    result = shops.run(params={"taken.word": "in"})
    assert of_elements(result, "taken") == ["ran"] * 3
    assert of_elements(result, "told") == ["ran"] * 3
    assert find(result, "told").same
    result = shops.run(params={"sales.shift": "1"})
    assert statuses(result)["taken"] == "hit"
    assert find(result, "taken").elements is not None


def test_forcing_calls_every_element(shops: ProjectFolder) -> None:
    shops.run()
    result = shops.run(force=("taken",))
    assert of_elements(result, "taken") == ["ran"] * 3
    assert statuses(result)["told"] == "hit"
    assert find(result, "told").cutoff
    shops.edit("pipeline.py", '"shops")', '"shops", cache=False, reason="asks")')
    assert of_elements(shops.run(), "taken") == ["ran"] * 3


def test_an_element_whose_blob_is_gone_is_made_again(shops: ProjectFolder) -> None:
    told = find(shops.run(), "told").outputs["told"]
    store = shops.open().store
    store.blobs.drop(told.references[1])
    result = shops.run()
    assert of_elements(result, "told") == ["hit", "ran", "hit"]
    assert find(result, "told").outputs["told"].logical == told.logical
    assert statuses(result)["everything"] == "hit"


def test_the_plan_counts_elements_as_soon_as_the_list_is_known(shops: ProjectFolder) -> None:
    planned = {each.name: each for each in shops.plan().stages}
    assert planned["taken"].action == "unknown"
    assert planned["taken"].elements is None
    shops.run(params={"shops.but": "b"})
    shops.run(targets=("shops",))
    planned = {each.name: each for each in shops.plan().stages}
    assert planned["taken"].action == "run"
    assert planned["taken"].elements == {"hit": 2, "run": 1}
    assert planned["told"].action == "unknown"
    shops.run()
    shops.run(targets=("shops",), params={"shops.but": "c"})
    plan = shops.plan(shops__but="c")
    assert actions(plan) == {
        "sales": "hit", "shops": "hit", "parts": "hit", "taken": "hit", "told": "hit",
        "everything": "run",
    }  # fmt: skip


def test_an_empty_list_is_a_list(shops: ProjectFolder) -> None:
    result = shops.run(params={"shops.but": "abc"}, targets=("told",))
    assert statuses(result) == {"sales": "ran", "shops": "ran", "taken": "hit", "told": "hit"}
    assert find(result, "told").elements == ()


def test_equal_elements_are_called_once(project: ProjectFolder, tmp_path: Path) -> None:
    project.write(
        "pipeline.py",
        f"""
        from dagrun import stage

        @stage
        def numbers() -> list[int]:
            return [1, 2, 1, 1]

        @stage(over="numbers")
        def noted(numbers: int) -> int:
            with open({str(tmp_path / "calls")!r}, "a") as calls:
                calls.write(str(numbers))
            return 10 * numbers
        """,
    )
    result = project.run(jobs=1)
    assert of_elements(result, "noted") == ["ran", "ran", "hit", "hit"]
    assert sorted((tmp_path / "calls").read_text()) == ["1", "2"]
    assert project.open().store.load(result.stages[1].outputs["noted"]) == [10, 20, 10, 10]


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_failing_element_fails_the_stage_and_keeps_the_others(
    project: ProjectFolder, keep_going: bool
) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage(over={"number": (1, 2, 0, 4)})
        def inverse(number: int, wrong: int = 0) -> float:
            return 1 / (number or wrong)

        @stage
        def total(inverse: list[float]) -> float:
            return sum(inverse)
        """,
    )
    result = project.run(jobs=1, keep_going=keep_going)
    assert result.status == "failed"
    failed = find(result, "inverse")
    error = "element 2 (number=0): ZeroDivisionError: division by zero"
    assert failed.error == f"running stage 'inverse': {error}"
    assert "in inverse" in failed.trace
    last = "ran" if keep_going else "skipped"
    assert of_elements(result, "inverse") == ["ran", "ran", "failed", last]
    assert statuses(result)["total"] == "skipped"
    project.edit("pipeline.py", "2, 0, 4", "2, 8, 4")
    mended = project.run()
    assert mended.status == "done"
    assert of_elements(mended, "inverse") == ["hit", "hit", "ran", "hit" if keep_going else "ran"]


def test_a_list_taken_as_something_else_says_how(shops: ProjectFolder) -> None:
    shops.edit("pipeline.py", "taken: list[dict]", "taken: dict")
    error = find(shops.run(), "everything").error
    assert "a list of 3 elements, not a dict. Annotate the parameter list[dict]" in error


def test_tables_with_other_columns_do_not_stack(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import stage

        @stage(over={"name": ("x", "y")})
        def table(name: str) -> pl.DataFrame:
            return pl.DataFrame({name: [1]})

        @stage
        def one(table: pl.DataFrame) -> int:
            return table.height
        """,
    )
    assert "the elements' columns differ" in project.run().stages[1].error
    project.edit("pipeline.py", "{name: [1]}", "{'n': [name]}")
    project.edit("pipeline.py", "table: pl.DataFrame", "table: pl.LazyFrame")
    project.edit("pipeline.py", "table.height", "table.collect()['n'].to_list()")
    project.edit("pipeline.py", "-> int", "-> list")
    result = project.run()
    assert project.open().store.load(result.stages[1].outputs["one"]) == ["x", "y"]


@settings(max_examples=12, deadline=None)
@given(
    before=st.lists(st.integers(0, 5), max_size=5), after=st.lists(st.integers(0, 5), max_size=5)
)
def test_exactly_the_new_elements_are_called(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], after: list[int]
) -> None:
    folder = ProjectFolder(tmp_path_factory.mktemp("mapped"))
    folder.write("pyproject.toml", "[project]\nname = 'p'\n")
    folder.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def numbers(of: tuple = ()) -> list:
            return list(of)

        @stage(over="numbers")
        def twice(numbers: int) -> int:
            return 2 * numbers
        """,
    )
    folder.run(params={"numbers.of": str(before)}, executor="inline")
    result = folder.run(params={"numbers.of": str(after)}, executor="inline")
    ran = {after[each.element] for each in result.stages[1].elements if each.status == "ran"}
    assert ran == set(after) - set(before)
    loaded = folder.open().store.load(result.stages[1].outputs["twice"])
    assert loaded == [2 * number for number in after]
