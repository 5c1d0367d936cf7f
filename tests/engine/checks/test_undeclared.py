"""`run --strict`: what a stage reads without declaring it is named, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.checks.undeclared import find_tracer
from dagrun.engine.events import RunStarted

TRACED = pytest.mark.skipif(not find_tracer()[0], reason=find_tracer()[1])

BODIES = {
    "opened": 'open("data/secret.csv").read()',
    "path": 'pathlib.Path(__file__).with_name("data").joinpath("secret.csv").read_bytes()',
    "os_open": 'os.read(os.open("data/secret.csv", os.O_RDONLY), 10)',
    "thread": 'ThreadPoolExecutor().submit(open, "data/secret.csv").result().read()',
    "link": 'open("link.csv").read()',
    "helper": "reading.helped()",
}
NATIVE = {
    "polars": 'pl.read_csv("data/secret.csv").height',
    "lazy": 'pl.scan_csv("data/secret.csv")',
    "parquet": 'pq.read_table("data/secret.parquet")',
    "child": 'subprocess.run(["cat", "data/secret.csv"], check=True, stdout=-3).returncode',
}


@pytest.fixture
def reading(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    import polars as pl

    monkeypatch.chdir(project.root)
    project.write("data/secret.csv", "x\n1\n2\n")
    project.write("data/told.csv", "x\n1\n2\n")
    project.write("reading.py", "def helped():\n    return open('data/secret.csv').read()\n")
    pl.DataFrame({"x": [1]}).write_parquet(project.root / "data/secret.parquet")
    (project.root / "link.csv").symlink_to("data/secret.csv")
    return project


HEAD = """
import os, pathlib, subprocess
from concurrent.futures import ThreadPoolExecutor
import polars as pl
import pyarrow.parquet as pq
import reading
from dagrun import Files, stage
"""


def run_bodies(project: ProjectFolder, bodies: dict[str, str], **settings: Any) -> dict[str, str]:
    """Make each body a stage, run them strictly, and return their errors."""
    stages = [
        f"@stage\ndef {name}(told: Files = Files('data/told.csv')):\n    return {body}\n"
        for name, body in bodies.items()
    ]
    project.write("pipeline.py", HEAD + "\n" + "\n".join(stages))
    result = project.run(strict=True, keep_going=True, jobs=2, **settings)
    assert (result.status, result.exit_code) == ("failed", 1)
    return {stage.name: stage.error or "" for stage in result.stages}


def test_what_python_code_opens_is_named_with_its_line(reading: ProjectFolder) -> None:
    errors = run_bodies(reading, BODIES)
    lines = (reading.root / "pipeline.py").read_text().splitlines()
    for name, error in errors.items():
        assert f"stage {name!r} read what it does not declare" in error
        file = "link.csv" if name == "link" else "data/secret.csv"
        assert f"Files = Files({file!r})" in error
        where = {"helper": " (reading.py:2)", "thread": "\n"}.get(name, "")
        number = lines.index(f"    return {BODIES[name]}") + 1
        assert f"- {file}" + (where or f" (pipeline.py:{number})") in error
    assert not list(reading.open().store.entries.keys())


@TRACED
def test_what_native_code_and_children_open_is_seen_by_strace(reading: ProjectFolder) -> None:
    for name, error in run_bodies(reading, NATIVE).items():
        assert f"- data/secret.{'parquet' if name == 'parquet' else 'csv'}\n" in error


def test_what_is_declared_or_nobodys_data_is_no_finding(reading: ProjectFolder) -> None:
    reading.write("late.py", "NUMBER = 1\n")
    reading.write(
        "pipeline.py",
        """
        import datetime, importlib.metadata, pathlib, tempfile, zoneinfo
        import polars as pl
        from dagrun import Context, Files, stage

        @stage
        def table(told: Files = Files("data/told.csv")) -> pl.LazyFrame:
            import late
            assert told.read_csv().height == 2
            return told.scan_csv()

        @stage
        def innocent(ctx: Context, table: pl.LazyFrame) -> pl.LazyFrame:
            zoneinfo.ZoneInfo("Europe/Vienna")
            importlib.metadata.version("polars")
            open("/proc/self/stat").read()
            with tempfile.TemporaryFile() as file:
                file.write(b"x")
            for own in (ctx.scratch / "own.csv", pathlib.Path("own.csv")):
                own.write_text("x\\n3\\n")
                assert pl.read_csv(own).height == 1
            here = pl.Series([datetime.datetime(2024, 1, 1)]).dt.replace_time_zone("Asia/Tokyo")
            assert here.len() == 1
            return table

        @stage(effect=True)
        def act(innocent):
            print("acted")
        """,
    )
    result = reading.run(strict=True)
    assert [stage.error for stage in (*result.stages, *result.effects)] == [None] * 3


def test_hits_are_watched_when_they_are_verified(reading: ProjectFolder) -> None:
    body = 'pathlib.Path("data/secret.csv").read_text()'
    reading.write("pipeline.py", f"{HEAD}\n@stage\ndef nosy():\n    return {body}\n")
    assert reading.run().status == "done"
    assert statuses(reading.run(strict=True)) == {"nosy": "hit"}
    (check,) = reading.run(strict=True, verify=1.0).checks or ()
    assert "data/secret.csv (pipeline.py:11)" in (check.error or "")


def test_without_strace_it_says_what_it_cannot_see(
    reading: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_tracer.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        reading.write("pipeline.py", "from dagrun import stage\n\n@stage\ndef a():\n    return 1\n")
        events: list = []
        assert reading.run(strict=True, events=events).status == "done"
        (started,) = [event for event in events if isinstance(event, RunStarted)]
        assert "stay unseen: strace is not installed" in started.warnings[0]
    finally:
        find_tracer.cache_clear()
