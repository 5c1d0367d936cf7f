"""The row twin of a whole spec: one generated Python function over plain scalars.

Guarantee: for an admitted row it returns the values that the batch twin computes, null as one
canonical NaN, before rounding to float32. The function is a pure function of its argument, holds
no state and may be called from any thread. It does not check its input: a value of another type
than its column's gives an error or an undefined result, so callers type-check at their door.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dagrun.stages.ops.kind import NAN_IS_NULL, Kind

RowFunction = Callable[[Sequence[object]], tuple[float, ...]]


class Inputs(tuple[str, ...]):
    """The variables of one op's inputs; see `Names`."""

    writer: RowWriter

    def kind(self, place: int) -> Kind:
        """Return the kind of an input."""
        return self.writer.kinds[self[place]]

    def null(self, place: int) -> str:
        """Return a condition that is true when an input is null."""
        name = self[place]
        return f"{name} != {name}" if self.kind(place) in NAN_IS_NULL else f"{name} is None"

    def bind(self, value: object, hint: str) -> str:
        """Return a name under which the function finds `value`."""
        return self.writer.bind(value, hint)


@dataclass(slots=True, kw_only=True)
class RowWriter:
    """Collects the lines of a row function and the objects it refers to.

    Attributes:
        bound: objects by the name under which the function sees them.
        kinds: kind of the value in each variable.
        lines: statements, in order.
    """

    bound: dict[str, object] = field(default_factory=lambda: {"nan": math.nan})
    kinds: dict[str, Kind] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=lambda: {"nan", "q", "row", "values", "make"})

    def fresh(self, wanted: str) -> str:
        """Return an unused identifier that resembles `wanted`."""
        stem = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_").lower() or "v"
        if stem[0].isdigit() or keyword.iskeyword(stem):
            stem = f"v_{stem}"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def variable(self, wanted: str, kind: Kind) -> str:
        """Return a new variable for a value of `kind`."""
        name = self.fresh(wanted)
        self.kinds[name] = kind
        return name

    def bind(self, value: object, hint: str) -> str:
        """Return a name under which the function finds `value`; the same object, the same name."""
        if id(value) not in self._names:
            name = self.fresh(hint)
            self.bound[name] = value
            self._names[id(value)] = name
        return self._names[id(value)]

    def inputs(self, names: Sequence[str]) -> Inputs:
        """Return the variables as an op asks for them."""
        made = Inputs(names)
        made.writer = self
        return made

    def source(self, inputs: Sequence[str], outputs: Sequence[str]) -> str:
        """Return the source of a module whose `make` takes the bound objects in order."""
        doors = [
            f"if {name} is None or {name} != {name}: {name} = nan"
            for name in inputs
            if self.kinds[name] == "double"
        ]
        body = [f"{', '.join(inputs)}, = values", *doors, *self.lines]
        lines = [
            f"def make({', '.join(self.bound)}):",
            "    def row(values):",
            *(f"        {line}" for line in body),
            "        return (",
            *(f"            {name}," for name in outputs),
            "        )",
            "    return row",
        ]
        return "\n".join(lines) + "\n"

    def function(self, source: str) -> RowFunction:
        """Compile `source` and return its row function."""
        namespace: dict[str, Callable[..., RowFunction]] = {}
        exec(compile(source, "<row function of a feature spec>", "exec"), namespace)
        return namespace["make"](*self.bound.values())
