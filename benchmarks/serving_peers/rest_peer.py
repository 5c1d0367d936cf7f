"""The REST contenders: FastAPI on uvicorn (uvloop, httptools), one worker, access log off.

`python -m serving_peers.rest_peer KIND CORE FOLDER`, KIND being one of
  rest-echo     validates the row and answers a constant: what FastAPI itself can do
  rest-row      the very scorer that dagrun's server uses, in an `async def` endpoint
  rest-xgboost  dagrun's row function, then XGBoost's Python API on a NumPy array
  rest-pandas   as tutorials do it: a one-row pandas frame, features in pandas, XGBoost's DMatrix
Each validates the row with a pydantic model and answers the same fields as dagrun. `/table` scores
a JSON list of rows: `rest-row` with `dagrun.stages.bundle.score`, `rest-xgboost` with the row
function and one call of XGBoost's Python API for all rows, `rest-pandas` with one frame.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import uvicorn
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel

from dagrun.stages.bundle import Bundle, RowScorer, read_bundle, score
from serving_peers.control import obey, pin

_EPOCH, _MICROSECOND = dt.datetime(1970, 1, 1), dt.timedelta(microseconds=1)


class Row(BaseModel):
    """One flight, as JSON."""

    carrier: str | None
    origin: str | None
    dest: str | None
    distance: float | None
    wind_speed: float | None
    temp: float | None
    precip: float | None
    seats: int | None
    holiday: bool | None
    sched_dep: dt.datetime | None


Scores = tuple[float, float]
ScoreRow = Callable[[Row], Scores]


def row_scorer(bundle: Bundle) -> ScoreRow:
    """Score with dagrun's own row path."""
    scorer, names = RowScorer(bundle), [column.name for column in bundle.spec.inputs]
    return lambda row: scorer.score(_plain(row, names))


def xgboost_scorer(bundle: Bundle) -> Callable[[list[Row]], list[Scores]]:
    """Score with dagrun's features and XGBoost's Python API: the best that is documented."""
    function, names = bundle.spec.row_function(), [column.name for column in bundle.spec.inputs]
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray(bundle.booster.ubj))

    def scored(rows: list[Row]) -> list[Scores]:
        values = np.array([function(_plain(row, names)) for row in rows], np.float32)
        margins = model.inplace_predict(values, predict_type="margin")
        return list(zip(margins.tolist(), (1.0 / (1.0 + np.exp(-margins))).tolist(), strict=True))

    return scored


def frame_scorer(bundle: Bundle) -> Callable[[list[Row]], list[Scores]]:
    """Score a table with dagrun's own batch path."""
    schema = {column.name: column.frame_dtype for column in bundle.spec.inputs}

    def scored(rows: list[Row]) -> list[Scores]:
        frame = pl.DataFrame([row.model_dump() for row in rows], schema=schema)
        scores = score(bundle, frame, nthread=1).select("margin", "probability")
        return list(scores.iter_rows())

    return scored


def _plain(row: Row, names: list[str]) -> list[Any]:
    """Return the row as `FeatureSpec.row_function` takes it."""
    values = [getattr(row, name) for name in names]
    at = names.index("sched_dep")
    if values[at] is not None:
        values[at] = (values[at] - _EPOCH) // _MICROSECOND
    return values


def answer(bundle: Bundle, margin: float, probability: float) -> dict[str, Any]:
    """Return the fields that dagrun answers."""
    label = probability >= bundle.threshold
    return {
        "probability": probability,
        "margin": margin,
        "label": label,
        "confidence": probability if label else 1.0 - probability,
        "threshold": bundle.threshold,
        "model_version": 1,
        "bundle_digest": bundle.digest,
    }


def application(kind: str, bundle: Bundle, answered: itertools.count[int]) -> FastAPI:
    """Return the application of one kind."""
    app = FastAPI()
    if kind == "rest-pandas":
        from serving_peers.pandas_features import table_scorer

        pandas_scored = table_scorer(bundle)

        # Tutorials write `def`, which FastAPI runs on a pool of threads.
        @app.post("/predict")
        def predict_frame(row: Row) -> dict[str, Any]:
            ((margin, probability),) = pandas_scored([row.model_dump()])
            next(answered)
            return answer(bundle, margin, probability)

        @app.post("/table")
        def predict_frames(rows: list[Row]) -> list[dict[str, Any]]:
            scores = pandas_scored([row.model_dump() for row in rows])
            next(answered)
            return [answer(bundle, *pair) for pair in scores]

        return app
    if kind == "rest-xgboost":
        table_scored = xgboost_scorer(bundle)
        scored: ScoreRow = lambda row: table_scored([row])[0]  # noqa: E731
    else:
        table_scored = frame_scorer(bundle)
        scored = row_scorer(bundle) if kind == "rest-row" else lambda row: (-0.8, 0.3)

    @app.post("/predict")
    async def predict(row: Row) -> dict[str, Any]:
        response = answer(bundle, *scored(row))
        next(answered)
        return response

    @app.post("/table")
    def predict_table(rows: list[Row]) -> list[dict[str, Any]]:
        scores = table_scored(rows)
        next(answered)
        return [answer(bundle, *pair) for pair in scores]

    return app


def main() -> None:
    kind, core, bundle = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) / "flights.bundle"
    pin(core)
    count, asked = itertools.count(), itertools.count()
    config = uvicorn.Config(
        application(kind, read_bundle(bundle), count),
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    obey(port, lambda: next(count) - next(asked))
    server.should_exit = True
    thread.join(10)


if __name__ == "__main__":
    main()
