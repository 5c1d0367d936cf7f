"""`dagrun why`: what made a stage's key another one."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from dagrun.cli.documents import show_document
from dagrun.engine.workspace import Explanation, Workspace
from dagrun.ui.causes import explanation_lines, unique
from dagrun.ui.terminal import show


def why(*, stage: str, pipeline: str | None, as_json: bool) -> int:
    """Explain a stage, or the one that makes an artifact. Raises `DefinitionError`."""
    workspace = Workspace.open(pipeline)
    explanation = workspace.why(stage, workspace.select())
    if as_json:
        show_document({"stages": [_document(each) for each in unique(explanation)]})
    else:
        for line in explanation_lines(explanation):
            show(line)
    return 0


def _document(explanation: Explanation) -> dict[str, Any]:
    """Return one explanation; those above it are named, so that none is told twice."""
    document = {field.name: getattr(explanation, field.name) for field in fields(explanation)}
    for name in ("causes", "accepted_changes"):
        document[name] = [asdict(cause) for cause in document[name]]
    document["upstream"] = [upstream.stage for upstream in explanation.upstream]
    return document
