"""Reasons: many causes in one short line, the most telling first.

Guarantee: every kind of cause is named or counted, and a line has at most `LONGEST` characters or
a single part. The limit: what exactly changed is for `why`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagrun.engine.explaining.explain import Cause

LONGEST = 100
_VALUE = 32


def in_one_line(causes: Sequence[Cause]) -> str:
    """Return the causes as one line: `code: fit and 6 more changed; param depth: 6 -> 8`."""
    kinds = dict.fromkeys(cause.kind for cause in causes)
    parts = [(_worded([c for c in causes if c.kind == kind]), kind) for kind in kinds]
    line, told = "", 0
    for text, _ in parts:
        if line and len(line) + len(text) > LONGEST:
            continue
        line, told = f"{line}; {text}" if line else text, told + 1
    left = len(parts) - told
    return f"{line} (and {left} more {'kinds' if left > 1 else 'kind'} of change)" if left else line


def _worded(causes: Sequence[Cause]) -> str:
    """Return the causes of one kind in a few words."""
    first = causes[0]
    more = len(causes) - 1
    if first.kind == "code":
        return _code(causes)
    if first.kind == "input":
        if more:
            return f"inputs changed: {_some(cause.name for cause in causes)}"
        between = " " if first.table is None else ": "
        return f"input {first.name}{between}{_short(first.after or 'is gone', LONGEST - 20)}"
    if first.kind == "source":
        files = [change for cause in causes for change in cause.files]
        if len(files) == 1:
            return f"file {files[0].name} {files[0].change}"
        if files:
            return f"files: {files[0].name} and {len(files) - 1} more changed"
        if first.table is not None and not more:
            return f"source {first.name}: {_short(first.after or '', LONGEST - 20)}"
        return f"source {_some(cause.name for cause in causes)} changed"
    counted = f" (and {more} more {first.kind}{'s' if more > 1 else ''})" if more else ""
    if first.before is None or first.after is None:
        return (
            f"{first.kind} {first.name} {'added' if first.before is None else 'removed'}{counted}"
        )
    name = "" if first.name == first.kind else f" {first.name}"
    return f"{first.kind}{name}: {_short(first.before)} -> {_short(first.after)}{counted}"


def _code(causes: Sequence[Cause]) -> str:
    # What came or went did so because of an edit elsewhere; it is named only when it stands alone.
    edited = [cause for cause in causes if cause.before and cause.after] or list(causes)
    names = [cause.name.partition(":")[2] for cause in edited]
    verbs = {"changed" if c.before and c.after else "added" if c.after else "gone" for c in edited}
    verb = verbs.pop() if len(verbs) == 1 else "changed"
    return f"code: {_some(names)} {verb}"


def _some(names: Iterable[str]) -> str:
    """Return `a`, `a and b`, or `a and 5 more`."""
    listed = list(names)
    if len(listed) <= 2:
        return " and ".join(listed)
    return f"{listed[0]} and {len(listed) - 1} more"


def _short(text: str, most: int = _VALUE) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
