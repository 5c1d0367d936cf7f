"""Collecting: what is needed stays, what goes is told, and no run is ever left without its data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.store.store import Store
from dagrun.engine.store.survey import survey
from dagrun.engine.upkeep.fsck import check
from dagrun.engine.upkeep.gc import Policy, choose, collect, sweep
from dagrun.engine.upkeep.pins import NothingToPin, NotPinned, pin, pins, unpin

DAY = 86_400
TWO = """
    from dagrun import stage

    @stage
    def made(size: int = 20_000) -> dict:
        return {"text": "x" * size}

    @stage
    def counted(made: dict) -> int:
        return len(made["text"])
"""


def grow_old(store: Store, days: float = 2) -> None:
    """Let everything in the store have been used last some days ago."""
    moment = time.time() - days * DAY
    for path in (*store.blobs.root.rglob("*"), *store.entries.root.rglob("*")):
        os.utime(path, (moment, moment))


@pytest.fixture
def two(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", TWO)
    return project


def test_the_last_runs_stay_and_what_is_older_goes(two: ProjectFolder) -> None:
    for size in ("10000", "20000", "30000"):
        two.run(params={"made.size": size})
    store = Store.open(two.root)
    grow_old(store)
    told = collect(store, Policy(keep_runs=2), dry_run=True)
    assert {each.stage for each in told.going} == {"made", "counted"}
    assert told.freed > 10_000
    assert collect(store, Policy(keep_runs=2)).going == told.going
    assert check(store).findings == ()
    for size, status in {"30000": "hit", "20000": "hit", "10000": "ran"}.items():
        assert set(statuses(two.run(params={"made.size": size})).values()) == {status}


def test_elements_stay_with_their_list(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def names() -> list:
            return ["a", "b"]

        @stage(over="names")
        def shouted(names: str) -> str:
            return names * 5_000
        """,
    )
    project.run()
    project.run()
    store = Store.open(project.root)
    grow_old(store)
    assert collect(store, Policy(keep_runs=1)).going == ()
    project.edit("pipeline.py", '["a", "b"]', '["a", "b", "c"]')
    shouted = project.run().stages[1]
    assert [each.status for each in shouted.elements or ()] == ["hit", "hit", "ran"]


def test_what_was_used_lately_stays(two: ProjectFolder) -> None:
    two.run()
    store = Store.open(two.root)
    everything_goes = Policy(keep_runs=0)
    assert collect(store, everything_goes).going == ()
    grow_old(store)
    two.run()
    assert all(each.kind == "blob" for each in collect(store, everything_goes).going)
    assert set(statuses(two.run()).values()) == {"hit"}


def test_pins_stay_until_they_are_removed(two: ProjectFolder) -> None:
    two.run()
    store = Store.open(two.root)
    assert len(pin(store, "last", reason="the paper").keys) == 2
    pin(store, "made", reason="")
    with pytest.raises(NothingToPin, match="Did you mean 'made'"):
        pin(store, "mode", reason="")
    unpin(store, "last", reason="printed")
    with pytest.raises(NotPinned, match="Pins: made"):
        unpin(store, "last", reason="again")
    assert [each.name for each in pins(store)] == ["made"]
    grow_old(store)
    collect(store, Policy(keep_runs=0))
    assert check(store).damage == ()
    assert statuses(two.run()) == {"made": "hit", "counted": "ran"}


def test_what_refs_name_stays(two: ProjectFolder) -> None:
    two.run()
    store = Store.open(two.root)
    blob = store.blobs.put_bytes(b"a model")
    store.refs.update("models/m/versions/1", {"blob": blob}, reason="")
    nobodys = store.blobs.put_bytes(b"nobody's")
    grow_old(store)
    collect(store, Policy(keep_runs=0))
    assert store.blobs.read(blob) == b"a model"
    assert store.blobs.size(nobodys) is None


def test_a_budget_takes_what_was_used_longest_ago(two: ProjectFolder) -> None:
    store = Store.open(two.root)
    for days, size in ((5, "40000"), (9, "50000"), (7, "60000")):
        two.run(params={"made.size": size})
        for entry in store.entries.root.rglob(f"*{'.json'}"):
            if time.time() - entry.stat().st_mtime < DAY:
                moment = time.time() - days * DAY
                os.utime(entry, (moment, moment))
    for blob in store.blobs.root.rglob("*"):
        os.utime(blob, (0, 0))
    collected = collect(store, Policy(keep_runs=0, budget=115_000))
    assert collected.after <= 115_000
    found = {
        size: statuses(two.run(params={"made.size": size}))["made"]
        for size in ("40000", "50000", "60000")
    }
    assert found == {"40000": "hit", "50000": "ran", "60000": "hit"}


SLOW = """
    import pathlib, time
    from dagrun import stage

    @stage
    def made() -> dict:
        return {"text": "x" * 20_000}

    @stage
    def slow(turn: int = 0, mark: str = "") -> int:
        if mark:
            pathlib.Path(mark).write_text("here")
            while pathlib.Path(mark).exists():
                time.sleep(0.02)
        return turn

    @stage
    def late(made: dict, slow: int) -> int:
        return len(made["text"]) + slow
"""


def test_a_run_keeps_what_it_has_hit(project: ProjectFolder, tmp_path: Path) -> None:
    project.write("pipeline.py", SLOW)
    project.run()
    store = Store.open(project.root)
    grow_old(store)
    mark = tmp_path / "mark"
    command = [sys.executable, "-P", "-m", "dagrun", "run"]
    params = ["-p", "slow.turn=1", "-p", f"slow.mark={mark}"]
    running = subprocess.Popen([*command, *params], cwd=project.root, stderr=subprocess.PIPE)
    while not mark.exists():
        time.sleep(0.02)
    # The run has hit `made` and will load it only now.
    collected = collect(store, Policy(keep_runs=0, grace=0))
    assert "late" in {each.stage for each in collected.going}
    mark.unlink()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b"damaged" not in said
    assert check(store).damage == ()


def test_what_is_used_after_it_was_chosen_stays(two: ProjectFolder) -> None:
    two.run()
    store = Store.open(two.root)
    orphan = store.blobs.put_bytes(b"a text")
    grow_old(store)
    cutoff = time.time_ns() - 3600 * 10**9
    chosen = choose(survey(store), set(), cutoff, None)
    assert len([each for each in chosen if each.kind == "entry"]) == 2
    (made,) = [each for each in chosen if each.kind == "entry" and each.stage == "made"]
    assert store.use(made.name) is not None
    assert store.blobs.put_bytes(b"a text") == orphan
    gone = sweep(store, chosen, cutoff)
    assert "made" not in {each.stage for each in gone if each.kind == "entry"}
    assert store.blobs.size(orphan) is not None
    assert check(store).damage == ()
    assert statuses(two.run()) == {"made": "hit", "counted": "ran"}


COLLECTOR = """
import pathlib, sys
from dagrun.engine.upkeep.gc import Policy, collect
from dagrun.engine.store.store import Store
store = Store.open(pathlib.Path(sys.argv[1]))
going = 0
while not pathlib.Path(sys.argv[2]).exists():
    going += len(collect(store, Policy(keep_runs=0, grace=0)).going)
print(going)
"""


def test_runs_and_a_collector_without_mercy_get_along(two: ProjectFolder, tmp_path: Path) -> None:
    two.run()
    store = Store(two.root / ".dagrun")
    stop = tmp_path / "stop"
    collector = subprocess.Popen(
        [sys.executable, "-c", COLLECTOR, str(two.root), str(stop)], stdout=subprocess.PIPE
    )
    for _ in range(100 if os.environ.get("DAGRUN_SOAK") else 15):
        result = two.run()
        assert result.status == "done", result
        # Neither takes what the other does for damage.
        assert check(store).damage == ()
    stop.touch()
    output, _ = collector.communicate(timeout=60)
    assert collector.returncode == 0
    assert int(output) > 0
    assert check(store).damage == ()


def test_logs_of_old_runs_go_but_for_the_last_and_the_pinned(two: ProjectFolder) -> None:
    two.edit("pipeline.py", "return len", "print('counting'); return len")
    ids = [two.run(params={"made.size": size}).run_id for size in ("1", "2", "3", "4")]
    store = Store.open(two.root)
    pin(store, ids[1], reason="of a paper")
    moment = time.time() - 5 * DAY
    for path in store.runs.rglob("*"):
        os.utime(path, (moment, moment))
    (store.runs / "20200101-000000-000000-dead.logs").mkdir()
    lone = store.runs / "20200101-000000-000000-dead.logs" / "made.jsonl"
    lone.write_bytes(b"its run's log went, and then gc was killed")
    os.utime(lone, (moment, moment))

    assert collect(store, Policy(keep_runs=1)).going == ()
    assert collect(store, Policy(keep_runs=1, keep_logs=6 * DAY)).going == ()
    policy = Policy(keep_runs=1, keep_logs=4 * DAY)
    told = collect(store, policy, dry_run=True)
    logs = {each.name for each in told.going if each.kind == "run log"}
    assert logs == {lone.parent.name.removesuffix(".logs"), ids[0], ids[2]}
    with store.running(ids[2]):
        kept = collect(store, policy, dry_run=True)
    assert ids[2] not in {each.name for each in kept.going}
    assert len(list(store.runs.iterdir())) == 9
    assert collect(store, policy) == told
    assert {path.name.split(".")[0] for path in store.runs.iterdir()} == {ids[1], ids[3]}
    assert check(store).findings == ()
    assert collect(store, policy).going == ()
