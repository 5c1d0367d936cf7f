"""Text tables: columns aligned to their longest cell, no lines drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dagrun.ui.terminal import Role, paint

Cell = str | tuple[str, Role | None]
"""Text, or text and its role."""


def aligned(rows: Sequence[Sequence[Cell]], right: Collection[int] = ()) -> list[str]:
    """Return one line per row; the columns in `right` are aligned to the right.

    A column without any text takes no room.
    """
    if not rows:
        return []
    widths = [max(len(_text(row[place])) for row in rows) for place in range(len(rows[0]))]
    kept = [place for place, width in enumerate(widths) if width]
    return ["  ".join(_cells(row, kept, widths, right)).rstrip() for row in rows]


def _cells(
    row: Sequence[Cell], kept: list[int], widths: list[int], right: Collection[int]
) -> list[str]:
    # The last cell is not padded: colour codes would keep the padding from being stripped.
    last = max((place for place in kept if _text(row[place])), default=-1)
    cells = []
    for place in kept:
        if place > last:
            break
        text = _text(row[place])
        if place in right:
            text = text.rjust(widths[place])
        elif place != last:
            text = text.ljust(widths[place])
        cells.append(paint(text, _role(row[place])))
    return cells


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _role(cell: Cell) -> Role | None:
    return None if isinstance(cell, str) else cell[1]


def indented(text: str, by: str = "  ") -> str:
    """Return the text with every line that is not empty moved to the right."""
    return "\n".join(by + line if line else line for line in text.splitlines())
