"""Reading the log: by model, bundle and moment; and outcomes that came later, joined honestly."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dagrun import Files
from dagrun.engine.errors import DefinitionError, UnknownVersion
from dagrun.stages.bundle.logged import OWN, folder_of, open_log
from dagrun.stages.monitor import LogColumnsDiffer, LogMissing, raw_rows, read_prediction_log

NOON = dt.datetime(2013, 7, 1, 12, tzinfo=dt.UTC)
A, B = "a" * 64, "b" * 64


def rows(times: list[dt.datetime], **raw: object) -> pl.DataFrame:
    own = {name: pl.Series([None] * len(times), dtype=dtype) for name, dtype in OWN.items()}
    return pl.DataFrame(own | {"time": pl.Series(times, dtype=OWN["time"])}).with_columns(
        pl.lit(value).alias(f"raw_{name}") for name, value in raw.items()
    )


def write(root: Path, name: str, bundle: str, frame: pl.DataFrame, model: str = "flights") -> None:
    open_log(root)
    folder = folder_of(root, model, bundle, frame["time"][0].date())
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two bundles of one model over three days, the second with another column; another model."""
    root = tmp_path / "log"
    days = [NOON + dt.timedelta(days=day) for day in range(3)]
    night = dt.datetime(2013, 7, 2, 0, 0, 1, tzinfo=dt.UTC)
    write(root, "1", A, rows([days[0], night], carrier="UA"))
    write(root, "2", A, rows([days[1]], carrier="AA"))
    write(root, "1", B, rows([days[2]], carrier="B6", seats=3))
    write(root, "1", A, rows([NOON], price=1.5), model="houses and more")
    (root / "tmp" / "half.parquet").write_bytes(b"PAR1")
    return root


def test_all_bundles_of_a_model_are_one_table(log: Path) -> None:
    found = read_prediction_log(log, "flights").collect()
    assert found.columns[:2] == ["model", "bundle"]
    assert found["bundle"].to_list() == [A, A, A, B]
    assert found["raw_seats"].to_list() == [None, None, None, 3]
    assert raw_rows(found).columns == ["carrier", "seats"]
    every = read_prediction_log(log).collect()
    assert every["model"].to_list() == ["flights"] * 4 + ["houses and more"]


def test_moments_bound_what_is_read(log: Path) -> None:
    def carriers(**bounds: object) -> list[str]:
        found = read_prediction_log(log, "flights", **bounds)  # type: ignore[arg-type]
        return found.collect()["raw_carrier"].to_list()

    assert carriers(since=NOON) == ["UA", "UA", "AA", "B6"]
    assert carriers(since="2013-07-02") == ["UA", "AA", "B6"]
    assert carriers(since=dt.date(2013, 7, 3)) == ["B6"]
    assert carriers(until=NOON) == []
    assert carriers(until="2013-07-02T00:00:01+00:00") == ["UA"]
    assert carriers(since="2013-07-02T08:00:00-04:00", until="2013-07-03") == ["AA"]
    assert carriers(since="2014-01-01") == []
    assert carriers(bundle="bb") == ["B6"]
    for wrong in (dt.datetime(2013, 7, 1), "2013-07-01T00:00:00", "yesterday"):
        with pytest.raises(DefinitionError, match="since"):
            carriers(since=wrong)


def test_files_as_a_param_read_the_same(log: Path) -> None:
    files = Files("log/**/*").bind(log.parent)
    assert_frame_equal(
        read_prediction_log(files, "flights").collect(),
        read_prediction_log(log, "flights").collect(),
    )


def test_what_is_not_there_is_said(log: Path, tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="Did you mean 'flights'"):
        read_prediction_log(log, "flight")
    with pytest.raises(LogMissing, match="dagrun serve"):
        read_prediction_log(tmp_path)
    with pytest.raises(LogMissing):
        read_prediction_log(log, "flights", bundle="c")
    (log / "format.json").write_text('{"format":2}')
    with pytest.raises(UnknownVersion):
        read_prediction_log(log)


def test_a_column_of_two_types_is_refused_by_name(log: Path) -> None:
    write(log, "3", B, rows([NOON], carrier=7))
    with pytest.raises(LogColumnsDiffer, match=r"raw_carrier.*bundle="):
        read_prediction_log(log, "flights")
