"""`run --verify`: hits executed again; what is not deterministic is named, nothing is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.checks.verify import BadShare
from dagrun.engine.events import RunResult

UNSTEADY = """
    import itertools, os, pathlib
    import polars as pl
    from dagrun import stage

    def count(name):
        path = pathlib.Path(__file__).with_name(name + ".calls")
        path.write_text(path.read_text() + "x" if path.exists() else "x")
        return len(path.read_text())

    @stage
    def steady() -> pl.DataFrame:
        count("steady")
        return pl.DataFrame({"x": [1, 2, 3]})

    @stage
    def drifting(steady: pl.DataFrame) -> pl.DataFrame:
        return steady.with_columns(y=pl.lit(count("drifting") / 8), z=pl.lit("same"))

    @stage
    def shuffled(steady: pl.DataFrame) -> pl.LazyFrame:
        turned = count("shuffled") % 2 == 0
        return steady.reverse().lazy() if turned else steady.lazy()

    @stage
    def note() -> dict:
        return {"fixed": [1, 2], "part": {"number": count("note")}}
"""


@pytest.fixture
def unsteady(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", UNSTEADY)
    return project


def stored(root: Path) -> dict[str, bytes]:
    folders = (root / ".dagrun" / name for name in ("blobs", "entries", "tmp", "refs"))
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def found(result: RunResult) -> dict[str, list[tuple[str | None, str]]]:
    assert result.checks is not None
    return {
        check.name: [(place.column, place.what) for place in check.differences]
        for check in result.checks
    }


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_verifying_names_stage_and_column_and_replaces_nothing(
    unsteady: ProjectFolder, executor: str
) -> None:
    assert unsteady.run(verify=1.0).checks == ()
    before = stored(unsteady.root)
    result = unsteady.run(verify=1.0, executor=executor)
    assert set(statuses(result).values()) == {"hit"}
    assert found(result) == {
        "steady": [],
        "drifting": [("y", "other values in 3 of 3 rows, by at most 0.125")],
        "shuffled": [("x", "the same rows in another order")],
        "note": [("part.number", "2, stored is 1")],
    }
    causes = {check.name: check.cause for check in result.checks or ()}
    assert "LazyFrame without order_by" in causes["shuffled"]
    assert causes["steady"] == ""
    assert (result.status, result.exit_code) == ("done", 5)
    assert stored(unsteady.root) == before


def test_what_comes_out_the_same_passes(tables: ProjectFolder) -> None:
    tables.run()
    result = tables.run(verify=1.0)
    assert [check.name for check in result.checks or ()] == ["raw", "scaled", "split", "total"]
    assert all(check.passed for check in result.checks or ())
    assert result.exit_code == 0
    assert tables.open().runs.read("last").header["verified"] == 4


def test_a_share_takes_some_but_at_least_one(tables: ProjectFolder) -> None:
    tables.run()
    assert len(tables.run(verify=0.5).checks or ()) == 2
    assert len(tables.run(verify=0.01).checks or ()) == 1
    assert tables.run().checks is None
    for share in (-0.5, 1.5):
        with pytest.raises(BadShare, match=r"no share of the hits"):
            tables.run(verify=share)


def test_only_hits_are_executed_again_and_effects_never(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def one(n: int = 1) -> int:
            return n

        @stage
        def two(one: int, add: int = 1) -> int:
            return one + add

        @stage(effect=True)
        def act(two: int) -> None:
            print("acted")
        """,
    )
    project.run()
    result = project.run(params={"two.add": "2"}, verify=1.0)
    assert statuses(result) == {"one": "hit", "two": "ran", "act": "ran"}
    assert [check.name for check in result.checks or ()] == ["one"]


def test_a_stage_that_fails_the_second_time_is_a_finding(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import stage

        @stage
        def once() -> int:
            pathlib.Path(__file__).with_name("mark").touch(exist_ok=False)
            return 1
        """,
    )
    assert project.run().status == "done"
    result = project.run(verify=1.0)
    (check,) = result.checks or ()
    assert check.error is not None
    assert "FileExistsError" in check.error
    assert (result.status, result.exit_code) == ("done", 5)


@pytest.mark.parametrize(
    ("code", "place", "what", "cause"),
    [
        ("pl.DataFrame({'x': range(2 + n)})", None, "4 rows, stored are 3", "usual causes"),
        ("pl.DataFrame({f'x{n}': [1]})", "x1", "the column is gone", "usual causes"),
        ("pl.DataFrame({'x': [n]}).cast([pl.Int8, pl.Int16][n - 1])", "x", "Int16", "usual"),
        ("pl.DataFrame({'x': [[1, n]]})", "x", "other values", "usual causes"),
        ("pl.DataFrame({'x': [1, 2][::3 - 2 * n]})", "x", "another order", "sort them"),
        ("pl.DataFrame({'x': [0.0 * (3 - 2 * n)]})", "x", "bits only", "usual causes"),
        ("pathlib.Path(__file__).with_name('calls')", None, "another content", "usual causes"),
        ("[1] * n", None, "2 items, stored are 1", "usual causes"),
    ],
)
def test_each_kind_of_difference_has_its_words(
    project: ProjectFolder, code: str, place: str | None, what: str, cause: str
) -> None:
    project.write(
        "pipeline.py",
        f"""
        import pathlib
        import polars as pl
        from dagrun import stage

        @stage
        def made():
            calls = pathlib.Path(__file__).with_name("calls")
            calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
            n = len(calls.read_text())
            return {code}
        """,
    )
    project.run()
    (check,) = project.run(verify=1.0).checks or ()
    assert check.error is None
    assert check.differences[0].column == place
    assert what in check.differences[0].what
    assert cause in check.cause
