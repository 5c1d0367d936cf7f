"""The gate file: all that a model must show before it may be published, in one place.

    [auc]
    at_least = 0.65
    confident = true                    # the whole interval must be above, not the number alone

    [log_loss]
    better_than_baseline_by = 0.01      # than every baseline of the report,
    baseline = "constant"               # or than this one

    [slices.carrier.auc]                # of every carrier with so many rows
    at_least = 0.6
    rows = 200

    [fairness.sex.equalized_odds]       # the gap between the groups; "sex+race" for both together
    at_most = 0.1

    [missing.auc]                       # when any one column is null in every row
    worse_by_at_most = 0.05

    [champion.auc]                      # on the same rows
    worse_by_at_most = 0.005

    [size]
    at_most = "5 MB"

    [latency]                           # of one row; the median, or another quantile
    at_most = "1 ms"

    [bootstrap]
    level = 0.95
    resamples = 1000
    seed = 0

The figures of a regression are gated in the same way. A file of plain figures needs a report only;
the other conditions need the bundle and rows with their labels (`dagrun.stages.evaluate.judge`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from dagrun.engine.dispatching.amounts import SettingInvalid, read_amount
from dagrun.engine.errors import listing, nearest
from dagrun.engine.sources import Files
from dagrun.stages import declaration
from dagrun.stages.declaration import DeclarationInvalid, check_table, check_word
from dagrun.stages.evaluate.bootstrap import Bootstrap
from dagrun.stages.evaluate.metrics import Scores
from dagrun.stages.evaluate.regression import LEAST_ROWS, RegressionScores

Kind = Literal["figure", "slices", "fairness", "missing", "champion", "size", "latency"]

FAIRNESS = (
    "demographic_parity",
    "equal_opportunity",
    "equalized_odds",
    "worst_accuracy",
    "worst_precision",
    "worst_recall",
)
"""What `fairness.COLUMN.` may be followed by: three gaps between groups, and the worst group's."""

_NUMBER: tuple[type, ...] = (int, float)
_BOUNDS = {"at_least": _NUMBER, "at_most": _NUMBER, "confident": (bool,)}
_KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "figure": {**_BOUNDS, "better_than_baseline_by": _NUMBER, "baseline": (str,)},
    "slices": {**_BOUNDS, "rows": (int,)},
    "fairness": {**_BOUNDS, "rows": (int,)},
    "missing": {"worse_by_at_most": _NUMBER, "confident": (bool,), "columns": (list,)},
    "champion": {"worse_by_at_most": _NUMBER, "confident": (bool,)},
    "size": {"at_most": (int, str)},
    "latency": {"at_most": (int, float, str), "quantile": _NUMBER, "confident": (bool,)},
}
_BOOTSTRAP = {"level": _NUMBER, "resamples": (int,), "seed": (int,)}
_CONDITIONS = ("at_least", "at_most", "better_than_baseline_by", "worse_by_at_most")
_COMPARABLE = tuple(field.name for field in (*fields(Scores), *fields(RegressionScores)))
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The conditions on one metric; None means "no condition".

    Attributes:
        metric: a name of the report's `figures`; for fairness one of `FAIRNESS`.
        kind: what the metric is of: the model, its slices, groups, a missing column, and so on.
        column: of `slices` and `fairness`, the column, or several joined by `+`.
        at_least: least value that passes; `at_most` the greatest. Bytes for `size`, seconds for
            `latency`.
        better_than_baseline_by: how far the metric must be ahead, in its own unit.
        baseline: the baseline meant; None means every one.
        worse_by_at_most: how far it may fall behind, in its own unit.
        confident: the end of the interval must hold, not the number alone.
        rows: least rows of a slice or group that is judged.
        columns: columns that `missing` means; none for every column that the bundle takes.
        quantile: of `latency`, which one of the measured times.
    """

    metric: str
    kind: Kind = "figure"
    column: str = ""
    at_least: float | None = None
    at_most: float | None = None
    better_than_baseline_by: float | None = None
    baseline: str | None = None
    worse_by_at_most: float | None = None
    confident: bool = False
    rows: int = LEAST_ROWS
    columns: tuple[str, ...] = ()
    quantile: float = 0.5

    @property
    def place(self) -> str:
        """Where it stands in the file, as `auc` or `slices.carrier.auc`."""
        kind = "" if self.kind == "figure" else self.kind
        metric = "" if self.metric == kind else self.metric
        return ".".join(part for part in (kind, self.column, metric) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All conditions, in the file's order, and how intervals are made; see the module's text."""

    gates: tuple[Gate, ...]
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    @classmethod
    def read(cls, source: Files | Path | str) -> Gates:
        """Read the gates' file. Raises `DeclarationInvalid`."""
        file, text = declaration.read(source)
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: str = "gates") -> Gates:
        """Read the gates' text; `file` names it in errors. Raises `DeclarationInvalid`."""
        document = declaration.parse(text, file)
        how = _bootstrap(file, document.pop("bootstrap", {}))
        gates = tuple(
            _gate(file, kind, column, metric, found)
            for name, table in document.items()
            for kind, column, metric, found in _entries(file, name, table)
        )
        if not gates:
            raise DeclarationInvalid(file, "", "has no condition, so it would pass every model")
        return cls(gates=gates, bootstrap=how)


def _entries(file: str, name: str, table: Any) -> Iterator[tuple[Kind, str, str, Any]]:
    """Yield kind, column, metric and conditions of each gate below a table of the file."""
    match name:
        case "slices" | "fairness":
            for column, metrics in _table(file, name, table).items():
                for metric, found in _table(file, f"{name}.{column}", metrics).items():
                    yield name, column, metric, found
        case "missing" | "champion":
            for metric, found in _table(file, name, table).items():
                yield name, "", metric, found
        case "size" | "latency":
            yield name, "", name, table
        case _:
            yield "figure", "", name, table


def _table(file: str, where: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise DeclarationInvalid(file, where, f"must be a table, not {found!r}")
    if not found:
        raise DeclarationInvalid(file, where, "has no condition")
    return found


def _gate(file: str, kind: Kind, column: str, metric: str, found: Any) -> Gate:
    where = Gate(metric=metric, kind=kind, column=column).place
    given = dict(check_table(file, where, found, _KEYS[kind]))
    known = [name for name in _CONDITIONS if name in _KEYS[kind]]
    if not given.keys() & set(known):
        problem = f"has no condition; give {', '.join(known[:-1])}{' or ' * bool(known[1:])}"
        raise DeclarationInvalid(file, where, problem + known[-1])
    if kind == "fairness":
        check_word(file, where, "measure of fairness", metric, FAIRNESS)
    if "better_than_baseline_by" in given and metric not in _COMPARABLE:
        problem = f"baselines have only {listing(_COMPARABLE)}.{nearest(metric, _COMPARABLE)}"
        raise DeclarationInvalid(file, where, problem)
    if "baseline" in given and "better_than_baseline_by" not in given:
        raise DeclarationInvalid(file, where, "baseline means nothing here without a margin")
    if kind in ("size", "latency"):
        given["at_most"] = _amount(file, where, kind, given["at_most"])
    if not 0 < given.get("quantile", 0.5) < 1:
        raise DeclarationInvalid(file, where, "quantile must be between 0 and 1, such as 0.99")
    if "columns" in given:
        given["columns"] = tuple(map(str, given["columns"]))
    return Gate(metric=metric, kind=kind, column=column, **given)


def _amount(file: str, where: str, kind: Kind, given: Any) -> float:
    """Return bytes of a size, seconds of a latency."""
    if kind == "size":
        try:
            return read_amount("memory", given)
        except SettingInvalid as error:
            raise DeclarationInvalid(file, where, str(error).replace("memory", "at_most")) from None
    text = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(\w+)", given) if isinstance(given, str) else None
    if isinstance(given, str) and (text is None or text[2] not in _SECONDS):
        raise DeclarationInvalid(file, where, f"at_most must be a time such as '1 ms', not {given}")
    return float(text[1]) * _SECONDS[text[2]] if text else float(given)


def _bootstrap(file: str, found: Any) -> Bootstrap:
    how = Bootstrap(**check_table(file, "bootstrap", found, _BOOTSTRAP))
    if not (0 < how.level < 1 and how.resamples >= 100 and how.seed >= 0):
        problem = "takes a level between 0 and 1, 100 resamples or more, and a seed from 0"
        raise DeclarationInvalid(file, "bootstrap", problem)
    return how
