"""Row rules as text, such as `arrived >= left or cancelled`: a small grammar, nothing executed.

    or, and, not    ==  !=  <  <=  >  >=  (chained too)    in [1, 2], not in ["a"]
    x is null, x is not null    + - * / %    numbers, "texts", true, false
    abs(x)  min(x, y)  max(x, y)  length(text)  lower(text)  matches(text, "^[A-Z]+$")
    date("2024-03-01")  datetime("2024-03-01T12:00:00Z")  days(x - y), hours, minutes, seconds
    col("a name with spaces")

Guarantee: a rule can only read the row's columns and compute with what is listed; any other word
is an error when the contract is read. A row passes unless the rule is false: as in SQL, a rule
about a null is neither true nor false. NaN counts as null. Whole numbers are computed with 64 bits
(of unsigned ones with 128), a quotient is a float. Where it ends: a product beyond 64 bits wraps.
"""

from __future__ import annotations

import ast
import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from dagrun.engine.errors import listing, nearest

_LONGEST = 2_000
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_COMPUTE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_SPANS = {"days": 86_400e6, "hours": 3_600e6, "minutes": 60e6, "seconds": 1e6}
_FUNCTIONS: dict[str, int] = {
    "abs": 1,
    "min": 2,
    "max": 2,
    "length": 1,
    "lower": 1,
    "matches": 2,
    "date": 1,
    "datetime": 1,
    "col": 1,
    **dict.fromkeys(_SPANS, 1),
}
Schema = Mapping[str, pl.DataType]


class RuleUnreadable(ValueError):
    """A rule's text says what the grammar does not have."""


def read_rule(text: str) -> ast.expr:
    """Return the rule behind a text. Raises `RuleUnreadable` with what is wrong in it."""
    if len(text) > _LONGEST:
        raise RuleUnreadable(f"is longer than {_LONGEST:,} characters")
    try:
        rule = ast.parse(text.strip(), mode="eval").body
        compile_rule(rule, None)
    except SyntaxError as error:
        raise RuleUnreadable(f"{text!r} is no expression: {error.msg}") from error
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, RuleUnreadable):
            raise
        raise RuleUnreadable(f"{text!r} is no expression: {error}") from error
    return rule


def columns_of(rule: ast.expr) -> list[str]:
    """Return the columns that a rule reads, each once."""
    found = dict[str, None]()
    for node in ast.walk(rule):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "col":
                found[_text(node.args[0])] = None
        elif isinstance(node, ast.Name) and node.id not in _WORDS and node.id not in _FUNCTIONS:
            found[node.id] = None
    return list(found)


def compile_rule(rule: ast.expr, schema: Schema | None) -> pl.Expr:
    """Return a rule as a Polars expression over columns of these dtypes.

    Without dtypes it only checks that the grammar has everything. Raises `RuleUnreadable`.
    """
    return _Compiler(schema or {}).visit(rule)


class _Compiler:
    """Turns the nodes of the grammar into expressions; any other node is refused."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def visit(self, node: ast.expr, computing: bool = False) -> pl.Expr:
        """Return a node's expression; `computing`: whole numbers are widened first."""
        match node:
            case ast.BoolOp(op=ast.And()):
                return pl.all_horizontal([self.visit(one) for one in node.values])
            case ast.BoolOp():
                return pl.any_horizontal([self.visit(one) for one in node.values])
            case ast.UnaryOp(op=ast.Not()):
                return ~self.visit(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return -self.visit(node.operand, True)
            case ast.BinOp() if type(node.op) in _COMPUTE:
                left, right = self.visit(node.left, True), self.visit(node.right, True)
                value: pl.Expr = _COMPUTE[type(node.op)](left, right)
                # 0 / 0 is NaN, which Polars would call greater than any number.
                return value.fill_nan(None) if isinstance(node.op, ast.Div) else value
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._call(node, name)
            case ast.Name():
                return (
                    pl.lit(_WORDS[node.id]) if node.id in _WORDS else self._col(node.id, computing)
                )
            case ast.Constant() if isinstance(node.value, int | float | str):
                return pl.lit(node.value)
        raise RuleUnreadable(f"{ast.unparse(node)!r} is not part of the grammar of rules")

    def _col(self, name: str, computing: bool) -> pl.Expr:
        dtype = self._schema.get(name)
        if dtype is not None and dtype.is_float():
            return pl.col(name).fill_nan(None)
        if dtype is not None and dtype.is_integer() and computing:
            return pl.col(name).cast(pl.Int128 if dtype == pl.UInt64 else pl.Int64)
        return pl.col(name)

    def _comparison(self, node: ast.Compare) -> pl.Expr:
        sides = [node.left, *node.comparators]
        parts = [
            self._compare(left, op, right)
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else pl.all_horizontal(parts)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        null = isinstance(right, ast.Name) and right.id == "null"
        if isinstance(op, ast.Is | ast.IsNot):
            if not null:
                raise RuleUnreadable("'is' stands only before null; compare values with ==")
            value = self.visit(left)
            return value.is_null() if isinstance(op, ast.Is) else value.is_not_null()
        if null:
            raise RuleUnreadable("nothing equals null; write: x is null, or x is not null")
        if isinstance(op, ast.In | ast.NotIn):
            if not (isinstance(right, ast.List | ast.Tuple) and right.elts):
                raise RuleUnreadable('after in stands a list of values: in ["a", "b"]')
            values = [self._literal(one) for one in right.elts]
            found = self.visit(left).is_in(values)
            return ~found if isinstance(op, ast.NotIn) else found
        compared: pl.Expr = _COMPARE[type(op)](self.visit(left), self.visit(right))
        return compared

    @staticmethod
    def _literal(node: ast.expr) -> Any:
        try:
            value = ast.literal_eval(node)
        except ValueError:
            value = None
        if not isinstance(value, int | float | str):
            raise RuleUnreadable(f"a list holds numbers or texts, not {ast.unparse(node)!r}")
        return value

    def _call(self, node: ast.Call, name: str) -> pl.Expr:
        if _FUNCTIONS.get(name) != len(node.args):
            known = sorted(_FUNCTIONS)
            takes = f" takes {_FUNCTIONS[name]}" if name in _FUNCTIONS else ""
            hint = takes or f" is unknown.{nearest(name, known)} Functions: {listing(known)}"
            raise RuleUnreadable(f"{name}(){hint}")
        if name in ("col", "date", "datetime"):
            return self._of_text(name, _text(node.args[0]))
        first, *rest = (self.visit(one, name in ("abs", "min", "max")) for one in node.args)
        if name == "matches":
            return first.str.contains(_pattern(_text(node.args[1])))
        if name in ("min", "max"):
            extreme = pl.min_horizontal if name == "min" else pl.max_horizontal
            either = first.is_null() | rest[0].is_null()
            return pl.when(~either).then(extreme(first, *rest))
        if name in _SPANS:
            return first.dt.total_microseconds() / _SPANS[name]
        return {"abs": first.abs, "length": first.str.len_chars, "lower": first.str.to_lowercase}[
            name
        ]()

    def _of_text(self, name: str, text: str) -> pl.Expr:
        if name == "col":
            return self._col(text, computing=True)
        kind = dt.date if name == "date" else dt.datetime
        try:
            return pl.lit(kind.fromisoformat(text))
        except ValueError as error:
            raise RuleUnreadable(f"{name}({text!r}): {error}") from error


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise RuleUnreadable(f"a text in quotes is wanted, not {ast.unparse(node)!r}")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise RuleUnreadable(f"{text!r} is no regular expression: {error}") from error
    return text
