"""The difference of two documents: every place whose value is not what it was.

Guarantee: the documents are equal if and only if nothing is found; a place is named by a JSON path
(`$.metrics.auc`, `$.features[3]`). What moved within a list is told as removed and added; records
in lists of one length are compared place by place.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """One place where two documents differ; `before` or `after` is None where it is not there."""

    path: str
    change: Literal["changed", "added", "removed"]
    before: Any = None
    after: Any = None


def compare_documents(before: Any, after: Any, path: str = "$") -> Iterator[PathChange]:
    """Yield the differences of two JSON-like values in order of `after`, then what is gone."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*after, *(name for name in before if name not in after)]:
            place = path + (f".{name}" if str(name).isidentifier() else f"[{json.dumps(name)}]")
            if name not in before:
                yield PathChange(path=place, change="added", after=after[name])
            elif name not in after:
                yield PathChange(path=place, change="removed", before=before[name])
            else:
                yield from compare_documents(before[name], after[name], place)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, path)
    elif not _equal(before, after):
        yield PathChange(path=path, change="changed", before=before, after=after)


def _compare_lists(before: list[Any], after: list[Any], path: str) -> Iterator[PathChange]:
    if len(before) == len(after) and not _moved(before, after):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from compare_documents(old, new, f"{path}[{place}]")
        return
    old, new = _texts(before), _texts(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for verb, i1, i2, j1, j2 in matcher.get_opcodes():
        if verb == "replace" and i2 - i1 == j2 - j1:
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                yield from compare_documents(before[i], after[j], f"{path}[{j}]")
        elif verb != "equal":
            for i in range(i1, i2):
                yield PathChange(path=f"{path}[{i}]", change="removed", before=before[i])
            for j in range(j1, j2):
                yield PathChange(path=f"{path}[{j}]", change="added", after=after[j])


def _moved(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Tell whether two lists of plain values hold much of the same in other places."""
    plain = not any(isinstance(item, dict | list) for item in (*before, *after))
    return plain and len(set(_texts(before)) & set(_texts(after))) * 2 > len(before)


def _texts(items: Sequence[Any]) -> list[str]:
    return [json.dumps(item, sort_keys=True, default=str) for item in items]


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        both_nan = math.isnan(before) and math.isnan(after)
        return both_nan or (before == after and str(before) == str(after))
    return type(before) is type(after) and bool(before == after)


def readable_form(form: Any) -> Any:
    """Return a stored document's JSON form as plain values, for reading only.

    Unlike decoding it needs none of the document's classes.
    """
    if isinstance(form, list):
        return [readable_form(item) for item in form]
    if not isinstance(form, dict):
        return form
    match form:
        case {"$float": str(text)}:
            return float(text) if text == "nan" else float.fromhex(text)
        case {"$tuple": items} | {"$set": items} | {"$frozenset": items}:
            return readable_form(items)
        case {"$dataclass": [_, fields]}:
            return readable_form(fields)
        case {"$dict": pairs}:
            return {str(readable_form(key)): readable_form(item) for key, item in pairs}
        case {"$enum": [_, name, _]}:
            return name
    return {name: readable_form(item) for name, item in form.items()}


def describe_documents(before: Any, after: Any, most: int = 3) -> str:
    """Say how two stored forms differ: `$.auc 0.7 -> 0.71, $.rows added (and 2 more)`."""
    places = list(compare_documents(readable_form(before), readable_form(after)))
    told = ", ".join(_told(place) for place in places[:most])
    return f"{told} (and {len(places) - most} more)" if len(places) > most else told


def _told(place: PathChange) -> str:
    if place.change != "changed":
        return f"{place.path} {place.change}"
    return f"{place.path} {_short(place.before)} -> {_short(place.after)}"


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value, default=str)
    return text if len(text) <= 30 else text[:27] + "..."
