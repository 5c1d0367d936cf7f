"""A pipeline's graph: as text with each stage's fate, and as a Mermaid flowchart."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dagrun.engine.graph import Graph
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.decisions import ROLES
from dagrun.ui.lanes import draw, to_ascii

MOST_LANES = 32
"""Characters that lanes may take; a wider graph is a list."""


def graph_lines(graph: Graph, actions: Mapping[str, str]) -> list[str]:
    """Return a line per stage in topological order; `actions` may tell what a run would do."""
    upstream = {name: graph.upstream(name) for name in graph.order}
    lanes = draw(graph.order, upstream, {name: _mark(graph, name) for name in graph.order})
    listed = bool(lanes) and len(lanes[0]) > MOST_LANES
    rows: list[list[Cell]] = []
    for name, lane in zip(graph.order, lanes, strict=True):
        action = actions.get(name, "")
        sources = f"<- {', '.join(upstream[name])}" if listed and upstream[name] else ""
        start = _mark(graph, name) if listed else lane
        rows.append([start, name, (action, ROLES.get(action)), sources or _about(graph, name)])
    return aligned(rows)


def _mark(graph: Graph, name: str) -> str:
    stage = graph.stages[name]
    return "◆" if stage.gate else "▶" if stage.effect else "●"


def _about(graph: Graph, name: str) -> str:
    stage = graph.stages[name]
    about = {
        f"gives {', '.join(stage.outputs)}": stage.named,
        "gate": stage.gate,
        "effect": stage.effect,
        f"over {stage.over or ', '.join(stage.swept)}": stage.mapped,
        f"when {'' if stage.expected else 'not '}{stage.condition}": bool(stage.condition),
    }
    return ", ".join(text for text, holds in about.items() if holds)


def printable(text: str) -> str:
    """Return the text as standard output can write it."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return to_ascii(text)
    return text


def mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart; edges of named outputs carry their names."""
    lines = ["flowchart TD"]
    for name in graph.order:
        stage = graph.stages[name]
        before, after = ("{{", "}}") if stage.gate else ("([", "])") if stage.effect else ("[", "]")
        # A prefix, since Mermaid reserves words such as "end" and "graph".
        lines.append(f'    s_{name}{before}"{name}"{after}')
    for name in graph.order:
        for before in graph.upstream(name):
            source = graph.stages[before]
            taken = [item for item in graph.stages[name].inputs if item in source.outputs]
            label = f"|{', '.join(taken)}|" if source.named else ""
            lines.append(f"    s_{before} -->{label} s_{name}")
    return "\n".join(lines) + "\n"
