"""The linter's rules: why a form is refused, as measured, and what to write instead.

Guarantee: `tests/stages/lint/` shows for each rule a setting in which the refused form has other
bits (or that the contract bans it), and that the safe form has the same. Numbers were measured
with Polars 2.1 and Python 3.11 on 200,000 doubles, or on all code points of Unicode.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Why a form is refused, and the form to use."""

    why: str
    instead: str


RULES: dict[str, Rule] = {
    "divide-by-literal": Rule(
        why="Polars divides a single row but multiplies many by the reciprocal: x / 3.0 has other "
        "bits for 27 % of the values",
        instead="multiply by the reciprocal in both twins: x[0] * (1.0 / 3.0)",
    ),
    "remainder-by-literal": Rule(
        why="// and % of a double by a literal go through its reciprocal: x % 3.0 of one row has "
        "other bits than of many for 5 % of the values",
        instead="take int64 inputs, or multiply by the reciprocal and take floor()",
    ),
    "integer-division": Rule(
        why="// and % by 0 are null in Polars and raise in Python",
        instead="divide by a literal that is not 0, or cast to Float64 and give null for 0",
    ),
    "integer-overflow": Rule(
        why="integers of Polars wrap: 2**31 as Int32 times 2, 2**63 - 1 plus 1; Python's do not",
        instead="cast to Float64 first, or bound the operands and vouch for it",
    ),
    "add-zero": Rule(
        why="x + 0.0 is skipped in some settings: -0.0 stays -0.0 there and is 0.0 elsewhere",
        instead="leave the addition out when the number is 0.0",
    ),
    "power": Rule(
        why="x ** 2 has other bits than Python's for 129 of 200,000 values, x ** 3 for 38,401, "
        "x ** 0.5 for 163, and -0.0 ** y depends on the number of rows",
        instead="x * x; .sqrt() and math.sqrt; (y * x.log()).exp() and math.exp",
    ),
    "function-differs": Rule(
        why="it does not compute what its namesake in Python does: cbrt has other bits for 102,027 "
        "of 200,000 values, arctanh for 56,315, round to digits for 5,267; max_horizontal and "
        "min_horizontal take the other of 0.0 and -0.0; str.find counts bytes, str.reverse "
        "graphemes",
        instead="write it with +, -, *, comparisons, floor, exp and log, which are the same",
    ),
    "frame-dependent": Rule(
        why="its value depends on the other rows of the frame, and a served row has none",
        instead="compute it from the training rows in fit() and keep it as a field, or a Table",
    ),
    "hash": Rule(
        why="Polars' hash changed between 1.31 and 2.1",
        instead="hash with a specified function over the bytes, or use ordinal or frequency",
    ),
    "python-function": Rule(
        why="a Python function in an expression sees what chunks it is given, and no engine "
        "promises which; it cannot be looked into either",
        instead="expressions in batch(), the Python form in row()",
    ),
    "categorical": Rule(
        why="codes of a Categorical depend on what was seen before, in this process; an Enum "
        "compares by place, not as text, and raises for a text that it lacks",
        instead="keep the categories as a field and look them up: replace_strict, Table, or "
        "x.cast(pl.Enum(categories), strict=False).to_physical()",
    ),
    "text-to-number": Rule(
        why="Polars reads ' 1.5' and '1_000' as null, where Python gives 1.5 and 1000.0",
        instead="take the number from a numeric column, or from an op that parses text",
    ),
    "number-to-text": Rule(
        why="a double or bool as text is written differently: 1e16 and true, in Python 1e+16 and "
        "True",
        instead="compare numbers as numbers; only integers have one text",
    ),
    "date-inference": Rule(
        why="without a format Polars guesses from the rows it sees: 01/02/2024 is 1 February",
        instead="give the format, or parse in a stage and take dates",
    ),
    "time-zone": Rule(
        why="zone rules come from the library's own tables, which end otherwise than the host's: "
        "beyond 2037 some zones have other offsets, and ambiguous local times raise",
        instead="take local time from date_parts, whose zone rules are frozen in the spec",
    ),
    "float32": Rule(
        why="features are rounded to float32 once, at the end: an int64 cast directly rounds once "
        "where float() and float32 round twice (2**60 + 2**36 + 1), and so does later arithmetic",
        instead="stay in Float64; the spec rounds the result",
    ),
    "regex": Rule(
        why="\\w, \\d, \\s, \\b, $, flags and \\p have other meanings in Polars and Python: \\w "
        "for 12,909 code points, \\d for 100, $ before a last line break",
        instead="name the characters, as in [0-9] and [A-Za-z], or take literal=True",
    ),
    "case-folding": Rule(
        why="case follows the Unicode version of the library: lower, upper and title differ for 55 "
        "code points, title inside a word for 142,968",
        instead="set row_exact = False, so that single rows take the batch twin",
    ),
    "strip-default": Rule(
        why="what counts as white space differs for 12 code points (\\x1c to \\x1f and others)",
        instead="name the characters: strip_chars(' \\t\\n') and strip(' \\t\\n')",
    ),
    "compare-computed": Rule(
        why="inf - inf > 0.0 is true in Polars, where NaN is the greatest number, and false in "
        "Python",
        instead="make NaN null first: (a - b).fill_nan(None) > 0.0",
    ),
    "random": Rule(
        why="it gives another value each time",
        instead="derive it from the row's own values, or compute it in a stage with a seed",
    ),
    "not-measured": Rule(
        why="nobody has measured that it gives the same bits for one row and for many",
        instead="the expressions that have been: see docs/howto/write-your-own-op.md",
    ),
    "numpy": Rule(
        why="NumPy's exp differs from Polars' and math's for 9,263 of 200,000 values",
        instead="Python scalars and math",
    ),
    "row-math": Rule(
        why="it is not what Polars computes: math.log10 has other bits for 118,721 of 200,000 "
        "values, math.log2 for 58,238, math.cbrt for 102,027, math.atanh for 56,315",
        instead="math.log(x, 10.0) for x.log(10), math.sqrt, math.exp, math.log1p, ...",
    ),
    "row-round": Rule(
        why="round(x) makes 0 of -0.0, and round(x, 2) rounds the exact decimal, which Polars does "
        "not: 5,267 of 200,000 values differ",
        instead="round(x, 0) for .round(0); no form rounds to digits in both",
    ),
    "row-name": Rule(
        why="the row function finds its inputs, what bind() gave a name, and nan; nothing else",
        instead="bind the object: name = x.bind(math.exp, 'exp')",
    ),
    "float-sum": Rule(
        why="a sum of doubles depends on their order, the number of threads and the version of "
        "Python (sum([0.1] * 10) is 0.9999999999999999 up to 3.11, 1.0 from 3.12)",
        instead="train.mean(values), math.fsum(values); counts.total() for whole numbers",
    ),
    "not-determined": Rule(
        why="it depends on the moment, the process or the machine, not on the training rows",
        instead="make it a setting of the op",
    ),
}
