"""`dagrun traffic compare`: how good each arm of an experiment was, by outcomes that came later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from dagrun.cli.documents import show_document
from dagrun.cli.opening import open_store, store_folder
from dagrun.engine.errors import DefinitionError
from dagrun.engine.store.refs import Ref
from dagrun.server.traffic.orders import OrderBook, Orders
from dagrun.stages.bundle import Registry
from dagrun.stages.bundle.logged import OWN, RAW
from dagrun.stages.monitor import (
    ArmFigure,
    ArmResult,
    compare_arms,
    join_outcomes,
    read_prediction_log,
)
from dagrun.ui.columns import aligned
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show


class OutcomesUnreadable(DefinitionError):
    """A file of outcomes cannot be read."""

    def __init__(self, path: Path, problem: object) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read as {path.suffix[1:] or 'CSV'}: {problem}")


class NoExperiment(DefinitionError):
    """A model never had a canary or a split."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} never had arms to compare. Divide its requests with: dagrun traffic split "
            f"{name} --arm NAME=VERSION:PERCENT --reason ..., or name a time with --since"
        )


def compare(
    *,
    name: str,
    outcomes: str,
    on: tuple[str, ...],
    label: str,
    known_at: str,
    within: str | None,
    since: str | None,
    until: str | None,
    log: str | None,
    pipeline: str | None,
    as_json: bool,
) -> int:
    """Compare arms. Raises `DagrunError` for what was given wrongly."""
    store = open_store(pipeline)
    registry = Registry(store)
    task = registry.load(registry.alias(name)).task
    if since is None:
        since, end = _span(name, OrderBook(store).history(name))
        until = until or end
    folder = Path(log) if log else store_folder(pipeline) / "predictions"
    served = read_prediction_log(folder, name, since=since, until=until)
    served = served.filter(pl.col("arm").is_not_null())
    found = _read(Path(outcomes), on, served.collect_schema())
    joined = join_outcomes(
        served.collect(), found, on=on, label=label, known_at=known_at, within=within
    )
    results = compare_arms(joined, label=label, task=task)
    if as_json:
        arms = [
            asdict(one)
            | {"figures": [asdict(each) | {"verdict": each.verdict} for each in one.figures]}
            for one in results
        ]
        show_document({"since": since, "until": until, "task": task, "arms": arms})
        return 0
    show(f"{name} since {since}{f' until {until}' if until else ''}")
    for line in aligned(list(_lines(results)), right=(1, 2)):
        show(f"  {line}")
    return 0


def _span(name: str, history: Sequence[tuple[Orders, Ref]]) -> tuple[str, str | None]:
    """Return when the last experiment began, and when it ended if it did."""
    salts = [_salt(orders) for orders, _ in history]
    last = next((place for place in reversed(range(len(salts))) if salts[place]), None)
    if last is None:
        raise NoExperiment(name)
    first = salts.index(salts[last])
    end = history[last + 1][1].at if last + 1 < len(history) else None
    return history[first][1].at, end


def _salt(orders: Orders) -> str:
    order = orders.canary or orders.split
    return order.salt if order else ""


def _read(path: Path, on: Sequence[str], log: pl.Schema) -> pl.DataFrame:
    """Read outcomes; texts of the log are read as text from a CSV too, as `007`."""
    if path.suffix == ".parquet":
        try:
            return pl.read_parquet(path)
        except pl.exceptions.PolarsError as error:
            raise OutcomesUnreadable(path, error) from error
    types = {name: log.get(name if name in OWN else RAW + name) for name in on}
    texts = {name: pl.String() for name, dtype in types.items() if dtype == pl.String}
    try:
        return pl.read_csv(path, try_parse_dates=True, schema_overrides=texts)
    except pl.exceptions.PolarsError as error:
        raise OutcomesUnreadable(path, error) from error


def _lines(results: Sequence[ArmResult]) -> Iterator[list[str]]:
    for one in results:
        known = f"{one.known:,} of {counted(one.rows, 'row')} known"
        yield [f"{one.arm} @{one.version}", "", "", f"{known}, {counted(one.keys, 'key')}", ""]
        for figure in one.figures:
            yield [
                f"  {figure.name}",
                "-" if figure.value is None else f"{figure.value:.4g}",
                _between(figure.interval),
                _ahead(figure),
                figure.verdict,
            ]


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"


def _ahead(figure: ArmFigure) -> str:
    if figure.ahead is None:
        return ""
    if figure.ahead_interval is None:
        return f"{figure.ahead:+.4g} to the champion"
    low, high = figure.ahead_interval
    return f"{figure.ahead:+.4g} ({low:+.4g} to {high:+.4g}) to the champion"
