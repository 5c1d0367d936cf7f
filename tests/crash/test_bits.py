"""One bit flipped in any file of the store: never a wrong result, always found, mended again."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_project import ProjectFolder, statuses

from dagrun.cli.fsck import DAMAGED, DONE
from dagrun.cli.main import main
from dagrun.engine.errors import DagrunError
from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.fsck import check

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
PIPELINE = """
    import pathlib
    import polars as pl
    from dagrun import Files, Verdict, stage
    from dagrun.engine.context import current

    @stage
    def table(source: Files = Files("data.csv")) -> pl.DataFrame:
        return source.read_csv()

    @stage(outputs=("low", "high"))
    def split(table: pl.DataFrame, at: int = 3) -> tuple[pl.DataFrame, ...]:
        return table.filter(pl.col("x") < at), table.filter(pl.col("x") >= at)

    @stage
    def small(low: pl.DataFrame, high: pl.DataFrame) -> dict:
        return {"low": low.height, "high": high.height}

    @stage
    def large(table: pl.DataFrame) -> dict:
        return {"text": "x" * 9000, "sum": table["x"].sum()}

    @stage
    def file(small: dict) -> pathlib.Path:
        path = pathlib.Path(__file__).parent / "made"
        path.write_text(f"{small}")
        return path

    @stage(gate=True)
    def verdict(small: dict) -> Verdict:
        return Verdict(passed=small["low"] == 3, reasons=("three",))

    @stage(effect=True)
    def publish(file: pathlib.Path, large: dict, verdict: Verdict) -> None:
        store = current().store
        blob = store.blobs.put_bytes(file.read_bytes())
        present = store.refs.read("names/it")
        if present is None or present.value != {"blob": blob}:
            store.refs.update("names/it", {"blob": blob}, reason="made")
"""


class Sound:
    """A store that is whole, a copy of it, and what is in it."""

    def __init__(self, project: ProjectFolder, copy: Path, values: dict[str, Any]) -> None:
        self.project, self.copy, self.values = project, copy, values

    @property
    def folder(self) -> Path:
        return self.project.root / ".dagrun"

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.copy, self.folder)

    def files(self) -> list[Path]:
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file()]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    root = tmp_path_factory.mktemp("bits")
    project = ProjectFolder(root / "project")
    project.write("pyproject.toml", "[project]\nname = 'p'\n")
    project.write("data.csv", "x\n0\n1\n2\n3\n4\n")
    time.sleep(2.1)  # the stat shortcut remembers only files at rest
    project.write("pipeline.py", PIPELINE)
    project.run()
    project.run(force=("large",))
    main(["pin", "-f", str(project.root), "last"])
    copy = root / "copy"
    shutil.copytree(project.root / ".dagrun", copy)
    return Sound(project, copy, values(project))


def values(project: ProjectFolder) -> dict[str, Any]:
    """Run, and load every artifact and what the ref names."""
    result = project.run()
    assert result.status == "done"
    store = Store.open(project.root)
    found: dict[str, Any] = {}
    for stage in result.stages:
        for name, output in stage.outputs.items():
            value = store.load(output)
            found[name] = value.read_bytes() if isinstance(value, Path) else value
    ref = store.refs.read("names/it")
    assert ref is not None
    found["ref"] = store.blobs.read(ref.value["blob"])
    return found


def different(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """Names of what is not equal."""
    return [
        name
        for name in left.keys() | right.keys()
        if name not in left
        or name not in right
        or not (
            left[name].equals(right[name])
            if isinstance(left[name], pl.DataFrame)
            else left[name] == right[name]
        )
    ]


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)
    path.write_bytes(data)


@given(data=st.data())
@settings(
    max_examples=1000 if SOAK else 20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_flipped_bit_is_found_and_does_no_harm(
    sound: Sound, data: st.DataObject, capfd: pytest.CaptureFixture[str]
) -> None:
    sound.restore()
    path = data.draw(st.sampled_from(sound.files()))
    bit = data.draw(st.integers(0, path.stat().st_size * 8 - 1))
    name = str(path.relative_to(sound.folder))

    flip(path, bit)
    try:
        assert different(values(sound.project), sound.values) == []
    except DagrunError as error:
        assert re.search("dagrun (run|fsck)", str(error))  # noqa: PT017 - most raise nothing

    sound.restore()
    flip(path, bit)
    found = check(Store(sound.folder)).findings
    assert name in [finding.path for finding in found]
    project = ["-f", str(sound.project.root)]
    assert main(["fsck", *project]) in (DAMAGED, DONE)
    assert main(["fsck", *project, "--repair"]) == DONE
    assert check(Store(sound.folder)).damage == ()
    assert different(values(sound.project), sound.values) == []


def test_a_sound_store_is_found_sound(sound: Sound) -> None:
    sound.restore()
    assert check(Store(sound.folder)).findings == ()
    assert set(statuses(sound.project.run()).values()) == {"hit", "ran"}
