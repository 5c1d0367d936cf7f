"""`dagrun bundle refresh`: the frozen tables of a registered bundle renewed, as a new version."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.cli.models import open_registry
from dagrun.cli.scored import Unreadable
from dagrun.engine.errors import DefinitionError
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.workspace import Workspace
from dagrun.stages.bundle import ModelVersion, Refresh, RefreshRefused, ShiftLimits, try_refresh
from dagrun.stages.features.difference import compare_specs
from dagrun.ui.quantities import counted, short
from dagrun.ui.refreshed import shift_lines, table_lines
from dagrun.ui.terminal import show, tell_error

HALTED = 3


class NotATableOfRows(DefinitionError):
    """What was named as the rows is an artifact, but no table."""

    def __init__(self, label: str) -> None:
        self.label = label
        super().__init__(f"--rows {label} is no table; name a Parquet file or a table's artifact")


def refresh(
    *,
    name: str,
    rows: str,
    reason: str,
    alias: str | None,
    override: str,
    mean_change: float,
    flipped: float,
    lost: float,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Refresh a registered bundle. Raises `NotRegistered`, or as `dagrun.stages.bundle.refresh`.

    Returns 3 when the limits refuse it; then nothing is registered.
    """
    registry = open_registry(pipeline)
    before = registry.resolve(name)
    registry.check_alias(before.name, alias)
    bundle = registry.load(before)
    limits = ShiftLimits(mean_change=mean_change, flipped=flipped, lost=lost)
    made = try_refresh(None, bundle, _read(rows, pipeline), limits=limits)
    difference = compare_specs(bundle.spec, made.bundle.spec)
    version = None
    if made.verdict.passed and not difference.identical:
        version = registry.register(before.name, made.bundle, reason=reason)
        if alias is not None:
            registry.set_alias(
                before.name, alias, version.version, reason=reason, override=override
            )
    if as_json:
        show_document(_document(before, made, version, alias))
    else:
        for line in (*table_lines(difference), *shift_lines(made.shifts)):
            show(line)
        if difference.identical:
            show(f"nothing to do: these rows give the tables that {before} has")
        elif version:
            now = f", {alias} -> @{version.version}" if alias else ""
            proof = counted(made.bundle.golden.rows.height, "golden row")
            show(f"{before} -> {version}  bundle {short(version.bundle)}, {proof}{now}")
    if not made.verdict.passed:
        tell_error(str(RefreshRefused(str(before), made.verdict)))
        return HALTED
    return 0


def _read(rows: str, pipeline: str | None) -> pl.DataFrame:
    path = Path(rows)
    if path.is_file():
        try:
            return pl.read_parquet(path)
        except pl.exceptions.PolarsError as error:
            raise Unreadable(path, error) from error
    workspace = Workspace.open(pipeline)
    artifact = Artifacts(workspace).find(rows)
    if not artifact.output.columns:
        raise NotATableOfRows(artifact.label)
    frame: pl.DataFrame = workspace.store.load(artifact.output, pl.DataFrame)
    return frame


def _document(
    before: ModelVersion, made: Refresh, version: ModelVersion | None, alias: str | None
) -> dict[str, object]:
    return {
        "refreshed": asdict(before),
        "bundle": made.bundle.digest,
        "rows": made.bundle.lineage.inputs["rows"],
        "shifts": {where: asdict(shift) for where, shift in made.shifts.items()},
        "passed": made.verdict.passed,
        "reasons": list(made.verdict.reasons),
        "version": asdict(version) if version else None,
        "alias": alias if version else None,
    }
