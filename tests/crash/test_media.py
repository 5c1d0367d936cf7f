"""Disks that are full or cannot be written, and clocks that go backwards."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_publish import ENTRIES, Publisher, check_store, litter
from tests_project import ProjectFolder, statuses

from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.fsck import check

SIZES = range(16, 512, 16) if os.environ.get("DAGRUN_SOAK") else (40, 140, 240, 400)


def mount(*options: str) -> None:
    done = subprocess.run(["mount", *options], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a file system of one's own: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    failed = 0
    for size in SIZES:
        publisher = Publisher(small_disk / str(size))
        publisher.root.mkdir()
        filler = small_disk / "filler"
        filler.write_bytes(bytes(2_000_000))
        with filler.open("r+b") as file:
            file.truncate(2_000_000 - size * 1024)
        found = publisher.run()
        stages, _ = check_store(publisher.root)
        if found.returncode != 0:
            failed += 1
            assert "free some space" in found.stderr or "No space left" in found.stderr
        assert litter(publisher.root) == []
        filler.unlink()
        again = publisher.run()
        assert (again.returncode, again.stdout) == (0, "published\n"), again.stderr
        after, has_ref = check_store(publisher.root)
        assert stages <= after
        assert (len(after), has_ref) == (ENTRIES, True)
        subprocess.run(["rm", "-rf", str(publisher.root)], check=True)
    assert 0 < failed < len(SIZES)


def test_a_store_that_cannot_be_written_is_read(small_disk: Path) -> None:
    publisher = Publisher(small_disk / "root")
    publisher.root.mkdir()
    assert publisher.run().returncode == 0
    mount("-o", "remount,ro", str(small_disk))
    assert len(check_store(publisher.root)[0]) == ENTRIES
    assert check(Store(publisher.root / ".dagrun")).findings == ()
    refused = publisher.run()
    assert refused.returncode != 0
    assert "read-only" in refused.stderr
    mount("-o", "remount,rw", str(small_disk))
    assert publisher.run().returncode == 0
    assert len(check_store(publisher.root)[0]) == ENTRIES


def test_a_clock_set_back_gives_no_wrong_hit(project: ProjectFolder) -> None:
    project.write("data.txt", "1")
    project.write(
        "pipeline.py",
        """
        from dagrun import Files, stage

        @stage
        def read(source: Files = Files("data.txt")) -> str:
            return source.paths[0].read_text()

        @stage
        def twice(read: str) -> str:
            return read * 2
        """,
    )
    assert statuses(project.run()) == {"read": "ran", "twice": "ran"}
    # As if the clock had gone back by a day since: all that is stored lies in the future.
    later = time.time() + 86_400
    store = project.root / ".dagrun"
    for path in (project.root / "data.txt", *store.rglob("*")):
        os.utime(path, (later, later))
    (log,) = (store / "runs").iterdir()
    log.rename(log.with_name(f"9{log.name[1:]}"))
    assert statuses(project.run()) == {"read": "hit", "twice": "hit"}
    project.write("data.txt", "2")
    os.utime(project.root / "data.txt", (later, later))
    result = project.run()
    assert statuses(result) == {"read": "ran", "twice": "ran"}
    opened = Store.open(project.root)
    assert [opened.load(stage.outputs[stage.name]) for stage in result.stages] == ["2", "22"]
