"""`Objects` over a local folder and over a server that speaks S3."""

from __future__ import annotations

import http.client
import io
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import obstore
import polars as pl
import pytest
from obstore.store import S3Store
from tests_project import ProjectFolder, find, statuses

from dagrun import Objects
from dagrun.engine.errors import DefinitionError
from dagrun.engine.remote.objects import NoSuchObjects, ObjectsFailed, translate
from dagrun.engine.remote.placeholders import SecretWritten

MOTO = Path(__file__).parents[3] / "build/peers/moto/bin/moto_server"
OPTIONS = {
    "region": "eu-central-1",
    "access_key_id": "{STORE_KEY}",
    "secret_access_key": "{STORE_SECRET}",
}


def parquet(*numbers: int) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"n": numbers}).write_parquet(buffer)
    return buffer.getvalue()


def put(folder: Path, name: str, *numbers: int) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(parquet(*numbers))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.csv", ["a.csv"], ["d/a.csv", "a.csv.gz"]),
        ("**/*.csv", ["a.csv", "d/e/a.csv"], ["a.txt"]),
        ("day=*/part-?.csv", ["day=1/part-2.csv"], ["day=1/part-22.csv", "day=1/x/part-2.csv"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("**", ["a", "b/c"], []),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    like = re.compile(translate(pattern))
    assert [name for name in yes + no if like.fullmatch(name)] == yes


def test_a_folder_is_an_object_store(tmp_path: Path, project: ProjectFolder) -> None:
    put(tmp_path / "lake", "day=1/a.parquet", 1, 2)
    put(tmp_path / "lake", "day=2/a.parquet", 3)
    (tmp_path / "lake/readme.txt").write_text("no table")
    project.write(
        "pipeline.py",
        f"""
        import polars as pl
        from dagrun import Objects, stage

        @stage
        def days(files: Objects = Objects("file://{tmp_path}/lake", "**/*.parquet")):
            return files.scan_parquet()

        @stage(over="files")
        def each(files: Objects = Objects("file://{tmp_path}/lake", "**/*.parquet")) -> int:
            return files.read_parquet()["n"].sum()
        """,
    )
    first = project.run()
    assert find(first, "days").rows == 3
    assert statuses(project.run(executor="processes")) == {"days": "hit", "each": "hit"}
    put(tmp_path / "lake", "day=3/a.parquet", 4)
    assert project.plan().stages[0].reason == "file day=3/a.parquet added"
    again = find(project.run(executor="processes"), "each")
    assert [element.status for element in again.elements or ()] == ["hit", "hit", "ran"]


def test_only_what_changed_is_downloaded(tmp_path: Path) -> None:
    put(tmp_path / "lake", "a.parquet", 1)
    put(tmp_path / "lake", "b.parquet", 2)
    source = Objects(f"file://{tmp_path}/lake")
    (tmp_path / "p").mkdir()
    first = source.bind(tmp_path / "p").snapshot
    put(tmp_path / "lake", "b.parquet", 2, 3)
    second = source.bind(tmp_path / "p").snapshot
    assert first.files["a.parquet"] == second.files["a.parquet"]
    assert first.seen["a.parquet"] == second.seen["a.parquet"]
    assert first.files["b.parquet"] != second.files["b.parquet"]
    assert source.bind(tmp_path / "p").read_parquet()["n"].to_list() == [1, 2, 3]


def test_what_goes_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.parquet", 1)
    with pytest.raises(NoSuchObjects, match=r"no object like '\*\.csv'; it holds: a\.parquet"):
        Objects(f"file://{tmp_path}", "*.csv").find()
    with pytest.raises(ObjectsFailed, match="Unable to canonicalize filesystem root"):
        Objects(f"file://{tmp_path}/none").find()
    with pytest.raises(DefinitionError, match="takes an address such as 's3://bucket/folder'"):
        Objects("ftp://host/")
    with pytest.raises(SecretWritten):
        Objects("s3://bucket", options={"secret_access_key": "sesame"})


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not MOTO.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("moto is missing (make peers)")
        pytest.skip("moto is not installed (make peers)")
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [MOTO, "-H", "127.0.0.1", "-p", "0"], stdout=output, stderr=output
        )
    try:
        yield _address(log, server)
    finally:
        server.terminate()
        server.wait(30)


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    for _ in range(1200):
        if found := re.search(r"Running on http://(127\.0\.0\.1:\d+)", log.read_text()):
            connection = http.client.HTTPConnection(found[1])
            connection.request("PUT", "/lake", headers={"x-amz-acl": "private"})
            connection.getresponse().read()
            return f"http://{found[1]}"
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {"STORE_KEY": "AKIAEXAMPLE12", "STORE_SECRET": "s3cr3t/of+the/store"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def test_s3_is_listed_and_what_changed_is_read(
    s3: str, keys: dict[str, str], project: ProjectFolder
) -> None:
    bucket = S3Store(
        "lake",
        config={
            "endpoint": s3,
            "region": "eu-central-1",
            "access_key_id": keys["STORE_KEY"],
            "secret_access_key": keys["STORE_SECRET"],
        },
        client_options={"allow_http": True},
    )
    obstore.put(bucket, "sales/2024/a.parquet", parquet(1, 2))
    obstore.put(bucket, "sales/2024/b.parquet", parquet(3))
    project.write(
        "pipeline.py",
        f"""
        from dagrun import Objects, stage

        SALES = Objects("s3://lake/sales", "**/*.parquet", {OPTIONS | {"endpoint": s3}!r})

        @stage(timeout="5m")
        def sales(files: Objects = SALES):
            return files.scan_parquet()
        """,
    )
    assert find(project.run(), "sales").rows == 3
    assert find(project.run(), "sales").status == "hit"
    obstore.put(bucket, "sales/2024/b.parquet", parquet(3, 4))
    assert project.plan().stages[0].reason == "file 2024/b.parquet changed"
    assert find(project.run(), "sales").rows == 4
    for path in project.root.rglob("*"):
        if path.is_file():
            assert keys["STORE_SECRET"].encode() not in path.read_bytes()
    with pytest.raises(NoSuchObjects, match=r"it holds: 2024/a\.parquet, 2024/b\.parquet"):
        Objects("s3://lake/sales", "*.csv", OPTIONS | {"endpoint": s3}).find()
    with pytest.raises(ObjectsFailed) as caught:
        Objects("s3://nobucket/x", "*", OPTIONS | {"endpoint": s3}).find()
    assert keys["STORE_SECRET"] not in str(caught.value)
