"""Runs as plain Parquet: one small file for each run and table, readable by anything.

    FOLDER/runs/<run id>.parquet         one row: when, how it ended, commit, seed
    FOLDER/stages/<run id>.parquet       what became of each stage, its key and code version
    FOLDER/params/<run id>.parquet       values as JSON
    FOLDER/metrics/<run id>.parquet      numbers of documents by their place
    FOLDER/data/<run id>.parquet         what sources read, with digests
    FOLDER/artifacts/<run id>.parquet    what was made, with digests, rows and bytes

Guarantee: a file is there whole or not at all, and an export that is done again writes the same
rows to the same files. The limit: tables of runs that were deleted since stay where they are.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagrun.engine.history.account import Account, metrics_of
from dagrun.engine.store.durable import make_folder, write_whole
from dagrun.engine.store.store import Store

_TEXT, _WHOLE, _REAL, _FLAG, _TIME = "text", "whole", "real", "flag", "time"
TABLES: Mapping[str, Mapping[str, str]] = {
    "runs": {
        "pipeline": _TEXT,
        "file": _TEXT,
        "status": _TEXT,
        "started": _TIME,
        "seconds": _REAL,
        "commit": _TEXT,
        "dirty": _FLAG,
        "seed": _WHOLE,
        "targets": _TEXT,
    },
    "stages": {
        "stage": _TEXT,
        "status": _TEXT,
        "key": _TEXT,
        "code": _TEXT,
        "seconds": _REAL,
        "rows": _WHOLE,
        "reason": _TEXT,
        "error": _TEXT,
    },
    "params": {"stage": _TEXT, "param": _TEXT, "value": _TEXT},
    "metrics": {"stage": _TEXT, "metric": _TEXT, "value": _REAL},
    "data": {"stage": _TEXT, "param": _TEXT, "kind": _TEXT, "name": _TEXT, "digest": _TEXT},
    "artifacts": {
        "stage": _TEXT,
        "artifact": _TEXT,
        "digest": _TEXT,
        "blob": _TEXT,
        "rows": _WHOLE,
        "bytes": _WHOLE,
    },
}
"""The columns of each table, after `run_id`."""
_HEADER = ("pipeline", "file", "commit", "dirty", "seed")


def write_tables(store: Store, account: Account, folder: Path) -> list[Path]:
    """Write the tables of one run beneath `folder`; return the files. Raises `StoreUnusable`."""
    import polars as pl

    types = {
        _TEXT: pl.String(),
        _WHOLE: pl.Int64(),
        _REAL: pl.Float64(),
        _FLAG: pl.Boolean(),
        _TIME: pl.Datetime("us", "UTC"),
    }
    run_id, paths = account.run.run_id, []
    rows = _rows(store, account)
    for table, columns in TABLES.items():
        schema = {"run_id": pl.String(), **{name: types[kind] for name, kind in columns.items()}}
        frame = pl.DataFrame(
            [{"run_id": run_id, **row} for row in rows[table]], schema=schema, orient="row"
        )
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        path = folder / table / f"{run_id}.parquet"
        make_folder(path.parent)
        write_whole(path, buffer.getvalue(), path.parent)
        paths.append(path)
    return paths


def _rows(store: Store, account: Account) -> dict[str, list[dict[str, Any]]]:
    run, header = account.run, account.run.header
    started = header.get("started")
    return {
        "runs": [
            {
                **{
                    name: header.get(name)
                    for name in ("pipeline", "file", "commit", "dirty", "seed")
                },
                "status": run.status,
                "seconds": run.seconds,
                "started": None if started is None else dt.datetime.fromtimestamp(started, dt.UTC),
                "targets": ", ".join(header.get("targets", ())),
            }
        ],
        "stages": [
            {
                **{name: line.get(name) for name in ("key", "seconds", "rows", "reason", "error")},
                "stage": stage,
                "status": line["status"],
                "code": account.code.get(stage),
            }
            for stage, line in run.stages.items()
        ],
        "params": list(_params(account)),
        "metrics": list(_metrics(store, account)),
        "data": list(_data(account)),
        "artifacts": list(_artifacts(account)),
    }


def _params(account: Account) -> Iterator[dict[str, Any]]:
    for place, value in account.params.items():
        stage, _, param = place.partition(".")
        yield {"stage": stage, "param": param, "value": json.dumps(value, sort_keys=True)}


def _metrics(store: Store, account: Account) -> Iterator[dict[str, Any]]:
    for stage, step in account.steps.items():
        for artifact, output in step.outputs.items():
            for place, number in metrics_of(store, artifact, output):
                yield {"stage": stage, "metric": place, "value": number}


def _data(account: Account) -> Iterator[dict[str, Any]]:
    for stage, step in account.steps.items():
        for use in step.sources:
            for name, digest in use.files.items():
                found = {"param": use.param, "kind": use.kind, "name": name, "digest": digest}
                yield {"stage": stage, **found}


def _artifacts(account: Account) -> Iterator[dict[str, Any]]:
    for stage, step in account.steps.items():
        for artifact, output in step.outputs.items():
            found = {"digest": output.logical, "blob": output.blob, "rows": output.rows}
            yield {"stage": stage, "artifact": artifact, **found, "bytes": output.size}
