"""Three REST servers on FastAPI and uvicorn over one bundle: `rest.py row|api|pandas BUNDLE`.

`row` uses dagrun's own single-row scorer, `api` its row function and XGBoost's Python API,
`pandas` builds a frame per request and transforms it, as tutorials do. All have `/batch`.
"""

from __future__ import annotations

import datetime as dt
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import uvicorn
import xgboost as xgb
from fastapi import FastAPI

from dagrun.stages.bundle import Bundle, RowScorer, read_bundle, score

Row = dict[str, Any]


def scorer_for(kind: str, bundle: Bundle) -> Any:
    """Return a function from one JSON row to its probability."""
    names = [column.name for column in bundle.spec.inputs]
    if kind == "row":
        scorer = RowScorer(bundle)
        return lambda row: scorer.score([row.get(name) for name in names]).probability
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray(bundle.booster.ubj))
    features = bundle.spec.row_function()
    if kind == "api":

        def by_api(row: Row) -> float:
            values = np.array([features([row.get(name) for name in names])], np.float32)
            return float(booster.inplace_predict(values, validate_features=False)[0])

        return by_api

    def by_pandas(row: Row) -> float:
        frame = admitted(bundle, pd.DataFrame([row]).to_dict("records"))
        matrix = bundle.spec.transform(frame).to_pandas()
        return float(booster.predict(xgb.DMatrix(matrix))[0])

    return by_pandas


def admitted(bundle: Bundle, rows: Sequence[Row]) -> pl.DataFrame:
    """Read JSON rows, whose timestamps are microseconds, into the bundle's input columns."""
    types = {"double": pl.Float64, "int64": pl.Int64, "string": pl.String, "bool": pl.Boolean}
    columns = {}
    for column in bundle.spec.inputs:
        values = [row.get(column.name) for row in rows]
        if column.dtype == "timestamp":
            moments = [
                None if value is None else dt.datetime.fromtimestamp(value / 1e6, dt.UTC)
                for value in values
            ]
            columns[column.name] = pl.Series(moments, dtype=pl.Datetime("us", "UTC"))
        else:
            columns[column.name] = pl.Series(values, dtype=types[column.dtype], strict=False)
    return pl.DataFrame(columns)


def main() -> None:
    """Serve until SIGTERM, then print how many calls were answered."""
    kind, bundle = sys.argv[1], read_bundle(sys.argv[2])
    app, predict, answered = FastAPI(), scorer_for(kind, bundle), [0]

    @app.post("/predict")
    async def one(row: Row) -> dict[str, float]:
        answered[0] += 1
        return {"probability": predict(row)}

    @app.post("/batch")
    async def many(rows: list[Row]) -> dict[str, list[float]]:
        answered[0] += 1
        return {"probability": score(bundle, admitted(bundle, rows))["probability"].to_list()}

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(f"ready {listener.getsockname()[1]}", flush=True)
    # uvicorn raises the signal again once it has ended; the count is still to be printed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    config = uvicorn.Config(app, log_level="critical", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
    print(f"answered {answered[0]}", flush=True)


if __name__ == "__main__":
    main()
