"""A refresh on the terminal: what became of each table, and of the predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dagrun.ui.columns import Cell, aligned
from dagrun.ui.specdiff import change_text, table_text

if TYPE_CHECKING:
    from dagrun.stages.bundle import Shift
    from dagrun.stages.features.difference import SpecDifference


def table_lines(difference: SpecDifference) -> list[str]:
    """Return a line for each renewed feature: its table, and the value for unseen keys."""
    rows: list[list[Cell]] = []
    for feature in difference.features:
        tables = [table_text(value.table) for value in feature.values if value.table]
        others = [change_text(value) for value in feature.values if not value.table]
        rows.append([feature.name, "; ".join(tables), ", ".join(others)])
    return aligned(rows)


def shift_lines(shifts: Mapping[str, Shift]) -> list[str]:
    """Return the figures of each set of rows."""
    head: list[Cell] = [
        *("predictions", "rows", "mean change", "most", "flipped"),
        *("unseen before", "after", "lost"),
    ]
    rows: list[list[Cell]] = [head]
    for where, shift in shifts.items():
        rows.append(
            [
                f"  on {where}",
                f"{shift.rows:,}",
                f"{shift.mean_change:.6f}",
                f"{shift.most_change:.6f}",
                f"{shift.flipped:.3%}",
                *(f"{share:.3%}" for share in (*shift.unseen, shift.lost)),
            ]
        )
    return aligned(rows, right=set(range(1, 8)))
