"""Reading the prediction log: what was asked and answered, as a lazy table.

Guarantee: every row of every file that is there, once, raw values and margins with the bits that
were served. Rows come in the order of the files' names, so equal files give equal tables. A file
that a server is still writing is not seen. Where it ends: what a server holds in memory is not in
the log yet, and what it dropped never will be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import polars as pl

from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.sources import Files
from dagrun.stages.bundle.logged import RAW, is_log

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
Moment = dt.datetime | dt.date | str
_DEPTH = 4
"""Names that make a file's place in the log: model, bundle, day and its own."""


class LogMissing(DagrunError):
    """There is no prediction log, or none of this model."""

    def __init__(self, place: str, model: str | None, known: Iterable[str]) -> None:
        self.place, self.model, self.known = place, model, tuple(known)
        what = f"{place} holds no predictions"
        if model is not None and self.known:
            what += (
                f" of a model {model!r}.{nearest(model, self.known)} Models: {listing(self.known)}"
            )
        super().__init__(
            f"{what}; dagrun serve writes them, by default to .dagrun/predictions of the project "
            "(a row comes up to half a minute after its answer)"
        )


class LogColumnsDiffer(DagrunError):
    """Bundles of one log take a column of one name as different types."""

    def __init__(self, column: str, types: Sequence[tuple[str, str]]) -> None:
        self.column, self.types = column, tuple(types)
        found = ", ".join(f"{dtype} in bundle {bundle[:12]}" for bundle, dtype in types)
        super().__init__(f"{column!r} is {found}; read one of them with bundle=...")


def read_prediction_log(
    log: Files | Path | str,
    model: str | None = None,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    bundle: str | None = None,
) -> pl.LazyFrame:
    """Return the logged predictions.

    Args:
        log: the log's folder; or, as a stage's param, `Files` that match its Parquet files, so that
            new files make the stage run again.
        model: the model's name; all models' by default.
        since: only answers from this moment on: a time with its zone, a date (its start in UTC),
            or either as ISO 8601 text. `until` leaves out answers from that moment on.
        bundle: only answers of the bundle with this digest, or whose digest begins so.

    Returns:
        Columns `model` and `bundle` (its digest), those of `dagrun.stages.bundle.logged.OWN`
        (`time`, `request_id`, `key`, `served`, `version`, `arm`, `margin`, `prediction`), and
        each raw column as `raw_` and its name; one that a bundle does not take is null there.

    Raises:
        LogMissing: there is no log, or nothing of that model or bundle in it.
        LogColumnsDiffer: two bundles take a column as different types.
        UnknownVersion: another version of dagrun has written the log.
        DefinitionError: a moment has no zone, or is none.
    """
    start, end = _moment("since", since), _moment("until", until)
    place, paths = _files(log)
    parts: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        name, digest = unquote(_named(path, 3)), _named(path, 2)
        if (model is None or name == model) and digest.startswith(bundle or ""):
            parts.setdefault((name, digest), []).append(path)
    if not parts:
        raise LogMissing(place, model, sorted({unquote(_named(path, 3)) for path in paths}))
    scans = {
        (name, digest): pl.scan_parquet(_within(files, start, end)).select(
            pl.lit(name).alias("model"), pl.lit(digest).alias("bundle"), pl.all()
        )
        for (name, digest), files in parts.items()
    }
    _check_types(scans)
    rows = pl.concat(scans.values(), how="diagonal")
    if start is not None:
        rows = rows.filter(pl.col("time") >= start)
    return rows if end is None else rows.filter(pl.col("time") < end)


def raw_rows(log: Frame) -> Frame:
    """Return the raw columns of a log under the names that the model knows them by."""
    names = log.collect_schema().names()
    raw = [name for name in names if name.startswith(RAW)]
    return log.select(pl.col(name).alias(name.removeprefix(RAW)) for name in raw)


def _files(log: Files | Path | str) -> tuple[str, list[Path]]:
    """Return what the log is called and its files, sorted."""
    if isinstance(log, Files):
        place, found = ", ".join(log.patterns), list(log.find().values())
        paths = [path for path in found if path.suffix == ".parquet" and _is_placed(path)]
    else:
        place, paths = str(log), sorted(Path(log).glob("model=*/bundle=*/day=*/*.parquet"))
    for root in {path.parents[_DEPTH - 1] for path in paths}:
        if not is_log(root):
            raise LogMissing(str(root), None, ())
    return place, paths


def _is_placed(path: Path) -> bool:
    folders = path.parts[-_DEPTH:-1]
    wanted = ("model=", "bundle=", "day=")
    return len(folders) == len(wanted) and all(map(str.startswith, folders, wanted))


def _named(path: Path, place: int) -> str:
    return path.parts[-1 - place].partition("=")[2]


def _within(files: list[Path], start: dt.datetime | None, end: dt.datetime | None) -> list[Path]:
    """Return the files that may have rows between two moments, at least one for its columns."""
    # A file belongs to the day of its first row; its last may be of the next.
    first = "" if start is None else str((start - dt.timedelta(days=1)).date())
    last = "9" if end is None else str(end.date())
    return [path for path in files if first <= _named(path, 1) <= last] or files[-1:]


def _check_types(scans: dict[tuple[str, str], pl.LazyFrame]) -> None:
    seen: dict[str, tuple[str, pl.DataType]] = {}
    for (_, digest), scan in scans.items():
        for column, dtype in scan.collect_schema().items():
            first, known = seen.setdefault(column, (digest, dtype))
            if known != dtype:
                raise LogColumnsDiffer(column, [(first, str(known)), (digest, str(dtype))])


def _moment(name: str, given: Moment | None) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise DefinitionError(f"{name}={given!r} is no time as in ISO 8601") from error
    is_day = isinstance(given, str) and len(given) == len("2013-07-01")
    if isinstance(moment, dt.datetime) and not is_day:
        if moment.tzinfo is None:
            raise DefinitionError(f"{name}={given!r} has no zone; add +00:00, or tzinfo=UTC")
        return moment.astimezone(dt.UTC)
    return None if moment is None else dt.datetime(*moment.timetuple()[:3], tzinfo=dt.UTC)
