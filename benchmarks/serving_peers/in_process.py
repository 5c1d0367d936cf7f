"""Tables scored without any server: what a batch job that imports dagrun reaches on one core.

`python -m serving_peers.in_process KIND CORE FOLDER`, KIND being one of
  in-process         the feature spec, then XGBoost's Python API (one thread), then the sigmoid
  in-process-score   `dagrun.stages.bundle.score`, which walks the trees itself
Asked, it scores the table of 1,000 rows 20 times and answers with the seconds that took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import xgboost

from dagrun.stages.bundle import read_bundle, score
from serving_peers import flights
from serving_peers.control import obey, pin

TIMES = 20


def main() -> None:
    kind, core, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    pin(core)
    bundle = read_bundle(folder / "flights.bundle")
    frame = flights.table()
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray(bundle.booster.ubj))

    def xgboost_scores() -> pl.DataFrame:
        features = bundle.spec.transform(frame)
        matrix = features.select(pl.all().cast(pl.Float32)).to_numpy(order="c")
        margin = model.inplace_predict(matrix, predict_type="margin")
        probability = 1.0 / (1.0 + np.exp(-margin))
        label = probability >= bundle.threshold
        return pl.DataFrame({"probability": probability, "margin": margin, "label": label})

    def own_scores() -> pl.DataFrame:
        return score(bundle, frame, nthread=1)

    scored = own_scores if kind == "in-process-score" else xgboost_scores

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(TIMES):
            scored()
        return time.perf_counter() - start

    obey(0, seconds)


if __name__ == "__main__":
    main()
