"""Linting the row twin: the Python expression it writes, and the objects it binds.

The limit: what a bound method or a C function computes is known only for `math`, NumPy, `re` and
`str`; the proof compares the rest with the batch twin.
"""

from __future__ import annotations

import ast
import math
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagrun.stages.lint.regex import is_shared
from dagrun.stages.lint.source import refused_in
from dagrun.stages.ops.kind import NAN_IS_NULL, Kind
from dagrun.stages.ops.op import Op

_MATH = frozenset(
    re.findall(
        r"\w+",
        """
        acos acosh asin asinh atan atan2 ceil copysign cos cosh degrees exp fabs floor fmod fsum
        isfinite isinf isnan log log1p radians sin sinh sqrt tan tanh trunc
        """,
    )
)
"""Functions of `math` that give Polars' bits, or bits without a choice."""
_BUILTINS = {"abs", "bool", "float", "int", "len", "max", "min", "round", "str"}
_CASE = {"capitalize", "casefold", "lower", "swapcase", "title", "upper"}
_STRIP = {"strip", "lstrip", "rstrip", "split"}


@dataclass(slots=True)
class Variables:
    """Stands for the inputs of a row function; see `dagrun.stages.ops.op.Names`."""

    kinds: Sequence[Kind]
    bound: dict[str, object] = field(default_factory=dict)

    def __getitem__(self, place: int, /) -> str:
        return f"x{range(len(self.kinds))[place]}"

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self.kinds)))

    def __len__(self) -> int:
        return len(self.kinds)

    def kind(self, place: int) -> Kind:
        """Return the kind of an input."""
        return self.kinds[place]

    def null(self, place: int) -> str:
        """Return a condition that is true when an input is null."""
        name = self[place]
        return f"{name} != {name}" if self.kinds[place] in NAN_IS_NULL else f"{name} is None"

    def bind(self, value: object, hint: str) -> str:
        """Return a name for `value`."""
        stem = re.sub(r"\W+", "_", hint, flags=re.ASCII).strip("_").lower() or "v"
        name = f"{stem}_{len(self.bound)}"
        self.bound[name] = value
        return name


def refused(op: Op, kinds: Sequence[Kind]) -> Iterator[tuple[str, str]]:
    """Yield the rule and the text of each part that is not safe."""
    variables = Variables(kinds)
    written = op.row(variables)
    try:
        tree = ast.parse(written, mode="eval")
    except SyntaxError as error:
        yield "row-name", f"{written!r} is no Python expression ({error.msg})"
        return
    known = {*variables, *variables.bound, *_BUILTINS, "nan", "q"}
    for node in ast.walk(tree):
        for rule in _judge(node, known, variables.bound):
            yield rule, ast.unparse(node)
    for name, value in variables.bound.items():
        yield from _bound(name, value)


def _judge(node: ast.AST, known: set[str], bound: Mapping[str, object]) -> Iterator[str]:
    match node:
        case ast.Name(id=name) if name not in known:
            yield "row-name"
        case ast.BinOp(op=ast.Pow()):
            yield "power"
        case ast.Call(func=ast.Name(id="round"), args=arguments) if "round" not in bound:
            if len(arguments) != 2 or ast.unparse(arguments[1]) != "0":
                yield "row-round"
        case ast.Call(func=ast.Attribute(attr=name), args=arguments):
            if name in _CASE:
                yield "case-folding"
            elif name in _STRIP and not arguments:
                yield "strip-default"


def _bound(name: str, value: object) -> Iterator[tuple[str, str]]:
    module = getattr(value, "__module__", None) or type(value).__module__
    owner = getattr(value, "__self__", None)
    called = getattr(value, "__name__", name)
    if str(module).partition(".")[0] == "numpy" or type(value).__module__ == "numpy":
        yield "numpy", f"bind({module}.{called})"
    elif owner is math and called not in _MATH:
        yield "row-math", f"bind(math.{called})"
    elif isinstance(owner, re.Pattern) and not is_shared(str(owner.pattern)):
        yield "regex", f"bind(re.compile({owner.pattern!r}).{called})"
    elif isinstance(value, types.MethodDescriptorType) and value.__objclass__ is str:
        if called in _CASE:
            yield "case-folding", f"bind(str.{called})"
        elif called in _STRIP:
            yield "strip-default", f"bind(str.{called})"
    elif value is round:
        yield "row-round", "bind(round)"
    elif isinstance(value, types.FunctionType):
        yield from refused_in(value, row=True)
