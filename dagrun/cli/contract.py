"""`dagrun contract`: drafting contracts, holding tables against them, learning baselines."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.cli.tabling import open_table
from dagrun.engine.documents import DOCUMENT
from dagrun.engine.errors import DefinitionError
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.engine.workspace import Workspace
from dagrun.stages.validate import (
    Baseline,
    Contract,
    check_table,
    infer_contract,
    learn_baseline,
)
from dagrun.ui.artifact import plain
from dagrun.ui.found import finding_lines
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show, tell

HALTED = 3


class NoBaseline(DefinitionError):
    """What was named as a baseline is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} is no baseline; write one with: dagrun contract baseline DATA -o FILE, or "
            "name the artifact of a stage that returns learn_baseline(...)"
        )


class NoMoment(DefinitionError):
    """A text is no moment with a zone."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"--now {text}: write a time with its zone, such as 2024-03-01T12:00:00Z")


def infer(*, table: str, pipeline: str | None) -> int:
    """Print a contract's draft. Raises `DagrunError`."""
    label, frame = open_table(table, pipeline)
    show(
        infer_contract(frame, title=f"Drafted from {label}: read it before you trust it.").rstrip()
    )
    return 0


def baseline(*, table: str, out: str, batches: int, pipeline: str | None) -> int:
    """Write a baseline. Raises `DagrunError`."""
    label, frame = open_table(table, pipeline)
    learned = learn_baseline(frame, batches=batches)
    DOCUMENT.dump(learned, Path(out))
    rows, columns = counted(learned.rows, "row"), counted(len(learned.columns), "column")
    tell(f"{out}: {rows}, {columns} of {label}")
    return 0


def check(
    *,
    contract: str,
    table: str,
    references: dict[str, str],
    baseline: str | None,
    bad_rows: str | None,
    now: str | None,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Hold a table against a contract. Raises `DagrunError`."""
    label, frame = open_table(table, pipeline)
    checked = check_table(
        frame,
        Contract.read(contract),
        table=label,
        references={name: open_table(one, pipeline)[1] for name, one in references.items()},
        baseline=None if baseline is None else _baseline(baseline, pipeline),
        now=_moment(now),
    )
    findings = checked.findings
    if bad_rows is not None:
        rows: pl.DataFrame = checked.bad_rows.collect()
        rows.write_parquet(bad_rows)
        tell(f"{bad_rows}: {counted(rows.height, 'row')}")
    if as_json:
        found = [plain(one) for one in findings.all]
        show_document(
            {
                "table": label,
                "rows": findings.rows,
                "passed": findings.passed,
                "bad_rows": findings.bad_rows,
                "findings": found,
            }
        )
    else:
        show("\n".join(finding_lines(findings)))
    return 0 if findings.passed else HALTED


def _baseline(name: str, pipeline: str | None) -> Baseline:
    try:
        if Path(name).is_file():
            value = DOCUMENT.load(Path(name), Baseline)
        else:
            workspace = Workspace.open(pipeline)
            value = workspace.store.load(Artifacts(workspace).find(name).output)
    except (ValueError, KeyError, TypeError) as error:
        raise NoBaseline(name) from error
    if not isinstance(value, Baseline):
        raise NoBaseline(name)
    return value


def _moment(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise NoMoment(text) from error
    if moment.tzinfo is None:
        raise NoMoment(text)
    return moment
