"""A DAG as text: one line per stage, lanes to its left carry what later stages still take.

    ●      flights
    │ ●    weather
    ●─╯    joined
    ├─●    features
    ●─╯    model

A lane belongs to the stage at its top and ends at the last stage that takes from it. Where a
line crosses a lane without touching it, the lane is drawn through.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

_ASCII = str.maketrans("●◆▶│─├┤┼╰╯┴└", "*#>|-|||``+`")


def draw(
    order: Sequence[str],
    upstream: Mapping[str, Collection[str]],
    marks: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the lanes beside each stage of a topological order, all of equal width.

    Args:
        order: the stages.
        upstream: for each stage, the stages it takes from.
        marks: characters for stages in place of `●`.
    """
    remaining = dict.fromkeys(order, 0)
    for name in order:
        for before in upstream[name]:
            remaining[before] += 1
    lanes: list[str | None] = []
    idle: int | None = None
    rows = []
    for name in order:
        taken = {lane for lane, owner in enumerate(lanes) if owner in upstream[name]}
        for before in upstream[name]:
            remaining[before] -= 1
        ending = {lane for lane in taken if not remaining[lanes[lane] or ""]}
        own = min(ending, default=None)
        if own is None:
            # Not below a stage that nobody takes from: it would look like its consumer.
            free = (at for at, owner in enumerate(lanes) if owner is None and at != idle)
            own = next(free, len(lanes))
        mark = (marks or {}).get(name, "●")
        rows.append(_row(lanes, own, taken, ending, mark))
        for lane in ending:
            lanes[lane] = None
        if own == len(lanes):
            lanes.append(None)
        lanes[own] = name if remaining[name] else None
        idle = None if remaining[name] else own
    width = max(map(len, rows), default=0)
    return [row.ljust(width) for row in rows]


def _row(
    lanes: Sequence[str | None], own: int, taken: set[int], ending: set[int], mark: str
) -> str:
    first, last = min(taken | {own}), max(taken | {own})
    cells = []
    for lane in range(max(len(lanes), own + 1)):
        occupied = lane < len(lanes) and lanes[lane] is not None
        between = first <= lane <= last
        if lane == own:
            cell = mark
        elif lane in taken:
            corners = "╰╯┴" if lane in ending else "├┤┼"
            cell = corners[0 if lane == first else 1 if lane == last else 2]
        elif occupied:
            cell = "│"
        else:
            cell = "─" if between else " "
        cells.append(cell + ("─" if first <= lane < last else " "))
    return "".join(cells).rstrip()


def mark_of(shape: str) -> str:
    """Return the character for a stage, a gate or an effect."""
    return {"gate": "◆", "effect": "▶"}.get(shape, "●")


def to_ascii(text: str) -> str:
    """Return the drawing for a terminal that knows no line characters."""
    return text.translate(_ASCII)


def printable(text: str) -> str:
    """Return the text as standard output can write it."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return to_ascii(text)
    return text
