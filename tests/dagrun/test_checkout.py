"""`dagrun checkout` and `show RUN:ARTIFACT`: any past run's data, by run, pin or git revision."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import polars as pl
import pytest
from tests_cli import Call
from tests_project import ProjectFolder

PIPELINE = """
    import polars as pl
    from dagrun import Files, Query, stage

    @stage
    def sales(rows: Query = Query("SELECT * FROM sales ORDER BY id", "sqlite:shop.db")):
        return rows.read().with_columns(double=pl.col("price") * FACTOR)

    @stage(outputs=("low", "high"))
    def split(sales: pl.DataFrame, at: float = 2.0):
        return sales.filter(pl.col("price") < at), sales.filter(pl.col("price") >= at)

    @stage
    def facts(sales: pl.DataFrame, notes: Files = Files("notes.txt")) -> dict:
        return {"rows": sales.height, "notes": notes.read_text()}

    @stage(over={"k": (1, 2)})
    def powers(sales: pl.DataFrame, k: int = 1):
        return sales.select(pl.col("price") ** k)
"""


def sell(path: Path, *prices: float) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS sales (id INTEGER PRIMARY KEY, price REAL)")
        connection.executemany("INSERT INTO sales (price) VALUES (?)", [(it,) for it in prices])
    connection.close()


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    """Two commits, one run of each; between them rows were sold and the code was edited."""
    project.write("pipeline.py", "FACTOR = 2\n" + PIPELINE.replace("\n    ", "\n"))
    project.write("notes.txt", "first")
    project.write(".gitignore", ".dagrun\nshop.db\n")
    sell(project.root / "shop.db", 1.0, 2.0, 3.0)
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", ".")
    git(project.root, "commit", "-q", "-m", "one")
    git(project.root, "tag", "v1")
    project.run()
    project.edit("pipeline.py", "FACTOR = 2", "FACTOR = 3")
    git(project.root, "commit", "-qam", "two")
    sell(project.root / "shop.db", 4.0)
    project.run()
    return project


def read(folder: Path) -> dict[str, list[float]]:
    return {
        path.relative_to(folder).as_posix(): pl.read_parquet(path).to_series(-1).to_list()
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.mark.parametrize("ref", ["v1", "HEAD~1", "last~1", "main~1"])
def test_any_past_run_is_restored(shop: ProjectFolder, call: Call, ref: str) -> None:
    answer = call("checkout", ref, "--to", "past")
    assert answer.code == 0, answer.err
    assert read(shop.root / "past") == {
        "high.parquet": [4.0, 6.0],
        "low.parquet": [2.0],
        "powers/0000.parquet": [1.0, 2.0, 3.0],
        "powers/0001.parquet": [1.0, 4.0, 9.0],
        "sales.parquet": [2.0, 4.0, 6.0],
        "sources/sales.rows/rows.parquet": [1.0, 2.0, 3.0],
    }
    assert json.loads((shop.root / "past/facts.json").read_text()) == {"rows": 3, "notes": "first"}
    manifest = json.loads((shop.root / "past/checkout-manifest.json").read_text())
    assert manifest["run"]["commit"] == git(shop.root, "rev-parse", "v1")
    assert list(manifest["project_files"]["facts.notes"]) == ["notes.txt"]
    assert manifest["artifacts"]["sales.parquet"]["rows"] == 3
    assert "8 artifacts of run" not in answer.out
    assert "7 artifacts of run" in answer.out
    assert not [path for path in shop.root.iterdir() if path.name.startswith(".past")]


def test_some_artifacts_by_name(shop: ProjectFolder, call: Call) -> None:
    answer = call("checkout", "last", "split", "sales.rows", "--to", "a/b/c", "--json")
    assert [each["file"] for each in answer.document["files"]] == [
        "high.parquet",
        "low.parquet",
        "sources/sales.rows/rows.parquet",
    ]
    assert read(shop.root / "a/b/c")["sources/sales.rows/rows.parquet"] == [1.0, 2.0, 3.0, 4.0]
    # It is a copy: the store does not change with it.
    (shop.root / "a/b/c/low.parquet").write_bytes(b"")
    assert call("fsck").code == 0


def test_a_pin_is_restored_after_collecting(shop: ProjectFolder, call: Call) -> None:
    assert call("pin", "split").code == 0
    assert call("checkout", "split", "low", "--to", "one").code == 0
    assert read(shop.root / "one") == {"low.parquet": [3.0]}


def test_what_a_result_was_made_from_is_kept_with_it(shop: ProjectFolder, call: Call) -> None:
    shop.edit("pipeline.py", "FACTOR = 3", "FACTOR = 5")
    sell(shop.root / "shop.db", 5.0)
    assert call("plan").code == 0  # which reads a snapshot that no result needs yet
    before = call("gc", "--grace", "0s", "--json").document
    assert call("checkout", "v1", "sales.rows", "--to", "past").code == 0
    assert read(shop.root / "past") == {"sources/sales.rows/rows.parquet": [1.0, 2.0, 3.0]}
    assert before
    assert call("run").code == 0  # what was collected is read again
    assert call("checkout", "last", "sales.rows", "--to", "now").code == 0


def test_a_run_may_use_the_data_of_a_past_one(shop: ProjectFolder, call: Call) -> None:
    (shop.root / "shop.db").unlink()
    assert "does not exist" in call("plan").err
    planned = call("plan", "--data", "v1", "--json")
    assert planned.code == 0, planned.err
    assert call("run", "--data", "v1").code == 0  # today's code, the rows of then
    again = shop.open()
    assert again.runs.read("last").header["data"].startswith("run ")
    (sales,) = call("show", "last:sales", "--json").document["outputs"].values()
    assert sales["head"][-1] == {"id": 3, "price": 3.0, "double": 9.0}
    for entry in map(again.store.entries.read, again.store.entries.keys()):
        for output in entry.snapshots.get("rows", {}).values() if entry else ():
            again.store.blobs.path(output.blob or "").unlink(missing_ok=True)
    assert "is not stored any more: rows" in call("run", "--data", "v1").err


def test_what_is_wrong_is_told_and_nothing_written(shop: ProjectFolder, call: Call) -> None:
    for words, told in (
        (("v9",), "is no run, no pin, and no git revision"),
        (("last", "sale"), "has no artifact 'sale'. Did you mean 'sales'?"),
        (("--help",), ""),
    ):
        answer = call("checkout", *words, "--to", "new")
        assert told in answer.err
        assert not (shop.root / "new").exists()
    (shop.root / "taken").mkdir()
    shop.write("taken/mine.txt", "mine")
    answer = call("checkout", "last", "--to", "taken")
    assert answer.code == 2
    assert "exists and is not empty; nothing was written" in answer.err


def test_what_was_collected_or_damaged_is_told(shop: ProjectFolder, call: Call) -> None:
    store = shop.open().store
    key = shop.open().runs.read("last").stages["sales"]["key"]
    (key,) = {path.stem for path in store.entries.root.rglob("*.json")} & {
        run.stages["sales"]["key"] for run in shop.open().runs.newest_first()
    } - {key}
    entry = store.entries.read(key)
    assert entry is not None
    blob = store.blobs.path(entry.outputs["sales"].blob or "")
    data = blob.read_bytes()
    blob.unlink()
    answer = call("checkout", "v1", "--to", "new")
    assert "these are not stored any more: sales" in answer.err
    assert call("checkout", "v1", "facts", "--to", "new").code == 0
    blob.write_bytes(data[:-1] + b"x")
    answer = call("checkout", "v1", "sales", "--to", "newer")
    assert answer.code == 4
    assert "is damaged" in answer.err
    store.entries.path(key).unlink()
    assert "not stored any more" in call("checkout", "v1", "--to", "newer").err
    assert sorted(path.name for path in shop.root.iterdir() if "new" in path.name) == ["new"]


def test_show_and_diff_name_past_artifacts(shop: ProjectFolder, call: Call) -> None:
    answer = call("show", "v1:sales")
    assert answer.code == 0, answer.err
    assert "3 rows" in answer.out
    assert "3 rows" in call("show", "last~1:sales").out
    assert call("show", "v1:sales", "--json").document["outputs"]["sales"]["rows"] == 3
    assert "4 rows" in call("diff", "v1:sales", "last:sales").out
    assert "names no artifact" in call("show", "v1:sale").err


def test_without_git_runs_are_still_found(
    shop: ProjectFolder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert "is no run" in call("checkout", "v1", "--to", "new").err
    assert call("checkout", "last~1", "--to", "new").code == 0
    shutil.rmtree(shop.root / "new")
