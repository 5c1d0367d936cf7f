"""The stat shortcut answers only for files at rest, and never with an old digest."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagrun.engine import statcache
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.statcache import RESTING_NS, ChangingFile, Stamp, StatCache, digest_file
from dagrun.engine.store.sealed import seal, unseal


@pytest.fixture
def rested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file count as at rest."""
    monkeypatch.setattr(statcache, "RESTING_NS", -3_600_000_000_000)


def written(cache: Path) -> dict[str, list[object]]:
    files: dict[str, list[object]] = json.loads(cache.read_bytes())["files"]
    return files


def plant(cache: Path, file: Path, digest: str) -> None:
    """Put another digest into the saved shortcut, so that its use shows."""
    document = unseal("stats", cache.read_bytes())
    assert document is not None
    document["files"][str(file)][-1] = digest
    cache.write_bytes(seal("stats", document))


@pytest.mark.usefixtures("rested")
def test_a_file_at_rest_is_read_once(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "s" / "stats.json"
    file.write_bytes(b"1")
    stats = StatCache(cache)
    assert stats.digest(file) == blake3(b"1").hexdigest()
    stats.save()
    plant(cache, file, "planted")
    assert StatCache(cache).digest(file) == "planted"
    assert [path.name for path in cache.parent.rglob("*") if path.is_file()] == ["stats.json"]


def test_a_file_just_written_is_not_trusted(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "stats.json"
    file.write_bytes(b"1")
    stats = StatCache(cache)
    stats.digest(file)
    stats.save()
    assert not cache.exists()


@pytest.mark.parametrize(
    ("age", "expected"), [(0, False), (RESTING_NS, False), (RESTING_NS + 1, True), (-5, False)]
)
def test_rest_is_judged_by_both_times(age: int, expected: bool) -> None:
    for times in ((1000, 0), (0, 1000)):
        stamp = Stamp(size=1, mtime_ns=times[0], ino=1, ctime_ns=times[1])
        assert stamp.rested(1000 + age) is expected


@pytest.mark.usefixtures("rested")
def test_every_change_is_noticed(tmp_path: Path) -> None:
    file, stats = tmp_path / "a", StatCache()
    file.write_bytes(b"1")
    times = file.stat()
    stats.digest(file)
    file.write_bytes(b"2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert stats.digest(file) == blake3(b"2").hexdigest()
    (tmp_path / "b").write_bytes(b"3")
    (tmp_path / "b").replace(file)
    assert stats.digest(file) == blake3(b"3").hexdigest()


@pytest.mark.usefixtures("rested")
def test_lost_files_are_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "stats.json"
    for name in "ab":
        (tmp_path / name).write_bytes(b"1")
    stats = StatCache(cache)
    stats.digest(tmp_path / "a")
    stats.save()
    (tmp_path / "a").unlink()
    stats.digest(tmp_path / "b")
    stats.save()
    assert list(written(cache)) == [str(tmp_path / "b")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version":1,"files":{"a":1}}'])
def test_a_damaged_shortcut_is_no_shortcut(tmp_path: Path, text: str) -> None:
    (tmp_path / "stats.json").write_text(text)
    (tmp_path / "a").write_bytes(b"1")
    assert StatCache(tmp_path / "stats.json").digest(tmp_path / "a") == blake3(b"1").hexdigest()


def test_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_bytes(seal("stats", {"version": 99, "files": {}}))
    with pytest.raises(UnknownVersion, match="99"):
        StatCache(tmp_path / "stats.json")


def test_a_file_in_motion_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")

    def grow(path: Path) -> str:
        with path.open("ab") as stream:
            stream.write(b"1")
        return digest_file(path)

    monkeypatch.setattr(statcache, "digest_file", grow)
    with pytest.raises(ChangingFile, match="rename the finished file into place"):
        StatCache().digest(file)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.integers(0, 3), more=st.integers(-1, 1))
def test_digests_are_those_of_the_whole_file(tmp_path: Path, size: int, more: int) -> None:
    data = b"x" * max(0, size * statcache.CHUNK + more)
    (tmp_path / "a").write_bytes(data)
    assert digest_file(tmp_path / "a") == blake3(data).hexdigest()


@pytest.mark.usefixtures("rested")
def test_threads_share_one(tmp_path: Path) -> None:
    stats = StatCache(tmp_path / "stats.json")
    files = [tmp_path / f"f{number}" for number in range(50)]
    for file in files:
        file.write_text(file.name)

    def work() -> None:
        for file in files:
            assert stats.digest(file) == blake3(file.name.encode()).hexdigest()
            stats.save()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written(tmp_path / "stats.json")) == len(files)
