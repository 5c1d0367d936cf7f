"""`dagrun runs export`: runs for other programs, as OpenLineage events, Parquet, or in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from dagrun.cli.lineage import export_events
from dagrun.cli.opening import open_store
from dagrun.engine.history.account import Account, account_of
from dagrun.engine.history.mlflow import Tracker
from dagrun.engine.history.runlog import Runs
from dagrun.engine.history.runtables import TABLES, write_tables
from dagrun.engine.store.store import Store
from dagrun.ui.quantities import counted, short_run
from dagrun.ui.terminal import show


def export_run(
    *,
    run: str,
    every: bool,
    form: str,
    output: str | None,
    namespace: str,
    parquet: str | None,
    mlflow: str | None,
    experiment: str | None,
    pipeline: str | None,
) -> int:
    """Write one run, or with `every` all of them. Raises `UnknownRun` or `TrackerFailed`."""
    if every and not (parquet or mlflow):
        raise click.UsageError("--all goes with --parquet or --mlflow")
    if not (parquet or mlflow):
        return export_events(
            run=run, form=form, output=output, namespace=namespace, pipeline=pipeline
        )
    store = open_store(pipeline)
    if parquet is not None:
        count = 0
        for account in _accounts(store, run, every):
            write_tables(store, account, Path(parquet))
            count += 1
        show(f"wrote {counted(count, 'run')} to {parquet}: {', '.join(TABLES)}")
    if mlflow is not None:
        with Tracker(mlflow) as tracker:
            for account in _accounts(store, run, every):
                told, is_new = tracker.tell(account, experiment)
                known = "" if is_new else " (it was there; what was missing was added)"
                show(f"run {short_run(account.run.run_id)} -> {mlflow} run {told}{known}")
    return 0


def _accounts(store: Store, run: str, every: bool) -> Iterator[Account]:
    runs = Runs(store)
    names = runs.ids() if every else [run]
    return (account_of(store, runs.read(name)) for name in names)
