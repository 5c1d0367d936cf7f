"""`dagrun predict` by a server: large files, failures in the middle, swaps, TLS, the bar."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import flights
from tests_cli import said_in_terminal

from dagrun.cli.main import main
from dagrun.cli.scorers import BundleChanged, Offline, Online
from dagrun.server.client import Client
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, make_bundle
from dagrun.stages.features import Column, feature_set, one_hot, standardize
from dagrun.stages.train import fit_xgboost

ROWS = 35_000
FEATURES = feature_set(
    standardize("distance", "wind"),
    one_hot("carrier"),
    inputs=[Column(name="distance", dtype="double", nullable=False)],
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    spec, matrix = FEATURES.fit_transform(flights(300), label="late")
    booster = fit_xgboost(matrix, spec.transform(flights(100, seed=1)), seed=0, rounds=5)
    return make_bundle(None, name="late", spec=spec, booster=booster, sample=flights(100))


@pytest.fixture(scope="module")
def server(bundle: Bundle) -> Iterator[Server]:
    with Server(Models([ServedModel("late", bundle)]), ServerSettings(port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def many() -> pl.DataFrame:
    """More rows than are read, or sent, at a time; columns beside those of the model."""
    few = flights(5_000, seed=4)
    kinds = pl.Series("kind", ["a", "b"] * (ROWS // 2))
    return (
        pl.concat([few] * (ROWS // 5_000))
        .with_row_index("id")
        .with_columns(kinds.cast(pl.Enum(["a", "b"])), other=kinds.cast(pl.Categorical))
    )


@pytest.fixture
def folder(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "late.bundle").write_bytes(bundle.to_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_large_file_has_the_bits_order_and_dtypes_of_offline(
    folder: Path, server: Server, many: pl.DataFrame
) -> None:
    many.write_parquet("rows.parquet")
    command = ["predict", "late", "rows.parquet", "-o", "on.parquet", "--target", server.address]
    assert main(command) == 0
    assert main(["predict", "late.bundle", "rows.parquet", "-o", "off.parquet"]) == 0
    online, offline = pl.read_parquet("on.parquet"), pl.read_parquet("off.parquet")
    assert offline.select(many.columns).equals(many)
    assert {name: offline.schema[name] for name in many.columns} == many.schema
    assert online.equals(offline)
    assert online.schema == offline.schema
    assert sorted(path.name for path in folder.iterdir()) == [
        *("late.bundle", "off.parquet", "on.parquet", "rows.parquet")
    ]


def test_what_a_failure_leaves_is_kept_and_the_rest_scored_later(
    folder: Path, server: Server, many: pl.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = many.drop("kind", "other")
    rows.write_parquet("whole.parquet")
    rows.with_columns(
        distance=pl.when(pl.col("id") == 25_000).then(None).otherwise("distance")
    ).write_parquet("rows.parquet")
    common = ["--target", server.address]
    assert main(["predict", "late", "rows.parquet", "-o", "out.parquet", *common]) == 1
    told = capfd.readouterr().err
    assert "20,000 of 35,000 rows had been scored and are in out.rows-0-20000.parquet" in told
    assert not Path("out.parquet").exists()
    again = shlex.split(told[told.index("dagrun predict") :])[1:]
    assert again[again.index("--from-row") + 1] == "20000"
    Path("whole.parquet").replace("rows.parquet")
    assert main(again) == 0
    parts = ["out.rows-0-20000.parquet", "out.rows-20000-on.parquet"]
    assert main(["predict", "late.bundle", "rows.parquet", "-o", "off.parquet"]) == 0
    assert pl.concat(map(pl.read_parquet, parts)).equals(pl.read_parquet("off.parquet"))


def test_no_file_is_scored_by_two_bundles(bundle: Bundle) -> None:
    first = ServedModel("late", bundle)
    second = ServedModel("late", replace(bundle, threshold=0.9))
    with (
        Server(Models([first]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=20) as client,
    ):

        def frames() -> Iterator[pl.DataFrame]:
            for turn in range(20):
                if turn == 10:
                    server.models.replace([second])
                yield flights(10, seed=turn)

        scorer = Online(client, client.model("late"))
        with pytest.raises(BundleChanged, match=f"{second.bundle.digest[:12]}.*late@|MODEL@"):
            list(scorer.scored(frames()))
        again = pl.concat(Online(client, client.model("late")).scored(frames()))
    expected = pl.concat(Offline(second.bundle).scored(flights(10, seed=i) for i in range(20)))
    assert again.equals(expected)


def test_a_swap_in_the_middle_scores_everything_anew(
    folder: Path,
    bundle: Bundle,
    many: pl.DataFrame,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The swap comes with the first table: the model was described before it."""
    other = ServedModel("late", replace(bundle, threshold=0.9))
    with Server(Models([ServedModel("late", bundle)]), ServerSettings(port=0)) as server:
        answer = server.models.get("late")
        swapped = Swapping(answer, lambda: server.models.replace([other]))
        server.models.replace([swapped])
        many.head(1000).write_parquet("rows.parquet")
        command = ["predict", "late", "rows.parquet", "-o", "on.parquet"]
        assert main([*command, "--target", server.address]) == 0
    assert "swapped meanwhile; scoring all rows again" in capfd.readouterr().err
    labels = pl.read_parquet("on.parquet").select((pl.col("probability") >= 0.9) == pl.col("label"))
    assert labels.to_series().all()


def test_the_connection_is_made_as_asked(
    folder: Path, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    flights(3).write_parquet("rows.parquet")
    Path("token").write_text("secret")
    command = ["predict", "late", "rows.parquet", "-o", "on.parquet", "--token-file", "token"]
    assert main([*command, "--target", server.address]) == 0
    assert main([*command, "--target", "models.example:8500"]) == 2
    assert "would be sent unencrypted" in capfd.readouterr().err
    assert main([*command, "--target", server.address, "--tls"]) == 1
    assert main([*command, "--target", server.address, "--tls-cert", "token"]) == 2
    assert "both certificate and key" in capfd.readouterr().err


class Swapping(ServedModel):
    """A model that is gone once it has been described."""

    def __init__(self, model: ServedModel, swap: Callable[[], None]) -> None:
        super().__init__(model.name, model.bundle)
        self._swap = swap

    def described(self):  # type: ignore[no-untyped-def]
        try:
            return super().described()
        finally:
            self._swap()


def test_a_terminal_shows_how_far_it_is(folder: Path, server: Server, many: pl.DataFrame) -> None:
    many.write_parquet("rows.parquet")
    words = ["predict", "late", "rows.parquet", "-o", "on.parquet", "--target", server.address]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said_in_terminal(folder, *words, COLUMNS="120"))
    assert "of 35,000 rows" in text
    assert "left" in text
    assert f"35,000 rows scored with late by {server.address}" in text
