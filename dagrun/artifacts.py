"""Artifacts in a notebook or a script: one call from a name to a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagrun.engine.workspace import Workspace


def load(name: str, wanted: type | None = None, *, pipeline: str | Path | None = None) -> Any:
    """Return an artifact as the last run left it.

        >>> test = dagrun.load("test")                  # a pl.DataFrame
        >>> lazy = dagrun.load("test", pl.LazyFrame)

    Args:
        name: a stage that has one output, or the name of an output.
        wanted: the form of a table: `pl.DataFrame` (default), `pl.LazyFrame`, `pyarrow.Table`.
        pipeline: the pipeline file; None finds it from the current folder as `dagrun run` does.

    Raises:
        UnknownArtifact: no stage makes an artifact of that name.
        NeverMade: no run has made it yet.
    """
    return Workspace.open(pipeline).load(name, wanted)
