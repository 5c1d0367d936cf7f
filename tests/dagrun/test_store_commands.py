"""fsck, gc, du and pins on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests_cli import Call
from tests_project import ProjectFolder


@pytest.fixture
def large(project: ProjectFolder) -> ProjectFolder:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def made(size: int = 20_000) -> dict:
            return {"text": "x" * size}

        @stage
        def counted(made: dict) -> int:
            return len(made["text"])
        """,
    )
    return project


def blob(project: ProjectFolder) -> Path:
    blobs = (project.root / ".dagrun/blobs").rglob("*")
    return max((path for path in blobs if path.is_file()), key=lambda path: path.stat().st_size)


def test_fsck_finds_and_mends(call: Call, large: ProjectFolder) -> None:
    assert call("fsck").code == 2
    call("run")
    sound = call("fsck")
    assert (sound.code, sound.out[:18]) == (0, "the store is sound")
    path = blob(large)
    path.chmod(0o644)
    path.write_bytes(b"y" + path.read_bytes()[1:])
    found = call("fsck")
    assert found.code == 4
    assert f"blob  blobs/{path.parent.name}/{path.name} (stage made)" in found.out
    assert "1 damaged or missing, 0 left over; to mend it: dagrun fsck --repair" in found.out
    assert call("fsck", "--json").document["findings"][0]["stage"] == "made"
    mended = call("fsck", "--repair")
    assert mended.code == 0
    assert "made again: 1 result" in mended.out
    assert call("fsck", "--json").document["findings"] == []


def test_fsck_tells_what_a_failing_stage_keeps_from_being_mended(
    call: Call, large: ProjectFolder
) -> None:
    large.edit("pipeline.py", "return {", 'open("switch").close(); return {')
    large.write("switch", "")
    call("run")
    (large.root / "switch").unlink()
    blob(large).unlink()
    assert call("fsck", "--repair").code == 1
    assert call("fsck").code == 0


def test_fsck_without_a_pipeline_makes_misses(call: Call, large: ProjectFolder) -> None:
    call("run")
    blob(large).unlink()
    (large.root / "pipeline.py").unlink()
    mended = call("fsck", "--repair")
    assert mended.code == 0
    assert "nothing was made again" in mended.err


def test_gc_pin_and_du(call: Call, large: ProjectFolder) -> None:
    call("run", "-p", "made.size=30000")
    call("run")
    assert call("pin", "last", "--reason", "the paper").out.startswith("pinned ")
    for path in (large.root / ".dagrun").rglob("*.json"):
        os.utime(path, (0, 0))
    os.utime(blob(large), (0, 0))
    told = call("gc", "--dry-run", "--keep-runs", "0", "--grace", "1h")
    assert "made     1 result" in told.out
    assert "would free 3" in told.out
    gone = call("gc", "--keep-runs", "0", "--grace", "1h", "--json").document
    assert {each["stage"] for each in gone["going"]} == {"made", "counted"}
    assert gone["freed"] > 30_000
    assert call("fsck").code == 0
    assert "the paper" in call("pin").out
    assert call("unpin", "last").code == 0
    assert "nothing is pinned" in call("pin").out
    used = call("du")
    assert "by stage\n  made" in used.out
    assert all(share["size"] < 30_000 for share in call("du", "--json").document["stages"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gc", "--grace", "soon"), "'soon' is not a duration such as 90s, 30m, 12h or 7d"),
        (("gc", "--budget", "lots"), "'lots' is not a size such as 800MB, 1.5GB or 2TB"),
        (("pin", "nobody"), "nothing called 'nobody' has a result to pin"),
        (("unpin", "nobody"), "'nobody' is not pinned"),
    ],
)
def test_what_is_mistyped_is_told(
    call: Call, large: ProjectFolder, arguments: tuple[str, ...], message: str
) -> None:
    call("run")
    answer = call(*arguments)
    assert answer.code == 2
    assert message in answer.err
