"""Two runs side by side on the terminal: params, metrics, data, code and libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.history.account import SECTIONS, Change
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import counted, short
from dagrun.ui.terminal import paint

_DIGESTS = ("data", "code")
_LONG = 40


def change_lines(changes: Sequence[Change], *, every: bool) -> list[str]:
    """Return what differs by section, or with `every` all values, and how many are the same."""
    lines: list[str] = []
    for section in SECTIONS:
        found = [change for change in changes if change.section == section]
        told = [change for change in found if every or not change.same]
        same = sum(change.same for change in found)
        if told:
            of = f"  {counted(same, 'value')} the same" if same and not every else ""
            lines.append(paint(section, "bold") + paint(of, "dim"))
            lines += [f"  {line}" for line in aligned([_cells(change) for change in told])]
    if not lines and changes:
        lines.append(f"params, metrics, data, code and libraries are the same ({len(changes):,})")
    return lines


def _cells(change: Change) -> list[Cell]:
    before, after = (_text(change.section, value) for value in (change.before, change.after))
    arrow = "" if change.same else "->"
    return [
        change.name,
        before,
        arrow,
        "" if change.same else after,
        _moved(change),
    ]


def _moved(change: Change) -> str:
    if change.section != "metrics" or change.same or None in (change.before, change.after):
        return ""
    return f"{change.after - change.before:+.6g}"


def _text(section: str, value: Any) -> str:
    if value is None:
        return "none"
    if section in _DIGESTS:
        return short(value)
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."


def change_document(changes: Sequence[Change]) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """Return all values as `{section: {name: [before, after]}}`."""
    return {
        section: {
            change.name: [change.before, change.after]
            for change in changes
            if change.section == section
        }
        for section in SECTIONS
    }
