"""The forecast of a plan: its sums, and exactly what a cutoff may save."""

from __future__ import annotations

from tests_project import ProjectFolder

from dagrun.engine.events import Output
from dagrun.engine.explaining.changes import compare_files, compare_tables
from dagrun.engine.explaining.forecast import Forecast


def forecast(project: ProjectFolder, **params: str) -> Forecast:
    workspace = project.open()
    named = {name.replace("__", "."): value for name, value in params.items()}
    return workspace.forecast(*workspace.plan(workspace.select(params=named)))


def test_a_first_run_has_no_history(tables: ProjectFolder) -> None:
    found = forecast(tables)
    assert found.untimed == ("raw", "scaled", "split", "total")
    assert (found.seconds, found.size, found.savable) == (0.0, 0, ())


def test_nothing_to_do_costs_nothing(tables: ProjectFolder) -> None:
    tables.run()
    assert forecast(tables) == Forecast()


def test_what_a_cutoff_may_save_is_what_it_then_saves(tables: ProjectFolder) -> None:
    tables.run()
    tables.edit("helper.py", "x * FACTOR", "FACTOR * x")
    found = forecast(tables)
    assert found.savable == ("split", "total")
    assert found.size > 0
    assert found.waiting_size > 0
    ran = {stage.name: stage.status for stage in tables.run().stages}
    assert ran == {"raw": "hit", "scaled": "ran", "split": "hit", "total": "hit"}


def test_a_stage_with_a_change_of_its_own_cannot_be_saved(tables: ProjectFolder) -> None:
    tables.run()
    tables.edit("helper.py", "x * FACTOR", "FACTOR * x")
    found = forecast(tables, split__at="7")
    assert found.savable == ("total",)
    assert found.own_changes == {"split": "param at: 5 -> 7"}


def table(rows: int, **columns: str) -> Output:
    described = {name: (dtype[:1], dtype) for name, dtype in columns.items()}
    return Output(codec="", logical="", rows=rows, columns=described)


def test_tables_are_compared_by_their_digests() -> None:
    before, after = table(1000, fare="i1", age="i1", y="i"), table(1010, fare="f1", age="i2", x="i")
    change = compare_tables(before, after)
    assert (change.changed, change.added, change.removed) == (("fare", "age"), ("x",), ("y",))
    told = "rows 1,000 -> 1,010, columns changed: fare (i -> f), age; added: x; removed: y"
    assert str(change) == told
    assert str(compare_tables(before, before)) == "changed in the order of its columns"
    wide = {f"c{n}": "i" for n in range(10)}
    more = table(3, **wide, **{f"d{n}": "i" for n in range(9)})
    assert str(compare_tables(table(3, **wide), more)) == (
        "columns added: d0, d1, d2, d3, d4, d5 and 3 more"
    )


def test_a_source_that_is_no_files_has_no_file_changes() -> None:
    files = {"$source": ["Files", {"files": {"a": "1"}}]}
    assert compare_files(files, {"$source": ["Http", "etag"]}, {}, {}) == ()
    assert compare_files(files, files, {}, {}) == ()
