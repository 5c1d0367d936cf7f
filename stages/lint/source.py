"""Linting an op's Python: its methods, and the functions of the project that they call by name.

Guarantee: calls that resolve by name to NumPy's and Python's order-dependent sums, to clocks,
random numbers and the environment are found. The limit: a name is resolved as its module has it
now; what is reached through objects is not followed (the proof fits on rows in other orders).
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator

from dagrun.engine.code.imports import is_installed
from dagrun.stages.ops.op import Op

_SUMS = {"sum", "mean", "std", "var", "product", "prod", "dot", "average", "cum_sum", "cumsum"}
_MOMENTS = {"now", "today", "utcnow", "urandom", "getenv", "environ", "time_ns", "perf_counter"}
_CHANCE = {"random", "secrets", "uuid"}


def refused_of(kind: type[Op]) -> Iterator[tuple[str, str]]:
    """Yield the rule and the text of each call in an op's methods that is not safe."""
    seen: set[types.FunctionType] = set()
    for base in kind.__mro__:
        if base is Op:
            return
        for method in list(vars(base).values()):
            if isinstance(method, types.FunctionType) and not method.__name__.startswith("__"):
                twin = method.__name__ in ("batch", "row")
                yield from refused_in(method, sums=not twin, seen=seen)


def refused_in(
    function: types.FunctionType,
    *,
    row: bool = False,
    sums: bool = True,
    seen: set[types.FunctionType] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield what is not safe in a function and in those of its project that it calls.

    `row` says that it computes single rows, `sums` that sums of doubles are looked for.
    """
    seen = set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):  # no source, or a lambda amid an expression
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = _resolve(node.func, function)
            for rule in _judge(node, found, row=row, sums=sums):
                yield rule, ast.unparse(node)[:120]
            if isinstance(found, types.FunctionType) and _is_near(found, function):
                yield from refused_in(found, row=row, sums=sums, seen=seen)


def _judge(node: ast.Call, found: object, *, row: bool, sums: bool) -> Iterator[str]:
    module = str(getattr(found, "__module__", "") or "").partition(".")[0]
    name = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(found, "__name__", "")
    )
    if (
        found in (hash, id, open, input)
        or module in _CHANCE
        or name in _MOMENTS
        or module == "time"
    ):
        yield "not-determined"
    elif row and module == "numpy":
        yield "numpy"
    elif row and found is round:
        yield "row-round"
    elif sums and found is sum:
        yield "float-sum"
    elif sums and name in _SUMS and isinstance(node.func, ast.Attribute):
        receiver = ast.unparse(node.func.value)
        if receiver not in ("train", "outside", "self", "statistics"):
            yield "float-sum"


def _resolve(node: ast.expr, function: types.FunctionType) -> object:
    """Return what a dotted name in a function stands for, None when that is a local value."""
    if isinstance(node, ast.Name):
        if node.id in function.__code__.co_varnames:
            return None
        known = function.__globals__
        return known.get(node.id, vars(sys.modules["builtins"]).get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, function)
        if isinstance(owner, types.ModuleType | type):
            return getattr(owner, node.attr, None)
    return None


def _is_near(found: types.FunctionType, function: types.FunctionType) -> bool:
    if found.__module__ == function.__module__:
        return True
    file = found.__code__.co_filename
    return not found.__module__.startswith("dagrun.") and not is_installed(file)
