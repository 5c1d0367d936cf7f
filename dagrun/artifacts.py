"""Artifacts in a notebook or a script: one call from a name to a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.workspace import Workspace


def load(name: str, wanted: type | None = None, *, pipeline: str | Path | None = None) -> Any:
    """Return an artifact, as the last run left it unless another state is named.

        >>> test = dagrun.load("test")                  # a pl.DataFrame
        >>> lazy = dagrun.load("test", pl.LazyFrame)
        >>> before = dagrun.load("last~1:test")         # as the run before the last had it

    Args:
        name: a stage that has one output, or the name of an output; or, as for `dagrun diff`, one
            of another run (`RUN:NAME`), or the first six digits or more of a key or digest.
        wanted: the form of a table: `pl.DataFrame` (default), `pl.LazyFrame`, `pyarrow.Table`.
        pipeline: the pipeline file; None finds it from the current folder as `dagrun run` does.

    Raises:
        UnknownArtifact: the name leads to no artifact.
        SeveralOutputs: it is that of a stage with several outputs.
        UnknownRun: there is no such run.
        NeverMade: no run has made it yet.
    """
    workspace = Workspace.open(pipeline)
    return workspace.store.load(Artifacts(workspace).last(name).output, wanted)
