"""Reading the parts of a contract's file into rules, each checked where it stands."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from dagrun.stages.declaration import DeclarationInvalid, check_table, check_word
from dagrun.stages.validate.expression import RuleUnreadable, columns_of, read_rule
from dagrun.stages.validate.finding import SEVERITIES, Severity
from dagrun.stages.validate.rules import (
    DTYPES,
    BaselineRules,
    ColumnRules,
    Freshness,
    Reference,
    RowRule,
    Severities,
    SumRule,
)

NUMBERS = (int, float)
_BOUNDS = (int, float, dt.date, dt.datetime)
_SEVERITY = {"severity": (str,)}
_COLUMN_KEYS: dict[str, tuple[type, ...]] = {
    "dtype": (str,),
    "required": (bool,),
    "nullable": (bool,),
    "max_null_share": NUMBERS,
    "min": _BOUNDS,
    "max": _BOUNDS,
    "allowed": (list,),
    "pattern": (str,),
    "unique": (bool,),
    "severity": (str, dict),
}
_NOT_OF_ROWS = ("dtype", "required", "max_null_share", "min_rows", "max_rows", "extra_columns")
_SPANS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def column_rules(file: str, name: str, found: Any) -> ColumnRules:
    """Read the rules of one column."""
    where = f"columns.{name}"
    rules = dict(check_table(file, where, found, _COLUMN_KEYS))
    dtype = rules.get("dtype")
    if dtype is not None:
        check_word(file, where, "dtype", dtype, DTYPES)
    share = rules.get("max_null_share", 0)
    if not 0 <= share <= 1:
        raise DeclarationInvalid(file, where, f"max_null_share is {share}; give 0 to 1")
    if share and not rules.get("nullable", True):
        raise DeclarationInvalid(file, where, "nullable = false leaves no max_null_share")
    _check_bounds(file, where, rules)
    try:
        re.compile(rules.get("pattern", ""))
    except re.error as error:
        problem = f"pattern {rules['pattern']!r} is no regular expression: {error}"
        raise DeclarationInvalid(file, where, problem) from error
    if "pattern" in rules and dtype != "string":
        raise DeclarationInvalid(file, where, 'pattern needs dtype = "string"')
    if "allowed" in rules:
        rules["allowed"] = tuple(rules["allowed"])
        if len({type(value) for value in rules["allowed"]}) != 1:
            raise DeclarationInvalid(file, where, "allowed must list values of one type")
    known = [key for key in _COLUMN_KEYS if key != "severity"]
    rules["severity"] = severities(file, where, rules.get("severity"), known)
    return ColumnRules(name=name, **rules)


_BOUNDED: dict[str, tuple[type, ...]] = {"date": (dt.date,), "timestamp": (dt.datetime,)}


def _check_bounds(file: str, where: str, rules: dict[str, Any]) -> None:
    bounds = [key for key in ("min", "max") if key in rules]
    for key in bounds:
        fits = _BOUNDED.get(rules.get("dtype", ""), NUMBERS)
        usable = type(rules[key]) in fits and rules[key] == rules[key]
        if rules.get("dtype") in (None, "string", "bool") or not usable:
            problem = (
                f"{key} = {rules[key]} needs a dtype that it can be compared with: a number for "
                "integers and floats, a date for date, a date with time for timestamp"
            )
            raise DeclarationInvalid(file, where, problem)
    if len(bounds) == 2 and rules["min"] > rules["max"]:
        problem = f"min {rules['min']} is greater than max {rules['max']}"
        raise DeclarationInvalid(file, where, problem)


def severities(file: str, where: str, found: Any, rules: list[str]) -> Severities:
    """Read a severity for all rules, or a table of them by rule."""
    if found is None:
        return ()
    if isinstance(found, str):
        return (("*", _severity(file, where, found)),)
    for rule, word in found.items():
        check_word(file, f"{where}: severity", "rule", rule, rules)
        if _severity(file, where, word) == "quarantine" and rule in _NOT_OF_ROWS:
            problem = f"{rule} is about no single rows, so it cannot quarantine them"
            raise DeclarationInvalid(file, where, problem)
    return tuple(found.items())


def _severity(file: str, where: str, word: Any, known: tuple[str, ...] = SEVERITIES) -> Severity:
    check_word(file, where, "severity", word if isinstance(word, str) else str(word), known)
    severity: Severity = word
    return severity


def of_table(file: str, where: str, rule: Mapping[str, Any]) -> Severity | None:
    """Read the severity of a rule about the table as a whole."""
    word = rule.get("severity")
    return None if word is None else _severity(file, where, word, ("warn", "stop"))


def of_rows(file: str, where: str, rule: Mapping[str, Any]) -> Severity | None:
    """Read the severity of a rule about rows."""
    word = rule.get("severity")
    return None if word is None else _severity(file, where, word)


def sum_rule(file: str, number: int, found: Any) -> SumRule:
    """Read one of `[[sums]]`."""
    where = f"sums, number {number}"
    keys = {"total": (str,), "parts": (list,), "tolerance": NUMBERS, **_SEVERITY}
    rule = check_table(file, where, found, keys)
    _need(file, where, rule, "total", "parts")
    return SumRule(
        total=rule["total"],
        parts=names(file, where, rule["parts"]),
        tolerance=float(rule.get("tolerance", 0)),
        severity=of_rows(file, where, rule),
    )


def row_rule(file: str, number: int, found: Any) -> tuple[RowRule, list[str]]:
    """Read one of `[[rows]]`, and the columns that it reads."""
    where = f"rows, number {number}"
    rule = check_table(file, where, found, {"rule": (str,), "name": (str,), **_SEVERITY})
    _need(file, where, rule, "rule")
    try:
        columns = columns_of(read_rule(rule["rule"]))
    except RuleUnreadable as error:
        raise DeclarationInvalid(file, where, f"rule {error}") from error
    severity = of_rows(file, where, rule)
    return RowRule(rule=rule["rule"], name=rule.get("name", ""), severity=severity), columns


def reference(file: str, number: int, found: Any) -> Reference:
    """Read one of `[[references]]`."""
    where = f"references, number {number}"
    keys = {"columns": (list,), "table": (str,), "key": (list,), **_SEVERITY}
    rule = check_table(file, where, found, keys)
    _need(file, where, rule, "columns", "table")
    columns = names(file, where, rule["columns"])
    key = names(file, where, rule.get("key", rule["columns"]))
    if len(key) != len(columns):
        raise DeclarationInvalid(file, where, "columns and key must be of one length")
    severity = of_rows(file, where, rule)
    return Reference(columns=columns, table=rule["table"], key=key, severity=severity)


def freshness(file: str, found: Any) -> Freshness:
    """Read `[freshness]`."""
    where = "freshness"
    keys = {"column": (str,), "max_age": (str,), "max_ahead": (str,), **_SEVERITY}
    rule = check_table(file, where, found, keys)
    _need(file, where, rule, "column", "max_age")
    ahead = rule.get("max_ahead")
    return Freshness(
        column=rule["column"],
        max_age=_span(file, where, rule["max_age"]),
        max_ahead=None if ahead is None else _span(file, where, ahead),
        severity=of_table(file, where, rule),
    )


def _span(file: str, where: str, text: str) -> dt.timedelta:
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([dhms])", text.strip())
    if parts is None:
        problem = f"{text!r} is no length of time; write 36h, 2d, 15m or 30s"
        raise DeclarationInvalid(file, where, problem)
    return dt.timedelta(seconds=float(parts[1]) * _SPANS[parts[2]])


def baseline_rules(file: str, found: Any) -> BaselineRules:
    """Read `[baseline]`."""
    where = "baseline"
    numbers = dict.fromkeys(("warn", "stop", "null_share", "mean", "new_categories"), NUMBERS)
    keys = {"columns": (list,), "measure": (str,), "rows": (list,), **numbers, **_SEVERITY}
    rule = dict(check_table(file, where, found, keys))
    if "measure" in rule:
        check_word(file, where, "measure", rule["measure"], ("psi", "js"))
    if "columns" in rule:
        rule["columns"] = names(file, where, rule["columns"])
    if "rows" in rule:
        low_high = tuple(rule["rows"])
        if [type(one) in NUMBERS for one in low_high] != [True, True] or low_high[0] > low_high[1]:
            raise DeclarationInvalid(file, where, "rows must be two factors, such as [0.5, 2]")
        rule["rows"] = (float(low_high[0]), float(low_high[1]))
    for name in numbers:
        if name in rule and not rule[name] >= 0:
            raise DeclarationInvalid(file, where, f"{name} is {rule[name]}; give 0 or more")
    rule["severity"] = of_table(file, where, rule)
    rule |= {name: float(rule[name]) for name in numbers if name in rule}
    rules = BaselineRules(**rule)
    if rules.warn > rules.stop:
        problem = f"warn {rules.warn:g} is greater than stop {rules.stop:g}"
        raise DeclarationInvalid(file, where, problem)
    return rules


def names(file: str, where: str, found: Any) -> tuple[str, ...]:
    """Read a list of column names."""
    if not (isinstance(found, list) and found and all(isinstance(name, str) for name in found)):
        raise DeclarationInvalid(file, where, f"must list columns, not {found!r}")
    return tuple(found)


def _need(file: str, where: str, rule: Mapping[str, Any], *keys: str) -> None:
    if not rule.keys() >= set(keys):
        raise DeclarationInvalid(file, where, f"needs {' and '.join(keys)}")
