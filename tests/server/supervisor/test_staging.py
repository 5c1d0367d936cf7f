"""What `staging` points to is tried on the prediction log, and nobody who is served notices."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.server.client import Answer, Client
from dagrun.stages.bundle import Bundle, Registry, make_bundle
from dagrun.stages.features import feature_set, standardize
from dagrun.stages.train import fit_xgboost

Rows = Callable[[int, int], pl.DataFrame]
Serve = Callable[..., Serving]
PATIENCE = 240
"""Seconds for what has a low priority on a busy machine."""


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DAGRUN, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def answers(serving: Serving, frame: pl.DataFrame) -> list[Answer]:
    with Client(serving.address, timeout=30) as client:
        return client.predict("flights", frame.to_dicts())


def needing_more(rows: pl.DataFrame) -> Bundle:
    """Return a version that takes a column which was never sent."""
    wider = rows.with_columns(late=pl.col("distance") > 2500, gate=1.0)
    spec, matrix = feature_set(standardize("gate", "distance")).fit_transform(wider, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=5)
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=wider)


def test_a_version_in_staging_is_replayed_and_what_is_served_stays(
    serve: Serve, registry: Registry, make_rows: Rows, bundle: Bundle, tmp_path: Path
) -> None:
    def staged() -> dict[str, object]:
        done = command(tmp_path, "traffic", "staged", "flights", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    rows = make_rows(40, 11)
    with serve("flights") as first:
        before = answers(first, rows)
    # Moved while no server runs: the next one sees to it.
    registry.set_alias("flights", "staging", 2, reason="try it")
    assert (staged()["due"], staged()["reports"]) == (True, [])
    assert "has not been replayed yet" in command(tmp_path, "traffic", "staged", "flights").stdout
    serving = serve("flights")
    serving.wait_for(r"staging is @2: 40 logged rows replayed, \d+ other labels", seconds=PATIENCE)
    assert answers(serving, rows) == before
    found = staged()
    assert (found["staging"], found["due"]) == (2, False)
    (report,) = found["reports"]  # type: ignore[misc]
    (outcome,) = report["replayed"]
    between = sum(0.4 <= (answer.probability or 0.0) < 0.5 for answer in before)
    assert (outcome["rows"], outcome["margins"], outcome["labels"]) == (40, 0, between)
    assert (outcome["unfaithful"], outcome["logged"]) == (0, bundle_of(registry, 1))
    shown = command(tmp_path, "traffic", "staged", "flights").stdout
    assert "flights@2 (bundle" in shown
    assert "40 rows from " in shown

    registry.register("flights", needing_more(make_rows(600, 5)), reason="another column")
    registry.set_alias("flights", "staging", 4, reason="try this")
    serving.wait_for(r"staging is @4: .*takes gate, which rows logged for", seconds=PATIENCE)
    assert len(staged()["reports"]) == 2  # type: ignore[arg-type]
    # Nothing moved: nothing is replayed again.
    registry.set_alias("flights", "champion", 2, reason="it was good")
    serving.wait_for(r"flights: @1 -> @2 on all workers")
    assert len(staged()["reports"]) == 2  # type: ignore[arg-type]
    assert {answer.model_version for answer in answers(serving, rows)} == {2}
    assert serving.end() == 0
    assert replace(bundle, threshold=0.5).digest == bundle_of(registry, 2)


def bundle_of(registry: Registry, number: int) -> str:
    return registry.version("flights", number).bundle


def test_a_replay_that_was_interrupted_is_begun_again(
    serve: Serve, registry: Registry, make_rows: Rows, tmp_path: Path
) -> None:
    with serve("flights") as first:
        answers(first, make_rows(20, 3))
    registry.set_alias("flights", "staging", 3, reason="try it")
    for _ in range(2):
        with serve("flights"):
            pass  # ends at once, in the middle of the replay or before it
    with serve("flights") as serving:
        serving.wait_for(r"staging is @3: 20 logged rows replayed", seconds=PATIENCE)
    assert "--keep" in command(tmp_path, "replay", "--help").stdout


def test_without_a_log_nothing_is_replayed(serve: Serve, registry: Registry) -> None:
    registry.set_alias("flights", "staging", 2, reason="try it")
    with serve("flights", "--no-log") as serving:
        registry.set_alias("flights", "champion", 3, reason="look twice")
        serving.wait_for(r"flights: @1 -> @3 on all workers")
    assert not [line for line in serving.lines if "staging" in line]
