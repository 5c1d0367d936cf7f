"""`dagrun graph`: the pipeline as a drawing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from dagrun.engine.errors import DefinitionError
from dagrun.engine.graph import Graph
from dagrun.engine.plan import Plan
from dagrun.engine.workspace import Workspace
from dagrun.ui.drawing import graph_lines, mermaid
from dagrun.ui.lanes import printable
from dagrun.ui.page import to_html
from dagrun.ui.svg import to_svg
from dagrun.ui.terminal import show, tell, tell_warning
from dagrun.ui.view import View, neighbourhood, view_of

SUFFIXES = (".svg", ".html", ".mmd", ".txt")


class DrawingUnknown(DefinitionError):
    """A graph cannot be written in the format that a suffix asks for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path}: a graph is written as .svg (a picture), .html (with search and zoom), "
            ".mmd (Mermaid, which GitHub and most editors draw) or .txt"
        )


def graph(*, pipeline: str | None, targets: tuple[str, ...], steps: int, output: str | None) -> int:
    """Draw on the terminal, or into a file. Raises `DefinitionError`."""
    path = Path(output) if output else None
    if path and path.suffix not in SUFFIXES:
        raise DrawingUnknown(path)
    workspace = Workspace.open(pipeline)
    view = _view(workspace, targets, steps)
    if path is None:
        for line in graph_lines(view):
            show(printable(line))
        return 0
    path.write_text(_written(view, path.suffix), encoding="utf-8")
    tell(f"wrote {path}")
    return 0


def _written(view: View, suffix: str) -> str:
    if suffix == ".svg":
        return to_svg(view)
    if suffix == ".html":
        return to_html(view)
    if suffix == ".mmd":
        return mermaid(view)
    return click.unstyle("\n".join(graph_lines(view, whole=True))) + "\n"


def _view(workspace: Workspace, targets: tuple[str, ...], steps: int) -> View:
    graph = Graph(workspace.pipeline.stages, str(workspace.project.pipeline))
    focus = frozenset(graph.select([target])[-1] for target in targets)
    names = {name for stage in focus for name in neighbourhood(graph, stage, steps)} or None
    plan = _plan(workspace)
    view = view_of(graph, workspace.pipeline.name, plan, workspace.runs.last_entry, names)
    return replace(view, focus=focus)


def _plan(workspace: Workspace) -> Plan | None:
    """Return what a run would do; nothing, with a word, when that is not known."""
    try:
        return workspace.plan(workspace.select())[1]
    except DefinitionError as error:
        tell_warning(f"drawn without a plan: {error}")
        return None
