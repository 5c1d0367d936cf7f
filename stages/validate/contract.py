"""The contract of a table, read from one TOML file that a reviewer can read aloud.

    [table]
    min_rows = 300_000
    unique = [["carrier", "flight", "sched_dep"]]    # each list of columns is a key
    extra_columns = "deny"
    severity = { max_rows = "warn" }                 # or one word for all rules

    [columns.carrier]
    dtype = "string"
    nullable = false
    pattern = "^[A-Z0-9]{2}$"
    severity = "quarantine"

    [columns.distance]
    dtype = "integer"
    min = 0
    max_null_share = 0.01

    [[sums]]
    total = "elapsed"
    parts = ["taxi", "air_time"]
    tolerance = 1

    [[rows]]
    rule = "arrived >= left or cancelled"            # see dagrun.stages.validate.expression

    [[references]]
    columns = ["carrier"]
    table = "airlines"

    [freshness]
    column = "sched_dep"
    max_age = "36h"

    [baseline]                                       # how far from the blessed data it may be
    stop = 0.2

A column that is listed must be there, unless it says `required = false`. Every key is optional.
What says no severity stops the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagrun.engine.sources import Files
from dagrun.stages import declaration
from dagrun.stages.declaration import DeclarationInvalid, check_table, check_word
from dagrun.stages.validate import reading
from dagrun.stages.validate.finding import Severity
from dagrun.stages.validate.rules import (
    BaselineRules,
    ColumnRules,
    Freshness,
    Reference,
    RowRule,
    Severities,
    SumRule,
)

_TABLE_KEYS: dict[str, tuple[type, ...]] = {
    "min_rows": (int,),
    "max_rows": (int,),
    "unique": (list,),
    "extra_columns": (str,),
    "max_bad_share": reading.NUMBERS,
    "severity": (str, dict),
}
_KEYS: dict[str, tuple[type, ...]] = {
    "table": (dict,),
    "columns": (dict,),
    "sums": (list,),
    "rows": (list,),
    "references": (list,),
    "freshness": (dict,),
    "baseline": (dict,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a table must be; see the module's text for the file.

    Attributes:
        columns: rules of the columns, in the file's order.
        min_rows: least number of rows; `max_rows` the greatest, or None.
        unique: keys: no two rows may agree in all columns of one (null agrees with null).
        extra_columns: whether columns that are not listed may be there.
        sums: columns that must add up.
        rows: expressions that must hold in each row.
        references: keys that must be in other tables.
        freshness: how old the newest row may be.
        baseline: how far from a baseline it may be; None: as `BaselineRules()` has it.
        max_bad_share: share of rows that may be quarantined before the table is stopped.
        severity: of the table's own rules, and `"*"` of all that name none.
    """

    columns: tuple[ColumnRules, ...] = ()
    min_rows: int = 0
    max_rows: int | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    extra_columns: bool = True
    sums: tuple[SumRule, ...] = ()
    rows: tuple[RowRule, ...] = ()
    references: tuple[Reference, ...] = ()
    freshness: Freshness | None = None
    baseline: BaselineRules | None = None
    max_bad_share: float = 0.05
    severity: Severities = ()

    @classmethod
    def read(cls, source: Files | Path | str) -> Contract:
        """Read a contract's file. Raises `DeclarationInvalid`."""
        file, text = declaration.read(source)
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: str = "contract") -> Contract:
        """Read a contract's text; `file` names it in errors. Raises `DeclarationInvalid`."""
        document = check_table(file, "", declaration.parse(text, file), _KEYS)
        table = check_table(file, "table", document.get("table", {}), _TABLE_KEYS)
        extra = table.get("extra_columns", "allow")
        check_word(file, "table", "choice for extra_columns", extra, ("allow", "deny"))
        share = table.get("max_bad_share", 0.05)
        if not 0 <= share <= 1:
            raise DeclarationInvalid(file, "table", f"max_bad_share is {share}; give 0 to 1")
        columns, fresh = document.get("columns", {}), document.get("freshness")
        rows = [reading.row_rule(file, n, one) for n, one in _numbered(document, "rows")]
        contract = cls(
            columns=tuple(reading.column_rules(file, *each) for each in columns.items()),
            min_rows=table.get("min_rows", 0),
            max_rows=table.get("max_rows"),
            unique=tuple(
                reading.names(file, "table: unique", key) for key in table.get("unique", ())
            ),
            extra_columns=extra == "allow",
            sums=tuple(reading.sum_rule(file, n, one) for n, one in _numbered(document, "sums")),
            rows=tuple(rule for rule, _ in rows),
            references=tuple(
                reading.reference(file, n, one) for n, one in _numbered(document, "references")
            ),
            freshness=None if fresh is None else reading.freshness(file, fresh),
            baseline=reading.baseline_rules(file, document["baseline"])
            if "baseline" in document
            else None,
            max_bad_share=float(share),
            severity=reading.severities(
                file,
                "table",
                table.get("severity"),
                ["min_rows", "max_rows", "unique", "extra_columns"],
            ),
        )
        for n, (_, read) in enumerate(rows, 1):
            for name in read:
                check_word(file, f"rows, number {n}", "column", name, columns)
        for where, name in contract._named():
            check_word(file, where, "column", name, columns)
        return contract

    def _named(self) -> Iterator[tuple[str, str]]:
        """Yield `(place, column)` for each column that a rule outside `[columns]` names."""
        for key in self.unique:
            yield from (("table", name) for name in key)
        for rule in self.sums:
            yield from (("sums", name) for name in (rule.total, *rule.parts))
        for to in self.references:
            yield from (("references", name) for name in to.columns)
        if self.freshness is not None:
            yield "freshness", self.freshness.column
        for name in (self.baseline and self.baseline.columns) or ():
            yield "baseline", name

    def grade(self, rule: str, *own: Severities | Severity | None, rows: bool = True) -> Severity:
        """Return how grave it is to break a rule: what it says itself, else what stands above it.

        `rows` tells whether single rows break it; the others stop where rows would be quarantined.
        """
        for said in (*own, dict(self.severity).get("*")):
            named = {"*": said} if isinstance(said, str) else dict(said or ())
            severity = named.get(rule, named.get("*"))
            if severity is not None:
                return "stop" if severity == "quarantine" and not rows else severity
        return "stop"


def _numbered(document: dict[str, list[object]], key: str) -> Iterator[tuple[int, object]]:
    return enumerate(document.get(key, ()), 1)
