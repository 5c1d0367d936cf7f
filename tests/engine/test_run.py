from __future__ import annotations

import pytest
from tests_project import ProjectFolder, actions, statuses

from dagrun.engine.errors import DefinitionError
from dagrun.engine.pipeline import UnknownParam


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
    assert cause.after == "rows 10 -> 12, columns changed: x"


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
