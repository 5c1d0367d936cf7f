"""How a command line names a table: by its file, or as an artifact of the pipeline."""

from __future__ import annotations

import glob
from pathlib import Path, PurePath

import polars as pl

from dagrun.engine.errors import DefinitionError, listing
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.sources import Files
from dagrun.engine.workspace import Workspace

_FORMATS = {
    ".csv": "csv",
    ".json": "ndjson",
    ".jsonl": "ndjson",
    ".ndjson": "ndjson",
    ".parquet": "parquet",
}
_PACKED = (".gz", ".zip")


class NoTable(DefinitionError):
    """What was named is no table."""

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(
            f"{name} {problem}; name a file ({listing(sorted(_FORMATS))}, perhaps with "
            f"{' or '.join(_PACKED)}), or an artifact that is a table"
        )


def open_table(name: str, pipeline: str | None) -> tuple[str, pl.LazyFrame]:
    """Return a table's label and the table itself.

    A file wins over an artifact. CSV is read with numbers, bools, dates and times told from all of
    its rows. Raises `NoTable`, `SourceError`, `UnknownArtifact` or `StoreError`.
    """
    if Path(name).exists() or glob.has_magic(name):
        return name, _file(name)
    artifact = Artifacts(Workspace.open(pipeline)).find(name)
    if not artifact.output.columns:
        raise NoTable(artifact.label, "is no table")
    return artifact.label, Workspace.open(pipeline).store.load(artifact.output, pl.LazyFrame)


def _file(name: str) -> pl.LazyFrame:
    endings = [one.lower() for one in PurePath(name).suffixes if one.lower() not in _PACKED]
    kind = _FORMATS.get(endings[-1]) if endings else None
    files = Files(name)
    if kind == "csv":
        return files.read_csv(try_parse_dates=True, infer_schema_length=None).lazy()
    if kind == "ndjson":
        return files.read_ndjson().lazy()
    if kind == "parquet":
        return files.scan_parquet()
    raise NoTable(name, "has no ending that tells its format")
