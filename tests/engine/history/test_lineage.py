"""Lineage: what an artifact was really made from."""

from __future__ import annotations

from tests_project import ProjectFolder

from dagrun.engine.history.lineage import trace


def test_a_lineage_reaches_the_raw_files(project: ProjectFolder) -> None:
    project.write("data/a.csv", "x\n1\n2\n")
    project.write(
        "pipeline.py",
        """
        import polars as pl
        from dagrun import Files, stage

        @stage
        def raw(files: Files = Files("data/*.csv")) -> pl.DataFrame:
            return files.read_csv()

        @stage(outputs=("low", "high"))
        def split(raw: pl.DataFrame, at: int = 2) -> tuple[pl.DataFrame, ...]:
            return raw.filter(pl.col("x") < at), raw.filter(pl.col("x") >= at)

        @stage
        def joined(low: pl.DataFrame, high: pl.DataFrame, raw: pl.DataFrame) -> int:
            return low.height + high.height
        """,
    )
    result = project.run()
    store = project.open().store
    keys = {stage.name: stage.key or "" for stage in result.stages}
    entry = store.entries.read(keys["joined"])
    assert entry is not None
    steps = {step.stage: step for step in trace(store, entry)}
    joined, split, raw = (steps[name] for name in ("joined", "split", "raw"))
    assert len(steps) == 3
    assert trace(store, entry)[0] == joined
    assert {name: (o.artifact, o.key) for name, o in joined.inputs.items()} == {
        "low": ("low", keys["split"]),
        "high": ("high", keys["split"]),
        "raw": ("raw", keys["raw"]),
    }
    assert split.params == {"at": 2}
    (source,) = raw.sources
    assert (source.param, source.kind) == ("files", "Files")
    assert list(source.files) == ["data/a.csv"]
    assert (raw.params, raw.symbols) == ({}, 1)
    # What was made stays traced to what it was made from, whatever came later.
    project.write("data/a.csv", "x\n1\n2\n\n")
    project.run()
    (old,) = [step for step in trace(store, entry) if step.stage == "raw"]
    assert old.sources == raw.sources


def test_what_is_no_longer_stored_is_named_by_its_key(tables: ProjectFolder) -> None:
    result = tables.run()
    store = tables.open().store
    keys = {stage.name: stage.key or "" for stage in result.stages}
    store.entries.path(keys["scaled"]).unlink()
    entry = store.entries.read(keys["split"])
    assert entry is not None
    _, gone = trace(store, entry)
    assert (gone.stored, gone.key, gone.inputs) == (False, keys["scaled"], {})
