"""What values a part may take, as far as its form tells: NaN, and how large a whole number."""

from __future__ import annotations

import json
import math

import polars as pl

from dagrun.stages.lint.part import Part, Scope


def may_be_nan(part: Part, scope: Scope) -> bool:
    """Tell whether a part may be NaN although no input is: inf - inf, log(-1), 0 * inf."""
    dtype = scope.dtype(part)
    if part.constant or (dtype is not None and not dtype.is_float()):
        return False
    below = [may_be_nan(one, scope) for one in part.operands]
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


def fits(part: Part, scope: Scope) -> bool:
    """Tell whether whole numbers are so few and small that their dtype holds the result."""
    dtype, most = scope.dtype(part), _largest(part, scope)
    if dtype is None or not dtype.is_signed_integer() or most is None:
        return False
    return bool(most <= pl.select(dtype.max()).item())  # type: ignore[attr-defined]


def _largest(part: Part, scope: Scope) -> int | None:
    """Return what a whole number or flag does not exceed on either side of 0, None if unknown."""
    if part.constant:
        number = part.number()
        return None if number is None or math.isinf(number) else math.ceil(abs(number))
    if scope.dtype(part) == pl.Boolean():
        return 1
    below = [_largest(one, scope) for one in part.operands[:2]]
    known = [one for one in below if one is not None]
    if len(known) == len(below):
        match part.sort, part.form:
            case "Cast" | "Alias" | "Ternary", _:
                return max(known)
            case "BinaryExpr", {"op": "Plus" | "Minus"}:
                return sum(known)
    return None
