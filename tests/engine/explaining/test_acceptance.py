"""Accepting an edit: only of code, only with a result to stand for it, and never unsaid."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder, actions, statuses

from dagrun.engine.explaining.acceptance import NotAcceptable
from dagrun.engine.store.entries import Entry


def accept(project: ProjectFolder, name: str, **params: str) -> Entry:
    workspace = project.open()
    named = {name.replace("__", "."): value for name, value in params.items()}
    return workspace.accept(name, workspace.select(params=named), "only a rename")


def entry_files(project: ProjectFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.root.glob(".dagrun/entries/*/*")}


@pytest.fixture
def edited(tables: ProjectFolder) -> ProjectFolder:
    """Run once, then with an edit that changes no result."""
    tables.run()
    tables.edit("helper.py", "x * FACTOR", "FACTOR * x")
    return tables


def test_the_old_result_stands_and_nothing_runs(edited: ProjectFolder) -> None:
    before = entry_files(edited)
    old = edited.open().runs.last_entry("scaled")
    new = accept(edited, "scaled")
    assert old is not None
    assert (new.outputs, new.seconds) == (old.outputs, old.seconds)
    assert new.key != old.key
    assert statuses(edited.run()) == dict.fromkeys(("raw", "scaled", "split", "total"), "hit")
    after = entry_files(edited)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1


def test_who_when_why_and_both_code_versions_are_kept(edited: ProjectFolder) -> None:
    old = edited.open().runs.last_entry("scaled")
    assert old is not None
    new = accept(edited, "scaled")
    assert new.accepted["reason"] == "only a rename"
    assert new.accepted["stands"] == old.key
    digests = new.accepted["code"]["helper:scale"]
    assert digests == [old.preimage["code"]["helper:scale"], new.preimage["code"]["helper:scale"]]
    (ref,) = edited.open().store.refs.history("accepted/scaled")
    assert (ref.by, ref.at) == (new.accepted["by"], new.accepted["at"])
    assert (ref.reason, ref.value["key"]) == ("only a rename", new.key)
    explained = edited.why("scaled")
    assert explained.accepted.endswith(": only a rename")
    (change,) = explained.accepted_changes
    assert change.diff[1:] == ("-    return x * FACTOR", "+    return FACTOR * x")
    edited.run()
    edited.edit("helper.py", "FACTOR * x", "1 * FACTOR * x")
    (cause,) = edited.why("scaled").causes
    assert "-    return FACTOR * x" in cause.diff


def test_an_accepted_result_can_be_accepted_again(edited: ProjectFolder) -> None:
    first = accept(edited, "scaled")
    edited.run()
    edited.edit("helper.py", "FACTOR * x", "1 * FACTOR * x")
    second = accept(edited, "scaled")
    assert second.accepted["stands"] == first.key
    assert len(edited.open().store.refs.history("accepted/scaled")) == 2
    assert actions(edited.plan()) == dict.fromkeys(("raw", "scaled", "split", "total"), "hit")


def test_what_is_accepted_can_be_put_to_the_test(edited: ProjectFolder) -> None:
    accept(edited, "scaled")
    forced = {stage.name: stage for stage in edited.run(force=("scaled",)).stages}
    assert (forced["scaled"].status, forced["scaled"].same) == ("ran", True)
    assert edited.why("scaled").accepted == ""


@pytest.mark.parametrize(
    ("stage", "params", "problem"),
    [
        ("raw", {}, "it would hit anyway"),
        ("split", {}, "not known before scaled has run"),
        ("raw", {"raw__rows": "12"}, r"more than code differs \(param rows: 10 -> 12\)"),
    ],
)
def test_what_is_more_than_code_is_refused(
    edited: ProjectFolder, stage: str, params: dict[str, str], problem: str
) -> None:
    before = entry_files(edited)
    with pytest.raises(NotAcceptable, match=problem):
        accept(edited, stage, **params)
    assert entry_files(edited) == before
    assert edited.open().store.refs.names("accepted/") == ()


def test_other_refusals(tables: ProjectFolder) -> None:
    with pytest.raises(NotAcceptable, match="never run here"):
        accept(tables, "raw")
    tables.run()
    tables.edit("helper.py", "x * FACTOR", "FACTOR * x")
    tables.edit(
        "pipeline.py", "def scaled(raw: pl.DataFrame)", "def scaled(raw: pl.DataFrame, n=1)"
    )
    with pytest.raises(NotAcceptable, match="param n added"):
        accept(tables, "scaled")
    tables.edit("pipeline.py", ", n=1)", ")")
    for blob in tables.root.glob(".dagrun/blobs/*/*"):
        blob.unlink()
    with pytest.raises(NotAcceptable, match="not known before raw has run"):
        accept(tables, "scaled")


def test_effects_and_what_is_never_cached_are_refused(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage(cache=False, reason="asks the world")
        def asked():
            return 1

        @stage(effect=True)
        def told(asked):
            pass
        """,
    )
    project.run()
    for name in ("asked", "told"):
        with pytest.raises(NotAcceptable, match="nothing of it is kept"):
            accept(project, name)
