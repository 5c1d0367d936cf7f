"""The difference of two feature specs on the terminal, and whether a row could get other bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import counted, short
from dagrun.ui.terminal import Role, paint

if TYPE_CHECKING:
    from dagrun.stages.features import FeatureSpec
    from dagrun.stages.features.difference import (
        FeatureChange,
        InputChange,
        SpecDifference,
        TableChange,
        ValueChange,
    )

MOST_FEATURES = 60
_ROLES: Mapping[str, Role] = {"added": "good", "removed": "bad", "changed": "warn"}
_ITEMS = 8
_NAMES = 10


def spec_difference_lines(
    found: SpecDifference,
    sides: Sequence[tuple[str, FeatureSpec]],
    measured: Sequence[str],
) -> list[str]:
    """Return what differs; `sides` are the labels and specs, `measured` lines of evidence."""
    rows: list[list[Cell]] = []
    for (sign, role), (label, spec) in zip(_SIGNS, sides, strict=True):
        columns = f"{counted(len(spec.inputs), 'input')}, {counted(len(spec.outputs), 'column')}"
        rows.append([(sign, role), (label, "bold"), f"spec {short(spec.digest)}", columns])
    lines = aligned(rows)
    if found.identical:
        return [*lines, "identical: they have the same digest"]
    if found.label:
        lines.append(f"  label  {found.label[0]} -> {found.label[1]}")
    if found.time:
        lines.append(f"  time  {_text(found.time[0])} -> {_text(found.time[1])}")
    lines += [f"  {line}" for line in aligned([_input(change) for change in found.inputs])]
    for change in found.features[:MOST_FEATURES]:
        lines += [f"  {line}" for line in _feature(change)]
    if len(found.features) > MOST_FEATURES:
        rest = counted(len(found.features) - MOST_FEATURES, "more feature")
        lines.append(f"  ... and {rest} (all of them: --json)")
    if found.moved:
        lines.append(f"  moved in the matrix: {_names(found.moved)}")
    if found.same_bits:
        lines.append("bits: every row that both take gets the same, in the same columns")
    else:
        lines.append(
            paint("bits: a row could get others", "warn") + f": {', '.join(found.reasons)}"
        )
    return [*lines, *measured]


_SIGNS: tuple[tuple[str, Role], ...] = (("-", "bad"), ("+", "good"))


def _input(change: InputChange) -> list[Cell]:
    told = ", ".join(f"{name} {_text(old)} -> {_text(new)}" for name, old, new in change.fields)
    return [(change.change, _ROLES[change.change]), f"input {change.name}", told]


def _feature(change: FeatureChange) -> Iterator[str]:
    head = paint(change.change, _ROLES[change.change])
    old, new = change.formulas
    told = new if change.change == "added" else old if change.change == "removed" else None
    yield f"{head}  {change.name}" + (f"  {told}" if told else "")
    if change.change != "changed":
        return
    if old or new:
        yield paint(f"    - {old}", "bad")
        yield paint(f"    + {new}", "good")
    for names, verb in zip(change.columns, ("removed", "added"), strict=True):
        if names:
            yield f"    columns {verb}: {_names(names)}"
    for value in change.values:
        if value.table is None:
            yield f"    {value.op}: {change_text(value)}"
        else:
            yield f"    {value.op}: {value.field}: {table_text(value.table)}"
            for key, before, after in value.table.largest:
                said = ", ".join(map(_text, key))
                yield f"      {said}  {_text(before)} -> {_text(after)}{_relative(before, after)}"


def table_text(table: TableChange) -> str:
    """Return how two tables differ in one line."""
    old, new = table.keys
    keys = counted(new, "key") if old == new else f"{old:,} -> {counted(new, 'key')}"
    counts = {"added": table.added, "removed": table.removed, "changed": table.changed}
    told = [f"{count:,} {verb}" for verb, count in counts.items() if count]
    return f"{keys}: {', '.join(told)}"


def change_text(value: ValueChange) -> str:
    """Return `offset 1.5 -> 2 (+33.3%)`, or what came into a list and what left it."""
    before, after = value.before, value.after
    if isinstance(before, tuple) and isinstance(after, tuple) and before and after:
        gone = [item for item in before if item not in after]
        came = [item for item in after if item not in before]
        parts = [f"{len(before)} -> {len(after)}" if len(before) != len(after) else f"{len(after)}"]
        parts += [f"without {_names(gone)}"] if gone else []
        parts += [f"with {_names(came)}"] if came else []
        return f"{value.field} {', '.join(parts)}"
    relative = f" ({value.relative:+.2%})" if value.relative is not None else ""
    return f"{value.field} {_text(before)} -> {_text(after)}{relative}"


def _relative(before: Any, after: Any) -> str:
    if not (isinstance(before, float) and isinstance(after, float) and before):
        return ""
    return f" ({(after - before) / abs(before):+.2%})"


def _names(items: Sequence[Any]) -> str:
    shown = ", ".join(_text(item) for item in items[:_NAMES])
    return shown + (f" and {len(items) - _NAMES} more" if len(items) > _NAMES else "")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        more = ", ..." if len(value) > _ITEMS else ""
        return f"[{', '.join(map(_text, value[:_ITEMS]))}{more}]"
    return "null" if value is None else str(value).replace("\x1f", " x ")
