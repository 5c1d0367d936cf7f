"""The difference of two artifacts on the terminal: columns, places, rows, values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagrun.engine.explaining.artifacts import Artifact
from dagrun.engine.explaining.changes import TableChange
from dagrun.engine.explaining.documentdiff import PathChange
from dagrun.engine.explaining.explain import Cause
from dagrun.engine.explaining.reasons import in_one_line
from dagrun.engine.explaining.tablediff import QUANTILES, ColumnValues, RowDifference
from dagrun.ui.causes import diff_lines
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import ago, counted, short, size
from dagrun.ui.terminal import Role, paint

MOST_PLACES = 60
_CELL = 40
_ROLES: Mapping[str, Role] = {"added": "good", "removed": "bad", "changed": "warn"}


@dataclass(kw_only=True)
class Differences:
    """Everything that was found out about two artifacts, as far as it was asked for."""

    before: Artifact
    after: Artifact
    params: tuple[Cause, ...] = ()
    table: TableChange | None = None
    places: tuple[PathChange, ...] = ()
    lines: tuple[str, ...] = ()
    rows: RowDifference | None = None
    values: tuple[Mapping[str, ColumnValues], ...] = ()

    @property
    def identical(self) -> bool:
        """Whether the two have one content."""
        return self.before.output.logical == self.after.output.logical


def difference_lines(found: Differences) -> list[str]:
    """Return what differs, the cheapest to know first."""
    lines = _sides(found)
    lines += [f"  {in_one_line([cause])}" for cause in found.params]
    if found.identical:
        return [*lines, "identical: they have the same digest"]
    if found.table:
        lines += _table(found.table, found)
    elif found.lines:
        lines += (f"  {line}" for line in diff_lines(found.lines))
    elif found.places:
        lines += _places(found.places)
    else:
        lines.append("their bytes differ; nothing is known of what is in them")
    if found.rows:
        lines += _rows(found.rows)
    if found.values:
        lines += _values(*found.values)
    if found.table and not (found.rows or found.values):
        lines.append(paint("see more with: --rows [--key COLUMN], --values", "dim"))
    return lines


def _sides(found: Differences) -> list[str]:
    rows: list[list[Cell]] = []
    sides: tuple[tuple[str, Artifact, Role], ...] = (
        ("-", found.before, "bad"),
        ("+", found.after, "good"),
    )
    for sign, artifact, role in sides:
        output = artifact.output
        rows.append(
            [
                (sign, role),
                (artifact.label, "bold"),
                counted(output.rows, "row") if output.rows is not None else "",
                size(output.size),
                f"digest {short(output.logical)}",
                f"made {ago(artifact.entry.created)}",
            ]
        )
    return aligned(rows)


def _table(table: TableChange, found: Differences) -> Iterator[str]:
    rows: list[list[Cell]] = []
    if table.rows[0] != table.rows[1]:
        rows.append(["rows", f"{table.rows[0]:,} -> {table.rows[1]:,}", ""])
    old, new = found.before.output.columns, found.after.output.columns
    for name in table.changed:
        dtypes = " -> ".join(dict.fromkeys((old[name][0], new[name][0])))
        rows.append([("changed", "warn"), name, dtypes])
    rows += [[("added", "good"), name, new[name][0]] for name in table.added]
    rows += [[("removed", "bad"), name, old[name][0]] for name in table.removed]
    yield from (f"  {line}" for line in aligned(rows))
    same = table.columns - len(table.changed)
    if not rows:
        yield "  the columns are in another order"
    elif same:
        yield f"  {counted(same, 'column')} identical"


def _places(places: Sequence[PathChange]) -> Iterator[str]:
    rows: list[list[Cell]] = []
    for place in places[:MOST_PLACES]:
        before, after = _text(place.before), _text(place.after)
        told = {"changed": f"{before} -> {after}", "added": after, "removed": before}
        rows.append([(place.change, _ROLES[place.change]), place.path, told[place.change]])
    yield from (f"  {line}" for line in aligned(rows))
    if len(places) > MOST_PLACES:
        yield f"  ... and {len(places) - MOST_PLACES} more (all of them: --json)"


def _rows(rows: RowDifference) -> Iterator[str]:
    how = {
        "key": "matched by key",
        "place": "matched by their place; --key COLUMN matches them by value",
        "whole": "compared as wholes; --key COLUMN finds those that changed",
    }
    counts = [f"{rows.changed:,} changed"] if rows.matched != "whole" else []
    counts += [f"{rows.added:,} added", f"{rows.removed:,} removed"]
    yield f"rows: {', '.join(counts)} ({how[rows.matched]})"
    if rows.cells:
        columns = (f"{name} {count:,}" for name, count in rows.cells.items())
        yield f"  values changed: {', '.join(columns)}"
    cells: list[list[Cell]] = [
        [_place(cell.row), cell.column, f"{_text(cell.before)} -> {_text(cell.after)}"]
        for cell in rows.sample
    ]
    yield from (f"  {line}" for line in aligned(cells))
    yield from _examples("-", "bad", rows.only["before"], rows.removed)
    yield from _examples("+", "good", rows.only["after"], rows.added)


def _examples(
    sign: str, role: Role, rows: Sequence[Mapping[str, Any]], count: int
) -> Iterator[str]:
    for row in rows:
        yield "  " + paint(f"{sign} {_place(row)}", role)
    if count > len(rows) > 0:
        yield "  " + paint(f"{sign} ... and {count - len(rows):,} more", role)


def _place(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in row.items())


def _values(before: Mapping[str, ColumnValues], after: Mapping[str, ColumnValues]) -> list[str]:
    quantiles = [f"{at:.0%}" for at in QUANTILES]
    rows: list[list[Cell]] = [
        ["values", "", "nulls", "distinct", "least", *quantiles, "greatest", "mean"]
    ]
    for name in dict.fromkeys((*before, *after)):
        title = f"  {name}"
        sides: tuple[tuple[str, Mapping[str, ColumnValues], Role], ...] = (
            ("-", before, "bad"),
            ("+", after, "good"),
        )
        for sign, side, role in sides:
            if name in side:
                rows.append([title, (sign, role), *_figures(side[name])])
                title = ""
    return aligned(rows, right=set(range(2, 10)))


def _figures(column: ColumnValues) -> list[str]:
    figures = [column.least, *column.quantiles, column.greatest, column.mean]
    distinct = "" if column.distinct is None else f"{column.distinct:,}"
    return [
        f"{column.nulls:,}",
        distinct,
        *("" if each is None else _text(each, most=19) for each in figures),
    ]


def _text(value: Any, most: int = _CELL) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if value is None:
        text = "null"
    return text if len(text) <= most else text[: most - 3] + "..."
