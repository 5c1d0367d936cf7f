"""What is damaged becomes a miss and is made again; in the middle of a run too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.history.runlog import RunLog
from dagrun.engine.running import RunSettings
from dagrun.engine.store.durable import StoreUnusable
from dagrun.engine.store.entries import ENTRY_VERSION
from dagrun.engine.store.refs import DamagedRef
from dagrun.engine.store.store import DamagedMarker, Store
from dagrun.engine.upkeep.findings import Finding
from dagrun.engine.upkeep.fsck import check
from dagrun.engine.upkeep.pins import pin
from dagrun.engine.upkeep.repair import mend, recompute


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)


def blob_of(project: ProjectFolder, name: str) -> Path:
    result = project.run()
    (output,) = (s.outputs[name] for s in result.stages if name in s.outputs)
    assert output.blob is not None
    return Store.open(project.root).blobs.path(output.blob)


def kinds(project: ProjectFolder) -> dict[str, Finding]:
    return {finding.kind: finding for finding in check(Store(project.root / ".dagrun")).findings}


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_damaged_input_is_made_again_in_the_same_run(
    tables: ProjectFolder, executor: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("raw", "scaled", "low"):
        damage(blob_of(tables, name))
    result = tables.run(force=("total",), executor=executor)
    assert result.status == "done"
    assert statuses(result)["total"] == "ran"
    assert kinds(tables) == {}
    assert set(statuses(tables.run()).values()) == {"hit"}
    if executor == "threads":
        assert (
            "input 'low' of stage 'total' was damaged; running stage 'split' again" in caplog.text
        )


def test_an_input_that_comes_out_otherwise_is_an_error(project: ProjectFolder) -> None:
    project.write("number.txt", "1")
    project.write(
        "pipeline.py",
        """
        import pathlib
        from dagrun import stage

        @stage
        def a() -> dict:
            number = pathlib.Path(__file__).with_name("number.txt").read_text()
            return {"text": number * 9000}

        @stage
        def b(a: dict) -> int:
            return len(a["text"])
        """,
    )
    damage(blob_of(project, "a"))
    project.write("number.txt", "2")
    result = project.run(force=("b",))
    error = next(stage.error for stage in result.stages if stage.name == "b")
    assert error is not None
    assert "loading input 'a': blob" in error
    assert "stage 'a' made it again and gave other data, so it is not deterministic" in error


def test_only_what_was_lost_runs(tables: ProjectFolder) -> None:
    damage(blob_of(tables, "low"))
    damage(
        Store.open(tables.root).entries.path(
            next(stage.key or "" for stage in tables.run().stages if stage.name == "raw")
        )
    )
    store = Store(tables.root / ".dagrun")
    found = check(store)
    assert {finding.kind for finding in found.findings} == {"blob", "entry"}
    mend(store, found.findings)
    lost = [key for finding in found.findings for key in finding.keys]
    again = recompute(tables.open(), lost, RunSettings(), lambda _: None)
    ran = [s.name for run in again.runs for s in run.stages if s.status == "ran"]
    assert sorted(ran) == ["raw", "split"]
    assert (sorted(again.restored), again.misses) == (sorted(lost), {})
    assert check(store).findings == ()
    assert set(statuses(tables.run()).values()) == {"hit"}


def test_what_older_code_made_is_named_and_not_made_again(tables: ProjectFolder) -> None:
    path = blob_of(tables, "scaled")
    tables.edit("helper.py", "FACTOR = 2", "FACTOR = 3")
    tables.run()
    damage(path)
    store = Store(tables.root / ".dagrun")
    found = check(store)
    mend(store, found.findings)
    keys = [key for finding in found.findings for key in finding.keys]
    again = recompute(tables.open(), keys, RunSettings(), lambda _: None)
    assert (again.runs, again.restored) == ((), ())
    assert list(again.misses.values()) == ["scaled"]
    assert check(store).damage == ()


def test_a_blob_that_a_ref_needs_is_put_aside_and_stays_named(tables: ProjectFolder) -> None:
    store = Store.open(tables.root)
    blob = store.blobs.put_bytes(b"a model of long ago")
    store.refs.update("models/m/versions/1", {"blob": blob}, reason="")
    damage(store.blobs.path(blob))
    (found,) = check(store).findings
    assert found.refs == ("models/m/versions/1",)
    mend(store, [found])
    assert len((store.folder / "damaged" / blob).read_bytes()) == 19
    left = check(store).damage
    assert [(finding.kind, finding.refs) for finding in left] == [("lost blob", found.refs)]
    store.blobs.put_bytes(b"a model of long ago")
    assert [finding.path for finding in check(store).findings] == [f"damaged/{blob}"]
    damage(store.blobs.path(blob))
    store.blobs.put_bytes(b"a model of long ago")
    assert check(store).damage == ()


def test_a_ref_is_read_and_restored_from_its_copy(tables: ProjectFolder) -> None:
    refs = Store.open(tables.root).refs
    for value in (1, 2):
        refs.update("a/b", value, reason="r")
    before = refs.history("a/b")
    path, copy = refs.paths("a/b")
    damage(path)
    assert refs.history("a/b") == before
    assert kinds(tables)["ref"].path == "refs/a/b.json"
    mend(Store(tables.root / ".dagrun"), check(Store(tables.root / ".dagrun")).findings)
    assert kinds(tables) == {}
    damage(copy)
    assert kinds(tables)["copy"].path == "refs-copy/a/b.json"
    damage(path)
    with pytest.raises(DamagedRef, match="dagrun fsck"):
        refs.read("a/b")
    with pytest.raises(DamagedRef):
        refs.update("a/b", 3, reason="r")
    mend(Store(tables.root / ".dagrun"), check(Store(tables.root / ".dagrun")).findings)
    assert kinds(tables)["ref"].problem == "it is damaged, and so is its copy"


def test_a_damaged_marker_is_an_error_until_it_is_mended(tables: ProjectFolder) -> None:
    tables.run()
    marker = tables.root / ".dagrun" / "format.json"
    marker.write_bytes(marker.read_bytes().replace(b'"version":1', b'"version":3'))
    with pytest.raises(DamagedMarker, match="dagrun fsck --repair"):
        tables.run()
    mend(Store(marker.parent), check(Store(marker.parent)).findings)
    assert set(statuses(tables.run()).values()) == {"hit"}


def test_a_pinned_result_that_is_gone_is_found(tables: ProjectFolder) -> None:
    tables.run()
    store = Store.open(tables.root)
    (key,) = pin(store, "low", reason="").keys
    store.entries.path(key).unlink()
    (found,) = check(store).findings
    assert (found.kind, found.keys, found.refs) == ("lost entry", (key,), ("pins/low",))
    assert recompute(tables.open(), found.keys, RunSettings(), lambda _: None).restored == (key,)
    assert check(store).findings == ()


def test_a_folder_that_is_gone_is_made_again(tables: ProjectFolder) -> None:
    tables.run()
    shutil.rmtree(tables.root / ".dagrun" / "runs")
    store = Store(tables.root / ".dagrun")
    with pytest.raises(StoreUnusable, match="dagrun fsck --repair"):
        RunLog(store, "a-run", {})
    mend(store, check(store).findings)
    assert set(statuses(tables.run()).values()) == {"hit"}


def test_what_another_version_wrote_is_left_alone(tables: ProjectFolder) -> None:
    tables.run()
    store = Store(tables.root / ".dagrun")
    path = next(store.entries.root.rglob("*.json"))
    other = {"version": ENTRY_VERSION + 1, "entry": {}, "check": "of another kind"}
    path.write_text(json.dumps(other))
    (found,) = check(store).findings
    assert found.kind == "other version"
    mend(store, [found])
    assert json.loads(path.read_bytes()) == other


def test_what_is_left_over_is_told_and_removed(tables: ProjectFolder) -> None:
    tables.run()
    store = Store(tables.root / ".dagrun")
    (store.locks / "ab").touch()
    (store.folder / "mine.txt").write_text("a stranger")
    log = next(store.runs.iterdir())
    log.write_bytes(log.read_bytes()[:-40])
    found = {finding.path: finding.is_damage for finding in check(store).findings}
    name = f"runs/{log.name}"
    assert found == {"locks/ab": False, "mine.txt": False, name: False}
    mend(store, check(store).findings)
    assert [finding.path for finding in check(store).findings] == ["mine.txt"]
    assert tables.open().runs.read("last").status == "interrupted"


def test_a_blob_that_a_ref_needs_is_made_again_by_its_stage(tables: ProjectFolder) -> None:
    path = blob_of(tables, "low")
    store = Store.open(tables.root)
    store.refs.update("models/m/versions/1", {"blob": path.name}, reason="")
    damage(path)
    found = check(store)
    mend(store, found.findings)
    assert (store.folder / "damaged" / path.name).exists()
    keys = [key for finding in found.findings for key in finding.keys]
    assert recompute(tables.open(), keys, RunSettings(), lambda _: None).misses == {}
    assert check(store).findings == ()
