"""Expressions taken apart: the tree of an expression, and the dtype of each part of it.

Guarantee: every part of an expression is walked, those that read fields of a struct with that
struct in scope. The limit: a vector's fields are unknown before it is fitted, so a part that reads
one has no known dtype.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from dagrun.stages.ops.kind import Kind

_DTYPES: dict[Kind, pl.DataType] = {
    "double": pl.Float64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
}
"""The dtype of a kind in the batch twin; Int64 for all others but vectors."""


@dataclass(frozen=True, slots=True)
class Part:
    """One node of an expression tree: its sort, what Polars says of it, and its operands."""

    expression: pl.Expr
    sort: str
    form: Any
    operands: tuple[Part, ...]

    @property
    def constant(self) -> bool:
        """Whether neither a column nor a field is read."""
        return self.sort not in ("Column", "Field") and all(one.constant for one in self.operands)

    def number(self) -> float | None:
        """Return the value of a constant number, else None."""
        if not self.constant:
            return None
        try:
            value = pl.select(self.expression.alias("value")).item()
        except (ValueError, pl.exceptions.PolarsError):
            return None
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a part may read: columns, and inside `with_fields` the fields of a struct."""

    schema: dict[str, pl.DataType]
    structs: tuple[pl.Expr, ...] = ()

    def dtype(self, part: Part) -> pl.DataType | None:
        """Return the dtype of a part; None when Polars cannot tell."""
        placed = part.expression
        for struct in reversed(self.structs):
            placed = struct.struct.with_fields(placed.alias("value")).struct.field("value")
        try:
            frame = pl.LazyFrame(schema=self.schema)
            return frame.select(placed.alias("value")).collect_schema()["value"]
        except pl.exceptions.PolarsError:
            return None


def scope_of(kinds: Sequence[Kind]) -> Scope:
    """Return the scope of an op's expressions, given the kinds of its inputs."""
    known = {place: kind for place, kind in enumerate(kinds) if kind != "vector"}
    return Scope(
        {input_name(place): _DTYPES.get(kind, pl.Int64()) for place, kind in known.items()}
    )


def input_name(place: int) -> str:
    """Return the column name under which an op is given its inputs to be linted."""
    return f"x[{place}]"


def part_of(expression: pl.Expr) -> Part:
    """Return the tree of an expression; of a Python function, a part of the sort `Python`."""
    try:
        form = json.loads(expression.meta.serialize(format="json"))
    except pl.exceptions.PolarsError:  # only what calls Python cannot be written down
        form = "Python"
    operands = tuple(part_of(one) for one in reversed(expression.meta.pop()))
    if isinstance(form, str):
        return Part(expression, form, {}, operands)
    ((sort, content),) = form.items()
    return Part(expression, sort, content, operands)


def walk(part: Part, scope: Scope) -> Iterator[tuple[Part, Scope]]:
    """Yield a part and all below it, innermost first, each with what it may read."""
    inside = scope
    for place, operand in enumerate(part.operands):
        if part.sort == "StructEval" and place == 1:
            inside = replace(scope, structs=(*scope.structs, part.operands[0].expression))
        yield from walk(operand, inside)
    yield part, scope


def text(expression: pl.Expr) -> str:
    """Return an expression for people, its inputs as `x[0]`, at most 120 characters."""
    plain = re.sub(r'col\("(x\[\d+\])"\)', r"\1", str(expression))
    plain = re.sub(r"\(?dyn (?:float|int): ([^)\] ]+)\)?", r"\1", plain).replace("\n", " ")
    plain = re.sub(r"\((x\[\d+\])\)", r"\1", plain)
    return plain if len(plain) <= 120 else plain[:117] + "..."


def function_name(form: Any) -> tuple[str, Any]:
    """Return the name of a function as `Sin`, `Trigonometry.Sin`, and its settings."""
    if isinstance(form, str):
        return form, None
    ((head, content),) = form.items()
    if isinstance(content, str) and content[:1].isupper():
        return f"{head}.{content}", None
    if isinstance(content, dict) and len(content) == 1:
        ((name, settings),) = content.items()
        if name[:1].isupper():
            return f"{head}.{name}", settings
    return head, content
