"""A view of a pipeline as text with each stage's fate, and as a Mermaid flowchart."""

from __future__ import annotations

from dagrun.ui.columns import Cell, aligned
from dagrun.ui.decisions import ROLES
from dagrun.ui.lanes import draw, mark_of
from dagrun.ui.overview import MOST_LANES, MOST_LINES, overview_lines
from dagrun.ui.view import Node, View


def graph_lines(view: View, *, whole: bool = False) -> list[str]:
    """Return a line per stage in topological order, or an overview of many stages.

    `whole` tells every stage, however many there are.
    """
    if len(view.nodes) > MOST_LINES and not whole:
        return overview_lines(view)
    marks = {name: mark_of(node.shape) for name, node in view.nodes.items()}
    lanes = draw(list(view.nodes), view.upstream, marks)
    listed = bool(lanes) and len(lanes[0]) > MOST_LANES
    rows: list[list[Cell]] = []
    told: Cell
    for (name, node), lane in zip(view.nodes.items(), lanes, strict=True):
        upstream = view.upstream[name]
        sources = f"<- {', '.join(upstream)}" if listed and upstream else ""
        start = marks[name] if listed else lane
        action = (node.action, ROLES.get(node.action))
        told = (name, "bold" if name in view.focus else None)
        rows.append([start, told, action, sources or _about(node)])
    return aligned(rows)


def _about(node: Node) -> str:
    kind = "" if node.shape == "stage" else node.shape
    hidden = ", ".join(
        f"+{count} {side}"
        for count, side in zip(node.hidden, ("above", "below"), strict=True)
        if count
    )
    gives = f"gives {', '.join(node.outputs)}" if node.outputs else ""
    return "  ".join(part for part in (gives or kind, node.called, hidden) if part)


def mermaid(view: View) -> str:
    """Return a Mermaid flowchart; edges of named outputs carry their names."""
    lines = ["flowchart TD"]
    for name, node in view.nodes.items():
        before, after = {"gate": ("{{", "}}"), "effect": ("([", "])"), "stage": ("[", "]")}[
            node.shape
        ]
        # A prefix, since Mermaid reserves words such as "end" and "graph".
        lines.append(f'    s_{name}{before}"{name}"{after}')
    for name, upstream in view.upstream.items():
        for before in upstream:
            taken = view.taken.get((before, name), "")
            label = f"|{taken}|" if taken else ""
            lines.append(f"    s_{before} -->{label} s_{name}")
    return "\n".join(lines) + "\n"
