"""Whether a lazy plan keeps the order of its rows however it is executed.

Guarantee: a plan of which this is said reads files and computes, filters or selects row by row;
Polars' streaming engine delivers its rows in the order in which the in-memory engine would. What
it reads may also come from a Python source (`register_io_source`), which either engine asks for
one batch after the other. The limit: only such plain plans are recognised. Anything else (joins,
groups, windows, sorts, sums, Python functions, frames in memory, and whatever a future Polars
calls by another name) is taken for one that does not.
"""

from __future__ import annotations

from typing import Any

import polars as pl

# What a node's expressions are called; an unknown name raises, and so the plan is not recognised.
_NODES = {
    "Filter": "predicate",
    "HStack": "exprs",
    "Scan": "predicate",
    "Select": "expr",
    "SimpleProjection": "input",
}
_FUNCTIONS = {
    *("abs", "as_struct", "ceil", "clip", "coalesce", "exp", "fill_null", "floor", "hash", "log"),
    *("pow", "round", "sign", "sqrt"),
}
_FAMILIES = {"StringFunction", "TemporalFunction"}
_BOOLEAN = {
    *("AllHorizontal", "AnyHorizontal", "IsBetween", "IsFinite", "IsIn", "IsInfinite", "IsNan"),
    *("IsNotNan", "IsNotNull", "IsNull", "Not"),
}


def keeps_order(frame: pl.LazyFrame) -> bool:
    """Tell whether the rows of a plan have an order that streaming keeps; False when in doubt.

    Raises what a scanned file that is gone or unreadable makes Polars raise.
    """
    try:
        plan = frame._ldf.visit()
    except (AttributeError, NotImplementedError):
        return False
    try:
        return _keeps(plan, plan.get_node())
    except (AttributeError, NotImplementedError, TypeError, pl.exceptions.ComputeError):
        return False


def _keeps(plan: Any, number: int) -> bool:
    plan.set_node(number)
    node, inputs = plan.view_current_node(), plan.get_inputs()
    kind = type(node).__name__
    if kind == "PythonScan":
        return True
    if kind not in _NODES:
        return False
    found = getattr(node, _NODES[kind])
    expressions = found if isinstance(found, list) else [found]
    if kind != "SimpleProjection" and not all(
        _is_by_row(plan, item.node) for item in expressions if item is not None
    ):
        return False
    return all(_keeps(plan, item) for item in inputs)


def _is_by_row(plan: Any, number: int) -> bool:
    expression = plan.view_expression(number)
    kind = type(expression).__name__
    if kind in ("Column", "Literal"):
        return True
    if kind == "Function":
        return _is_plain(*expression.function_data[:1]) and all(
            _is_by_row(plan, item) for item in expression.input
        )
    parts = {
        "BinaryExpr": ("left", "right"),
        "Ternary": ("predicate", "truthy", "falsy"),
        "Cast": ("expr",),
        "Alias": ("expr",),
    }.get(kind)
    return parts is not None and all(_is_by_row(plan, getattr(expression, p)) for p in parts)


def _is_plain(name: Any) -> bool:
    """Tell whether a function makes each row's value of that row alone."""
    if isinstance(name, str):
        return name in _FUNCTIONS
    family, _, member = str(name).rpartition(".")
    if family == "BooleanFunction":
        return member in _BOOLEAN
    return family in _FAMILIES and member != "ConcatVertical"
