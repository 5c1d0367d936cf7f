"""A large pipeline on a terminal: alike stages as one line, or a few lines for each layer.

Stages of one layer whose names differ only in their digits are alike: `clean_00` to `clean_59`
become `clean_*`. When that is still too much, each layer is told by what would happen in it. No
stage is left uncounted; those that would run are named first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagrun.ui.columns import Cell, aligned
from dagrun.ui.decisions import ROLES
from dagrun.ui.lanes import draw, mark_of
from dagrun.ui.layers import layers_of
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import paint
from dagrun.ui.view import ACTIONS, View

MOST_LANES = 32
"""Characters that lanes may take."""
MOST_LINES = 60
_NAMED = 5
_WIDTH = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Alike stages of one layer."""

    name: str
    layer: int
    members: tuple[str, ...]


def families_of(view: View) -> list[Family]:
    """Return the stages by layer and name, in topological order."""
    layers = layers_of(list(view.nodes), view.upstream)
    alike: dict[tuple[int, str, str], list[str]] = {}
    for name, node in view.nodes.items():
        pattern = re.sub(r"\d+", "*", name)
        alike.setdefault((layers[name], pattern, node.shape), []).append(name)
    return [
        Family(
            name=pattern if len(members) > 1 else members[0], layer=layer, members=tuple(members)
        )
        for (layer, pattern, _), members in sorted(alike.items(), key=lambda item: item[0][0])
    ]


def overview_lines(view: View) -> list[str]:
    """Return a view of many stages in lines that fit a screen."""
    families = families_of(view)
    lines = _family_lines(view, families) if len(families) <= MOST_LINES else []
    hint = "one of them and its neighbours: dagrun graph -t STAGE; all: dagrun graph -o graph.html"
    return [*(lines or _layer_lines(view)), view.summary, paint(hint, "dim")]


def _family_lines(view: View, families: Sequence[Family]) -> list[str]:
    """Return the lanes over families, nothing when they are too wide."""
    of = {name: family for family in families for name in family.members}
    ids = {id(family): str(at) for at, family in enumerate(families)}
    upstream = {
        ids[id(family)]: dict.fromkeys(
            ids[id(of[before])] for name in family.members for before in view.upstream[name]
        )
        for family in families
    }
    marks = {ids[id(family)]: mark_of(view.nodes[family.members[0]].shape) for family in families}
    drawn = draw(list(ids.values()), upstream, marks)
    if drawn and len(drawn[0]) > MOST_LANES:
        return []
    rows: list[list[Cell]] = []
    for lane, family in zip(drawn, families, strict=True):
        size = len(family.members)
        many = f"{size} stages" if size > 1 else ""
        rows.append([lane, family.name, many, *_counts(view, family.members)])
    return aligned(rows, right={2})


def _counts(view: View, names: Sequence[str]) -> list[Cell]:
    counts = Counter(view.nodes[name].action for name in names)
    return [
        (f"{counts[action]} {action}" if counts[action] else "", ROLES[action])
        for action in ACTIONS
    ]


def _layer_lines(view: View) -> list[str]:
    layers: dict[int, list[str]] = {}
    for name, layer in layers_of(list(view.nodes), view.upstream).items():
        layers.setdefault(layer, []).append(name)
    lines = []
    for layer, names in sorted(layers.items()):
        lines.append(f"{paint(f'layer {layer + 1}', 'bold')}  {counted(len(names), 'stage')}")
        by_action: Mapping[str, list[str]] = {
            action: [name for name in names if view.nodes[name].action == action]
            for action in (*ACTIONS, "")
        }
        for action, members in by_action.items():
            if members:
                head = f"{len(members)} {action}" if action else ""
                lines.append(f"  {paint(f'{head:>11}', ROLES.get(action))}  {_some(members)}")
    return lines


def _some(names: Sequence[str]) -> str:
    """Return the first names that fit on a line, and the number of the others."""
    shown: list[str] = []
    for name in names[: None if len(names) <= _NAMED + 1 else _NAMED]:
        if shown and len(", ".join([*shown, name])) > _WIDTH - 30:
            break
        shown.append(name)
    left = len(names) - len(shown)
    return ", ".join(shown) + (f", and {left} more" if left else "")
