"""`dagrun spec profile`: the values, importance and cost of each feature."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.cli.scored import Unreadable
from dagrun.cli.spec_source import Found, find_spec
from dagrun.engine.errors import DefinitionError
from dagrun.stages.bundle.profile import profile as profile_features
from dagrun.ui.artifact import plain
from dagrun.ui.featureprofile import profile_lines
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show


class NoRowsNamed(DefinitionError):
    """A spec outside of a bundle has no rows of its own to be profiled over."""

    def __init__(self, label: str) -> None:
        self.label = label
        super().__init__(
            f"{label} is a spec without a bundle, so it has no rows; name some: --rows PARQUET"
        )


def profile(*, name: str, rows: str | None, by: str, pipeline: str | None, as_json: bool) -> int:
    """Profile the features of a spec. Raises `NoRowsNamed`, or as `find_spec` does."""
    found = find_spec(name, pipeline)
    frame, where = _rows(found, rows)
    booster = found.bundle.booster if found.bundle else None
    made = profile_features(found.spec, frame, booster)
    if as_json:
        document = {"label": found.label, "spec": found.spec.digest, "over": where}
        show_document({**document, **plain(asdict(made))})
        return 0
    for line in profile_lines(made, label=f"{found.label}, over {where}", by=by):
        show(line)
    return 0


def _rows(found: Found, rows: str | None) -> tuple[pl.DataFrame, str]:
    if rows is None:
        if found.bundle is None:
            raise NoRowsNamed(found.label)
        golden = found.bundle.golden.rows
        return golden, f"{counted(golden.height, 'golden row')} (hard cases included)"
    try:
        frame = pl.read_parquet(rows)
    except pl.exceptions.PolarsError as error:
        raise Unreadable(Path(rows), error) from error
    return frame, f"{counted(frame.height, 'row')} of {rows}"
