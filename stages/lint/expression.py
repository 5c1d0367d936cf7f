"""Linting the batch twin: its expressions, part by part.

Guarantee: only parts that were measured to give the same bits for one row and for many pass;
a part that nobody has measured is refused. Types are those that Polars infers for the op's kinds
of input. The limit: what guards a part (`when(y != 0)`) is not understood; an op may vouch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from dagrun.stages.lint.part import Part, Scope, function_name, part_of, scope_of, text, walk
from dagrun.stages.lint.regex import is_shared
from dagrun.stages.lint.values import fits, may_be_nan
from dagrun.stages.ops.kind import Kind

_SAFE = frozenset(
    re.findall(
        r"\S+",
        """
        Abs AsStruct Atan2 Ceil Clip Coalesce Exp FillNull Floor Log Log1p MaxHorizontal
        MinHorizontal Negate ReplaceStrict Round Sign SearchSorted ToPhysical Pow.Sqrt
        Boolean.AllHorizontal Boolean.AnyHorizontal Boolean.IsBetween Boolean.IsFinite
        Boolean.IsIn Boolean.IsInfinite Boolean.IsNan Boolean.IsNotNan Boolean.IsNotNull
        Boolean.IsNull Boolean.Not
        Trigonometry.ArcCos Trigonometry.ArcCosh Trigonometry.ArcSin Trigonometry.ArcSinh
        Trigonometry.ArcTan Trigonometry.Cos Trigonometry.Cosh Trigonometry.Degrees
        Trigonometry.Radians Trigonometry.Sin Trigonometry.Sinh Trigonometry.Tan
        Trigonometry.Tanh
        StringExpr.ConcatHorizontal StringExpr.Contains StringExpr.CountMatches
        StringExpr.EndsWith StringExpr.ExtractGroups StringExpr.Head StringExpr.LenBytes
        StringExpr.LenChars StringExpr.Lowercase StringExpr.PadEnd StringExpr.Replace
        StringExpr.ReplaceMany StringExpr.Slice StringExpr.StartsWith
        StringExpr.StripChars StringExpr.StripCharsEnd StringExpr.StripCharsStart
        StringExpr.StripPrefix StringExpr.StripSuffix StringExpr.Strptime StringExpr.Tail
        StringExpr.Titlecase StringExpr.Uppercase StructExpr.FieldByName
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
    "categorical": "Categorical",
    "power": "Pow.Generic",
    "function-differs": "Pow.Cbrt Trigonometry.ArcTanh RoundSF StringExpr.Find StringExpr.Reverse",
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


def refused(
    expressions: Sequence[pl.Expr], kinds: Sequence[Kind], *, row_exact: bool
) -> Iterator[tuple[str, str]]:
    """Yield the rule and the text of each part that is not safe, innermost first."""
    for expression in expressions:
        for part, scope in walk(part_of(expression), scope_of(kinds)):
            for rule in _judge(part, scope, row_exact):
                yield rule, text(part.expression)


def _judge(part: Part, scope: Scope, row_exact: bool) -> Iterator[str]:
    if part.sort != "Alias" and _reads_places(part, scope):
        yield "categorical"
        return
    match part.sort:
        case "Column" | "Field" | "Literal" | "Alias" | "Ternary":
            pass
        case "StructEval" if part.form["variant"] == "WithFields":
            pass
        case "BinaryExpr":
            yield from _operator(part, scope)
        case "Cast":
            yield from _cast(part, scope)
        case "Function":
            yield from _function(part, scope, row_exact)
        case "Gather":
            if not part.operands[0].constant:
                yield "frame-dependent"
        case "Python" | "AnonymousFunction" | "AnonymousAgg":
            yield "python-function"
        case sort if sort in _OF_FRAME:
            yield "frame-dependent"
        case _:
            yield "not-measured"


def _reads_places(part: Part, scope: Scope) -> bool:
    """Tell whether a part takes an Enum, other than for the place among its categories."""
    if part.sort == "Function" and part.form["function"] == "ToPhysical":
        return False
    return any(isinstance(scope.dtype(one), pl.Enum) for one in part.operands)


def _operator(part: Part, scope: Scope) -> Iterator[str]:
    name, (left, right) = part.form["op"], part.operands
    if part.constant:
        return
    dtype = scope.dtype(part)
    whole = dtype is None or dtype.is_integer()
    if name == "TrueDivide" and right.constant:
        yield "divide-by-literal"
    elif name in ("FloorDivide", "Modulus"):
        if not whole:
            yield "remainder-by-literal"
        elif not right.constant or not right.number():
            yield "integer-division"
    elif name in _WRAPPING and whole:
        if not fits(part, scope):
            yield "integer-overflow"
    elif name == "Plus" and 0.0 in (left.number(), right.number()):
        yield "add-zero"
    elif name in _COMPARING and any(may_be_nan(one, scope) for one in part.operands):
        yield "compare-computed"
    elif name not in _PLAIN:
        yield "not-measured"


def _cast(part: Part, scope: Scope) -> Iterator[str]:
    found, wanted = scope.dtype(part.operands[0]), scope.dtype(part)
    if wanted is None or found is None:
        yield "not-measured"
    elif isinstance(wanted, pl.Float32):
        yield "float32"
    elif isinstance(wanted, pl.Enum) and isinstance(found, pl.String):
        if part.form["options"] != "NonStrict":
            yield "categorical"
    elif isinstance(wanted, pl.Categorical | pl.Enum):
        yield "categorical"
    elif isinstance(found, pl.String) and wanted.is_numeric():
        yield "text-to-number"
    elif isinstance(found, pl.String) and wanted.is_temporal():
        yield "date-inference"
    elif isinstance(wanted, pl.String) and not (found.is_integer() or isinstance(found, pl.String)):
        yield "number-to-text"


def _function(part: Part, scope: Scope, row_exact: bool) -> Iterator[str]:
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
        dtype = scope.dtype(first)
        if dtype is not None and dtype.is_integer() and not part.constant:
            yield "integer-overflow"
    elif name in ("MaxHorizontal", "MinHorizontal"):
        dtype = scope.dtype(part)
        if dtype is None or not dtype.is_integer():
            yield "function-differs"
    elif name == "ToPhysical":
        if not isinstance(scope.dtype(first), pl.Enum):
            yield "categorical"
    elif name in _CASE:
        if row_exact:
            yield "case-folding"
    elif name == "StringExpr.ExtractGroups":
        if not is_shared(settings["pat"]):
            yield "regex"
    elif name == "StringExpr.PadEnd":
        if not part.operands[1].constant:
            yield "not-measured"
    elif name == "StringExpr.ReplaceMany":
        if settings["ascii_case_insensitive"] or not _translates(part):
            yield "not-measured"
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


def _translates(part: Part) -> bool:
    """Tell whether different single characters are replaced, as `str.translate` does."""
    if not all(one.constant for one in part.operands[1:]):
        return False
    found = pl.select(part.operands[1].expression).to_series().explode()
    return bool(found.is_unique().all() and (found.str.len_chars() == 1).all())


def _is_literal(settings: Any) -> bool:
    return settings is True or (isinstance(settings, dict) and settings.get("literal") is True)
