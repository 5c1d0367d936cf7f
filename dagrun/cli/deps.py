"""`dagrun deps`: the code that counts in a stage's key."""

from __future__ import annotations

from typing import Any

from dagrun.cli.documents import show_document
from dagrun.engine.code.dependencies import Dependencies
from dagrun.engine.workspace import Workspace
from dagrun.ui.reach import dependency_lines
from dagrun.ui.terminal import show


def deps(*, stage: str, pipeline: str | None, tree: bool | None, as_json: bool) -> int:
    """Show what a stage's code reaches. Raises `DefinitionError`."""
    found = Workspace.open(pipeline).dependencies(stage)
    if as_json:
        show_document(_document(found))
    else:
        for line in dependency_lines(found, tree=tree):
            show(line)
    return 0


def _document(found: Dependencies) -> dict[str, Any]:
    return {
        "stage": found.stage,
        "symbols": [
            {
                "name": symbol.name,
                "kind": symbol.kind,
                "file": str(symbol.file) if symbol.file else None,
                "line": symbol.line,
                "path": symbol.path,
                "digest": symbol.digest,
                "text": symbol.text,
            }
            for symbol in found.symbols
        ],
        "distributions": dict(found.distributions),
        "warnings": found.warnings,
    }
