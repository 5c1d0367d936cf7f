"""Linting the batch twin: its expressions, part by part.

Guarantee: only parts that were measured to give the same bits for one row and for many pass;
a part that nobody has measured is refused. Types are those that Polars infers for the op's kinds
of input. The limit: what guards a part (`when(y != 0)`) is not understood; an op may vouch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dagrun.stages.lint.regex import is_shared
from dagrun.stages.ops.kind import Kind

_DTYPES: dict[Kind, pl.DataType] = {
    "double": pl.Float64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
}
"""The dtype of a kind in the batch twin; Int64 for all others."""

_SAFE = frozenset(
    re.findall(
        r"\S+",
        """
        Abs Atan2 Ceil Clip Coalesce Exp FillNull Floor Log Log1p Negate ReplaceStrict Round Sign
        SearchSorted Pow.Sqrt
        Boolean.AllHorizontal Boolean.AnyHorizontal Boolean.IsBetween Boolean.IsFinite
        Boolean.IsIn Boolean.IsInfinite Boolean.IsNan Boolean.IsNotNan Boolean.IsNotNull
        Boolean.IsNull Boolean.Not
        Trigonometry.ArcCos Trigonometry.ArcCosh Trigonometry.ArcSin Trigonometry.ArcSinh
        Trigonometry.ArcTan Trigonometry.Cos Trigonometry.Cosh Trigonometry.Degrees
        Trigonometry.Radians Trigonometry.Sin Trigonometry.Sinh Trigonometry.Tan
        Trigonometry.Tanh
        StringExpr.ConcatHorizontal StringExpr.Contains StringExpr.CountMatches
        StringExpr.EndsWith StringExpr.Head StringExpr.LenBytes StringExpr.LenChars
        StringExpr.Lowercase StringExpr.Replace StringExpr.Slice StringExpr.StartsWith
        StringExpr.StripChars StringExpr.StripCharsEnd StringExpr.StripCharsStart
        StringExpr.StripPrefix StringExpr.StripSuffix StringExpr.Strptime StringExpr.Tail
        StringExpr.Titlecase StringExpr.Uppercase
        TemporalExpr.Day TemporalExpr.IsoYear TemporalExpr.Month TemporalExpr.OrdinalDay
        TemporalExpr.Quarter TemporalExpr.Week TemporalExpr.WeekDay TemporalExpr.Year
        """,
    )
)
"""Functions of one row that pass, some of them with settings that are looked at below."""

_REFUSED = {
    "frame-dependent": "Append ArgMax ArgMin ArgSort ArgUnique ArgWhere BackwardFill Bitwise.And "
    "Bitwise.Or Bitwise.Xor Boolean.All Boolean.Any Boolean.IsDuplicated Boolean.IsFirstDistinct "
    "Boolean.IsLastDistinct Boolean.IsUnique Correlation CumCount CumMax CumMean CumMin CumProd "
    "CumSum Cut Diff DropNans DropNulls Entropy EwmMean EwmMeanBy EwmStd EwmVar ExtendConstant "
    "FillNullWithStrategy GatherEvery Hist IndexOf Interpolate InterpolateBy Kurtosis LowerBound "
    "Mode NullCount PctChange PeakMax PeakMin Product QCut Quantile RLE RLEID Range Rank Repeat "
    "Reshape Reverse RollingExpr RollingExprBy Shift ShiftAndFill Skew TopK TopKBy Unique "
    "UniqueCounts UpperBound ValueCounts",
    "hash": "Hash",
    "random": "Random",
    "categorical": "Categorical ToPhysical",
    "power": "Pow.Generic",
    "function-differs": "Pow.Cbrt Trigonometry.ArcTanh RoundSF MaxHorizontal MinHorizontal "
    "StringExpr.Find StringExpr.Reverse",
    "text-to-number": "StringExpr.ToInteger StringExpr.ToDecimal",
    "time-zone": "TemporalExpr.BaseUtcOffset TemporalExpr.ConvertTimeZone "
    "TemporalExpr.DSTOffset TemporalExpr.ReplaceTimeZone",
}
_RULE_OF = {name: rule for rule, names in _REFUSED.items() for name in names.split()}
_OF_FRAME = {"Agg", "Over", "Rolling", "Sort", "SortBy", "Filter", "Slice", "Explode", "Len"}
_CASE = {"StringExpr.Lowercase", "StringExpr.Uppercase", "StringExpr.Titlecase"}
_PATTERNS = {"Contains", "CountMatches", "Extract", "Replace"}
_WRAPPING = {"Plus", "Minus", "Multiply"}
_COMPARING = {"Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq", "EqValidity", "NotEqValidity"}
_PLAIN = {*_WRAPPING, *_COMPARING, "And", "Or", "Xor", "LogicalAnd", "LogicalOr", "TrueDivide"}


@dataclass(frozen=True, slots=True)
class Part:
    """One node of an expression tree: its sort, what Polars says of it, and its operands."""

    expression: pl.Expr
    sort: str
    form: Any
    operands: tuple[Part, ...]

    @property
    def constant(self) -> bool:
        """Whether no column is read."""
        return not self.expression.meta.root_names()

    def dtype(self, schema: dict[str, pl.DataType]) -> pl.DataType | None:
        """Return the dtype of the part; None when Polars cannot tell."""
        try:
            frame = pl.LazyFrame(schema=schema)
            return frame.select(self.expression.alias("value")).collect_schema()["value"]
        except pl.exceptions.PolarsError:
            return None

    def number(self) -> float | None:
        """Return the value of a constant number, else None."""
        if not self.constant:
            return None
        try:
            value = pl.select(self.expression.alias("value")).item()
        except (ValueError, pl.exceptions.PolarsError):
            return None
        return float(value) if isinstance(value, int | float) else None


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


def refused(
    expressions: Sequence[pl.Expr], kinds: Sequence[Kind], *, row_exact: bool
) -> Iterator[tuple[str, str]]:
    """Yield the rule and the text of each part that is not safe, innermost first."""
    schema = {input_name(place): _dtype(kind) for place, kind in enumerate(kinds)}
    for expression in expressions:
        for part in _walk(part_of(expression)):
            for rule in _judge(part, schema, row_exact):
                yield rule, text(part.expression)


def input_name(place: int) -> str:
    """Return the column name under which an op is given its inputs to be linted."""
    return f"x[{place}]"


def _dtype(kind: Kind) -> pl.DataType:
    return _DTYPES.get(kind, pl.Int64())


def _walk(part: Part) -> Iterator[Part]:
    for operand in part.operands:
        yield from _walk(operand)
    yield part


def text(expression: pl.Expr) -> str:
    """Return an expression for people, its inputs as `x[0]`, at most 120 characters."""
    plain = re.sub(r'col\("(x\[\d+\])"\)', r"\1", str(expression))
    plain = re.sub(r"\(?dyn (?:float|int): ([^)\] ]+)\)?", r"\1", plain).replace("\n", " ")
    plain = re.sub(r"\((x\[\d+\])\)", r"\1", plain)
    return plain if len(plain) <= 120 else plain[:117] + "..."


def _judge(part: Part, schema: dict[str, pl.DataType], row_exact: bool) -> Iterator[str]:
    match part.sort:
        case "Column" | "Literal" | "Alias" | "Ternary":
            pass
        case "BinaryExpr":
            yield from _operator(part, schema)
        case "Cast":
            yield from _cast(part, schema)
        case "Function":
            yield from _function(part, schema, row_exact)
        case "Gather":
            if not part.operands[0].constant:
                yield "frame-dependent"
        case "Python" | "AnonymousFunction" | "AnonymousAgg":
            yield "python-function"
        case sort if sort in _OF_FRAME:
            yield "frame-dependent"
        case _:
            yield "not-measured"


def _operator(part: Part, schema: dict[str, pl.DataType]) -> Iterator[str]:
    name, (left, right) = part.form["op"], part.operands
    if part.constant:
        return
    dtype = part.dtype(schema)
    whole = dtype is None or dtype.is_integer()
    if name == "TrueDivide" and right.constant:
        yield "divide-by-literal"
    elif name in ("FloorDivide", "Modulus"):
        if not whole:
            yield "remainder-by-literal"
        elif not right.constant or not right.number():
            yield "integer-division"
    elif name in _WRAPPING and whole:
        yield "integer-overflow"
    elif name == "Plus" and 0.0 in (left.number(), right.number()):
        yield "add-zero"
    elif name in _COMPARING and any(may_be_nan(one, schema) for one in part.operands):
        yield "compare-computed"
    elif name not in _PLAIN:
        yield "not-measured"


def may_be_nan(part: Part, schema: dict[str, pl.DataType]) -> bool:
    """Tell whether a part may be NaN although no input is: inf - inf, log(-1), 0 * inf."""
    dtype = part.dtype(schema)
    if part.constant or (dtype is not None and not dtype.is_float()):
        return False
    below = [may_be_nan(one, schema) for one in part.operands]
    match part.sort, part.form:
        case "Column", _:
            return False
        case "Ternary", _:
            return not _nulls_nan(part) and any(below[:2])
        case "BinaryExpr", {"op": "Plus" | "Minus" | "Multiply" as name}:
            numbers = [one.number() for one in part.operands]
            finite = [one for one in numbers if one is not None and one - one == 0.0]
            harmless = bool(finite) and (name != "Multiply" or 0.0 not in finite)
            return any(below) or not harmless
        case "Function", {"function": "Exp" | "Abs" | "Negate" | "FillNull" | "ReplaceStrict"}:
            return any(below)
        case "Cast" | "Gather" | "Alias", _:
            return any(below)
        case _:
            return True


def _nulls_nan(part: Part) -> bool:
    """Tell whether a choice is what Polars makes of `fill_nan(None)`."""
    return "IsNotNan" in json.dumps(part.form.get("predicate", "")) and "Null" in str(
        part.form.get("falsy")
    )


def _cast(part: Part, schema: dict[str, pl.DataType]) -> Iterator[str]:
    found, wanted = part.operands[0].dtype(schema), part.dtype(schema)
    if wanted is None or found is None:
        yield "not-measured"
    elif isinstance(wanted, pl.Float32):
        yield "float32"
    elif isinstance(wanted, pl.Categorical | pl.Enum):
        yield "categorical"
    elif isinstance(found, pl.String) and wanted.is_numeric():
        yield "text-to-number"
    elif isinstance(found, pl.String) and wanted.is_temporal():
        yield "date-inference"
    elif isinstance(wanted, pl.String) and not (found.is_integer() or isinstance(found, pl.String)):
        yield "number-to-text"


def _function(part: Part, schema: dict[str, pl.DataType], row_exact: bool) -> Iterator[str]:
    name, settings = function_name(part.form["function"])
    first = part.operands[0]
    if name not in _SAFE:
        head = name.partition(".")[0]
        yield _RULE_OF.get(name) or _RULE_OF.get(head) or "not-measured"
    elif name == "Round":
        if settings != {"decimals": 0, "mode": "HalfToEven"}:
            yield "function-differs"
    elif name == "SearchSorted":
        if not first.constant:
            yield "frame-dependent"
    elif name in ("Abs", "Negate"):
        dtype = first.dtype(schema)
        if dtype is not None and dtype.is_integer() and not part.constant:
            yield "integer-overflow"
    elif name in _CASE:
        if row_exact:
            yield "case-folding"
    elif name == "StringExpr.Strptime":
        if settings[1].get("format") is None:
            yield "date-inference"
    elif name.startswith("StringExpr.StripChars"):
        if '"Null"' in json.dumps(part.form["input"][1]):
            yield "strip-default"
    elif name.partition(".")[2] in _PATTERNS and not _is_literal(settings):
        pattern = part.form["input"][1].get("Literal", {}).get("Scalar", {}).get("String")
        if pattern is None or not is_shared(pattern):
            yield "regex"


def _is_literal(settings: Any) -> bool:
    return settings is True or (isinstance(settings, dict) and settings.get("literal") is True)


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
