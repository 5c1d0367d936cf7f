"""`dagrun diff`: how one artifact differs from another, or from what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.engine.codec import FILE_CODEC
from dagrun.engine.errors import DefinitionError
from dagrun.engine.explaining.artifacts import Artifact, Artifacts
from dagrun.engine.explaining.changes import TableChange, compare_tables
from dagrun.engine.explaining.documentdiff import compare_documents
from dagrun.engine.explaining.explain import Cause, code_diff, compare_params
from dagrun.engine.explaining.tablediff import UnknownKey, compare_rows, describe_values
from dagrun.engine.store.store import Store
from dagrun.engine.workspace import Workspace
from dagrun.ui.artifact import as_document, plain
from dagrun.ui.differences import Differences, difference_lines
from dagrun.ui.terminal import show

LARGEST_TEXT = 1 << 20
"""Bytes up to which two files are compared line by line."""


class NotTables(DefinitionError):
    """Rows or values were asked for of something else than two tables."""

    def __init__(self, before: Artifact, after: Artifact) -> None:
        self.before, self.after = before.label, after.label
        other = after if before.output.columns else before
        super().__init__(
            f"{other.label} is no table, so --rows and --values have nothing to compare; "
            "without them: dagrun diff A B"
        )


def diff(
    *,
    before: str,
    after: str | None,
    pipeline: str | None,
    rows: bool,
    key: tuple[str, ...],
    values: bool,
    as_json: bool,
) -> int:
    """Compare two artifacts. Raises `DefinitionError`, `DagrunError` or `StoreError`."""
    workspace = Workspace.open(pipeline)
    artifacts = Artifacts(workspace)
    old = artifacts.find(before)
    if after is not None:
        new = artifacts.find(after)
    elif ":" not in before and old.name in (before, old.entry.stage):
        old, new = artifacts.before(old), old
    else:
        new = artifacts.find(old.name)
    found = _compare(workspace.store, old, new, rows=rows or bool(key), key=key, values=values)
    if as_json:
        show_document(_document(found))
    else:
        for line in difference_lines(found):
            show(line)
    return 0


def _compare(
    store: Store, old: Artifact, new: Artifact, *, rows: bool, key: tuple[str, ...], values: bool
) -> Differences:
    tables = bool(old.output.columns and new.output.columns)
    if (rows or values) and not tables:
        raise NotTables(old, new)
    found = Differences(before=old, after=new, params=_params(old, new))
    if old.output.logical == new.output.logical:
        return found
    if old.output.codec == new.output.codec == FILE_CODEC:
        found.lines = code_diff(*(_file_text(store, each) for each in (old, new)))
        return found
    if not tables:
        found.places = tuple(compare_documents(_form(store, old), _form(store, new)))
        return found
    shared = [name for name in new.output.columns if name in old.output.columns]
    for column in key:
        if column not in shared:
            raise UnknownKey(column, shared)
    found.table = compare_tables(old.output, new.output)
    if rows or values:
        frames = [store.load(each.output, pl.LazyFrame) for each in (old, new)]
    if rows:
        told = _columns_for_rows(found.table, key)
        first, second = (frame.select(_those(frame, told, new)) for frame in frames)
        found.rows = compare_rows(first, second, key)
    if values:
        columns = [*found.table.changed, *found.table.added, *found.table.removed]
        found.values = tuple(describe_values(frame, columns) for frame in frames)
    return found


def _columns_for_rows(table: TableChange, key: tuple[str, ...]) -> list[str]:
    """Return the columns that rows are compared by: with a key only those that changed."""
    return [*key, *(name for name in table.changed if name not in key)] if key else []


def _those(frame: pl.LazyFrame, told: list[str], new: Artifact) -> list[str]:
    names = frame.collect_schema().names()
    return [name for name in (told or names) if name in names and name in new.output.columns]


def _params(old: Artifact, new: Artifact) -> tuple[Cause, ...]:
    """Compare the params that the two were made with."""
    if old.entry.stage != new.entry.stage:
        return ()
    params = old.entry.preimage["params"], new.entry.preimage["params"]
    return tuple(compare_params(*params, old.entry.sizes, new.entry.sizes))


def _file_text(store: Store, artifact: Artifact) -> str:
    """Return the text of a file, nothing for one that is large or no text."""
    if artifact.output.size > LARGEST_TEXT:
        return ""
    try:
        return str(store.load(artifact.output, Path).read_text("utf-8"))
    except UnicodeDecodeError:
        return ""


def _form(store: Store, artifact: Artifact) -> Any:
    return as_document(artifact.output, store.load(artifact.output))


def _document(found: Differences) -> dict[str, Any]:
    return {
        "before": _side(found.before),
        "after": _side(found.after),
        "identical": found.identical,
        "params": [
            {
                "name": cause.name,
                "before": cause.before,
                "after": cause.after,
                "files": [asdict(change) for change in cause.files],
            }
            for cause in found.params
        ],
        "table": asdict(found.table) if found.table else None,
        "document": [plain(asdict(place)) for place in found.places],
        "lines": found.lines,
        "rows": plain(asdict(found.rows)) if found.rows else None,
        "values": [
            {name: plain(asdict(column)) for name, column in side.items()} for side in found.values
        ],
    }


def _side(artifact: Artifact) -> Mapping[str, Any]:
    return {
        "label": artifact.label,
        "artifact": artifact.name,
        "stage": artifact.entry.stage,
        "key": artifact.entry.key,
        "created": artifact.entry.created,
        "logical": artifact.output.logical,
        "rows": artifact.output.rows,
        "size": artifact.output.size,
    }
