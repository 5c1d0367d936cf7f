"""`dagrun checkout`: the data of a past run, as plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store
from dagrun.engine.upkeep.checkout import MANIFEST, Past, Restored, check_out, find_past
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import counted, size
from dagrun.ui.terminal import show


def checkout(
    *, ref: str, names: tuple[str, ...], to: str, pipeline: str | None, as_json: bool
) -> int:
    """Write what `ref` had into the folder `to`. Raises `DagrunError` of many kinds."""
    store = open_store(pipeline)
    past = find_past(store, ref)
    restored = check_out(store, past, names, Path(to))
    if as_json:
        show_document({"of": past.label, "folder": to, "files": [_document(it) for it in restored]})
        return 0
    for line in aligned([_row(each) for each in restored]):
        show(line)
    show(f"{counted(len(restored), 'artifact')} of {past.label}{_commit(past)} in {to}")
    show(f"what each is: {to}/{MANIFEST}")
    return 0


def _row(each: Restored) -> list[str]:
    rows = counted(each.output.rows, "row") if each.output.rows is not None else ""
    return [each.file, rows, size(each.output.size)]


def _commit(past: Past) -> str:
    if not (commit := past.facts.get("commit")):
        return ""
    return f" (commit {commit[:10]}{', with edits' if past.facts.get('dirty') else ''})"


def _document(each: Restored) -> dict[str, Any]:
    return {
        "file": each.file,
        "artifact": each.name,
        "stage": each.stage,
        "key": each.key,
        "digest": each.output.logical,
        "rows": each.output.rows,
        "size": each.output.size,
    }
