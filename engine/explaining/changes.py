"""What changed between two tables or two sets of files, from their descriptions alone.

Guarantee: nothing is read. A column is unchanged exactly if its digests are equal, a file exactly
if its content digests are; so the answer is as quick for a terabyte as for a row. The limit: which
rows differ is not told by digests; `tablediff` reads the tables for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dagrun.engine.events import Output
from dagrun.engine.reading import Readable

MOST_NAMED = 6
"""Columns or files that one line names; of more it gives the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """How one table differs from another.

    Attributes:
        rows: rows before and after.
        changed, added, removed: columns, in the order of the table that has them.
        dtypes: dtypes before and after of the changed columns whose dtype differs.
        columns: number of columns that both tables have.
    """

    rows: tuple[int | None, int | None]
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    dtypes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    columns: int = 0

    def __str__(self) -> str:
        """`rows 1,000 -> 1,010, columns changed: fare, age; added: x`."""
        before, after = self.rows
        rows = f"rows {before:,} -> {after:,}" if before != after else ""
        parts = []
        if self.changed and len(self.changed) == self.columns > 2:
            parts.append(f"all {self.columns} columns changed")
        elif self.changed:
            parts.append(f"changed: {_named([self._with_dtype(name) for name in self.changed])}")
        for verb, names in (("added", self.added), ("removed", self.removed)):
            if names:
                parts.append(f"{verb}: {_named(names)}")
        text = "; ".join(parts)
        columns = text if text.startswith("all ") or not text else f"columns {text}"
        told = ", ".join(part for part in (rows, columns) if part)
        return told or "changed in the order of its columns"

    def _with_dtype(self, name: str) -> str:
        if name not in self.dtypes:
            return name
        before, after = self.dtypes[name]
        return f"{name} ({before} -> {after})"


def compare_tables(before: Output, after: Output) -> TableChange:
    """Compare two tables by the digests in their entries."""
    old, new = before.columns, after.columns
    shared = [name for name in new if name in old]
    changed = tuple(name for name in shared if tuple(old[name]) != tuple(new[name]))
    return TableChange(
        rows=(before.rows, after.rows),
        changed=changed,
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        dtypes={
            name: (old[name][0], new[name][0]) for name in changed if old[name][0] != new[name][0]
        },
        columns=len(shared),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file of a source that is not what it was.

    Attributes:
        before, after: sizes in bytes; None where it is not there or its size is not known.
    """

    name: str
    change: Literal["changed", "added", "removed"]
    before: int | None = None
    after: int | None = None


def source_sizes(params: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the size in bytes of every file of every source of files, by param and file name."""
    return {
        param: {name: path.stat().st_size for name, path in value.find().items()}
        for param, value in params.items()
        if isinstance(value, Readable)
    }


def compare_files(
    before: Any,
    after: Any,
    old_sizes: Mapping[str, int],
    new_sizes: Mapping[str, int],
) -> tuple[FileChange, ...]:
    """Compare two identities of a `Files` source; empty when either is something else."""
    old, new = _files(before), _files(after)
    if old is None or new is None:
        return ()
    changes = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        verb: Literal["changed", "added", "removed"] = "changed"
        if name not in old or name not in new:
            verb = "added" if name in new else "removed"
        changes.append(
            FileChange(
                name=name,
                change=verb,
                before=old_sizes.get(name) if name in old else None,
                after=new_sizes.get(name) if name in new else None,
            )
        )
    return tuple(changes)


def _files(form: Any) -> Mapping[str, str] | None:
    if isinstance(form, dict) and list(form) == ["$source"]:
        identity = form["$source"][1]
        if isinstance(identity, dict) and isinstance(identity.get("files"), dict):
            return dict(identity["files"])
    return None


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
