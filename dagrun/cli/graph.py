"""`dagrun graph`: the pipeline as a drawing."""

from __future__ import annotations

from pathlib import Path

from dagrun.engine.errors import DefinitionError
from dagrun.engine.graph import Graph
from dagrun.engine.workspace import Workspace
from dagrun.ui.drawing import graph_lines, mermaid
from dagrun.ui.lanes import printable
from dagrun.ui.terminal import show, tell, tell_warning


class DrawingUnknown(DefinitionError):
    """A graph cannot be written in the format that a suffix asks for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path}: a graph is written as .mmd (Mermaid, which GitHub and most editors draw) or "
            ".txt. For an image, give the .mmd to a Mermaid renderer"
        )


def graph(*, pipeline: str | None, output: str | None) -> int:
    """Draw on the terminal, or into a file. Raises `DefinitionError`."""
    path = Path(output) if output else None
    if path and path.suffix not in (".mmd", ".txt"):
        raise DrawingUnknown(path)
    workspace = Workspace.open(pipeline)
    pipeline_graph = Graph(workspace.pipeline.stages, str(workspace.project.pipeline))
    if path is None:
        for line in graph_lines(pipeline_graph, _actions(workspace)):
            show(printable(line))
        return 0
    if path.suffix == ".mmd":
        text = mermaid(pipeline_graph)
    else:
        text = "\n".join(graph_lines(pipeline_graph, {})) + "\n"
    path.write_text(text, encoding="utf-8")
    tell(f"wrote {path}")
    return 0


def _actions(workspace: Workspace) -> dict[str, str]:
    """Return what a run would do to each stage; nothing, with a word, when that is not known."""
    try:
        _, plan = workspace.plan(workspace.select())
    except DefinitionError as error:
        tell_warning(f"drawn without a plan: {error}")
        return {}
    return {stage.name: stage.action for stage in plan.stages}
