"""Lists: the artifact that the outputs of a mapped stage's elements make together.

It only refers to theirs, so nothing is copied; its logical digest is that of theirs in order, so a
list that came out equal cuts off like any artifact. A consumer's annotation says how it is handed
over: as a list, as a tuple, or, of tables, as one table.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dagrun.engine.canonical import digest, find_object
from dagrun.engine.errors import DagrunError, listing
from dagrun.engine.events import Output
from dagrun.engine.store.entries import output_from_form

LIST_CODEC = "dagrun.engine.lists:gather"
"""Marks a list; the store gathers it, since it has no file that a codec could read."""
_LISTS = (None, Any, object, list, collections.abc.Sequence, collections.abc.Iterable)


class NotGathered(DagrunError):
    """A consumer asks for the output of a mapped stage as something that a list is not."""

    def __init__(self, wanted: object, count: int) -> None:
        self.wanted, self.count = wanted, count
        asked = wanted.__qualname__ if isinstance(wanted, type) else str(wanted)
        super().__init__(
            f"the artifact is a list of {count} elements, not a {asked}. Annotate the parameter "
            f"list[{asked}]; a list of tables can also be taken as one pl.DataFrame"
        )


def make_list(labels: Sequence[str], outputs: Sequence[Output]) -> Output:
    """Return the artifact that the outputs of all elements are together."""
    rows = [output.rows for output in outputs]
    references = [
        blob
        for output in outputs
        for blob in (*([output.blob] if output.blob else []), *output.references)
    ]
    return Output(
        codec=LIST_CODEC,
        inline=[
            [label, dataclasses.asdict(output)]
            for label, output in zip(labels, outputs, strict=True)
        ],
        logical=digest("list", [output.logical for output in outputs]),
        size=sum(output.size for output in outputs),
        rows=sum(row or 0 for row in rows) if rows and None not in rows else None,
        references=tuple(dict.fromkeys(references)),
    )


def gather_outputs(
    names: Sequence[str], labels: Sequence[str], outputs: Sequence[Mapping[str, Output]]
) -> dict[str, Output]:
    """Return the artifacts of a mapped stage from those of its elements, in order."""
    return {name: make_list(labels, [each[name] for each in outputs]) for name in names}


def describe_lists(before: Output, after: Output) -> str:
    """Say how two lists differ, by the labels of their elements."""
    old = {label: output.logical for label, output in outputs_of(before)}
    new = {label: output.logical for label, output in outputs_of(after)}
    kinds = {
        "added": [label for label in new if label not in old],
        "gone": [label for label in old if label not in new],
        "changed": [label for label in new if label in old and old[label] != new[label]],
    }
    parts = [f"{kind}: {listing(labels, 5)}" for kind, labels in kinds.items() if labels]
    return f"elements {'; '.join(parts)}" if parts else "changed in the order of its elements"


def is_list(output: Output) -> bool:
    """Tell whether an artifact is the list that a mapped stage gave."""
    return output.codec == LIST_CODEC


def labels_of(output: Output) -> list[str]:
    """Return the label of each element of a list."""
    return [label for label, _ in output.inline]


def outputs_of(output: Output) -> list[tuple[str, Output]]:
    """Return the label and the output of each element of a list."""
    return [(label, output_from_form(form)) for label, form in output.inline]


def gather(output: Output, wanted: Any, load: Callable[[Output, Any], Any]) -> Any:
    """Return a list as its consumer's annotation asks: a list, a tuple, or one table.

    Raises `NotGathered`, and what loading an element raises.
    """
    kind = typing.get_origin(wanted) or wanted
    each = next(iter(typing.get_args(wanted)), None)
    parts = [part for _, part in outputs_of(output)]
    if kind in _LISTS:
        return [load(part, each) for part in parts]
    if kind is tuple:
        return tuple(load(part, each) for part in parts)
    tables = all(part.columns or part.rows is not None for part in parts)
    if isinstance(kind, type) and kind.__module__.startswith(("polars", "pyarrow")) and tables:
        stack = find_object("dagrun.engine.tables:stack")
        return stack([load(part, wanted) for part in parts], wanted)
    raise NotGathered(wanted, len(parts))
