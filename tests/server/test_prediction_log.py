"""The prediction log: everything served is in it, whatever the disk and the load do."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import polars as pl
import pytest

from dagrun.engine.errors import UnknownVersion
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.observe.prediction_log import PredictionLog
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, score
from dagrun.stages.monitor import raw_rows, read_prediction_log

Row = Callable[..., dict[str, object]]
Rows = Callable[[int, int], pl.DataFrame]
PREDICT = "/dagrun.v1.Prediction/Predict"


def log_of(folder: Path) -> pl.DataFrame:
    return read_prediction_log(folder, "flights").collect()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("model=*/**/*.parquet"))


def test_what_is_served_is_logged_bit_by_bit(
    served: ServedModel, bundle: Bundle, make_rows: Rows, tmp_path: Path
) -> None:
    frame = make_rows(60, 7)
    rows = frame.to_dicts()
    rows[0]["wind_speed"] = float("nan")
    before = dt.datetime.now(dt.UTC)
    settings = ServerSettings(port=0, prediction_log=str(tmp_path / "log"))
    with Server(Models([served]), settings) as server, Client(server.address) as client:
        single = [client.predict("flights", [row])[0] for row in rows[:20]]
        many = client.predict("flights", rows[20:40])
        client.predict("flights", [])
        client.predict_table("flights", frame[40:])
    log = log_of(tmp_path / "log")
    assert log.height == 60
    assert server.log is not None
    assert (server.log.counts.written, server.log.counts.dropped) == (60, 0)
    expected = score(bundle, frame)
    assert log["margin"].to_list() == expected["margin"].to_list()
    assert log["prediction"].to_list() == expected["probability"].to_list()
    assert [a.margin for a in (*single, *many)] == log["margin"][:40].to_list()
    raw = raw_rows(log)
    assert raw["wind_speed"][0] != raw["wind_speed"][0]
    columns = [column.name for column in bundle.spec.inputs]
    assert raw[1:].equals(frame.select(columns)[1:])
    assert log["bundle"].unique().to_list() == [bundle.digest]
    assert log["served"].unique().to_list() == ["flights"]
    assert log["version"].unique().to_list() == [0]
    assert log["key"].null_count() == 60
    assert log["request_id"].null_count() == 0
    assert log["request_id"].n_unique() == 22  # one of each call
    assert before <= log["time"].min() <= log["time"].max() <= dt.datetime.now(dt.UTC)


def test_requests_and_rows_keep_what_their_caller_called_them(
    served: ServedModel, make_row: Row, tmp_path: Path
) -> None:
    message = request("flights", [make_row(), make_row(), make_row()], features=False)
    message.request_id = "r-1"
    for row, key in zip(message.rows, ("a", "", "ü"), strict=True):
        row.key = key
    settings = ServerSettings(port=0, prediction_log=str(tmp_path))
    with Server(Models([served]), settings) as server:
        with grpc.insecure_channel(server.address) as channel:
            answer = channel.unary_unary(PREDICT)(message.SerializeToString())
        assert len(pb.PredictResponse.FromString(answer).answers) == 3
    log = log_of(tmp_path)
    assert log["request_id"].to_list() == ["r-1"] * 3
    assert log["key"].to_list() == ["a", None, "ü"]


def test_refused_requests_are_not_logged(
    served: ServedModel, make_row: Row, tmp_path: Path
) -> None:
    with (
        Server(Models([served]), ServerSettings(port=0, prediction_log=str(tmp_path))) as server,
        Client(server.address) as client,
    ):
        with pytest.raises(Exception, match="distance"):
            client.predict("flights", [make_row(), make_row(distance=None)])
        client.predict("flights", [make_row()])
    assert log_of(tmp_path).height == 1


def take(
    log: PredictionLog, model: ServedModel, row: list[object], rows: int, at: int | None = None
) -> None:
    log.take(model, [row] * rows, [(0.5, 0.6)] * rows, at=at)


@pytest.fixture
def row(served: ServedModel, make_rows: Rows) -> list[object]:
    return list(served.bundle.spec.rows_of(make_rows(1, 1))[0])


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_file_is_written_when_it_has_rows_enough_or_is_old_enough(
    served: ServedModel, row: list[object], tmp_path: Path
) -> None:
    log = PredictionLog(tmp_path, rows=100, seconds=3600, waiting=1000)
    take(log, served, row, 99)
    wait_until(lambda: not log._rows_kept)
    assert files(tmp_path) == []
    take(log, served, row, 1)
    wait_until(lambda: log.counts.written == 100)
    assert len(files(tmp_path)) == 1
    log.close(10)
    aged = PredictionLog(tmp_path, rows=100, seconds=0.2, waiting=1000)
    take(aged, served, row, 1)
    wait_until(lambda: aged.counts.written == 1)
    aged.close(10)
    assert (log_of(tmp_path).height, aged.waiting) == (101, 0)


def test_days_and_bundles_have_folders_of_their_own(
    served: ServedModel, row: list[object], tmp_path: Path
) -> None:
    log = PredictionLog(tmp_path, rows=100, seconds=3600, waiting=1000)
    night = dt.datetime(2013, 7, 1, 23, 59, 59, tzinfo=dt.UTC)
    take(log, served, row, 1, int(night.timestamp()) * 10**9)
    wait_until(lambda: not log._rows_kept)
    take(log, served, row, 1, int(night.timestamp() + 2) * 10**9)
    log.close(10)
    folders = [str(path.parent.relative_to(tmp_path)) for path in files(tmp_path)]
    of_bundle = f"model=flights/bundle={served.bundle.digest}"
    assert folders == [f"{of_bundle}/day=2013-07-01", f"{of_bundle}/day=2013-07-02"]
    assert log_of(tmp_path)["time"][0] == night


def test_more_than_may_wait_is_dropped_and_counted(
    served: ServedModel, row: list[object], tmp_path: Path
) -> None:
    log = PredictionLog(tmp_path, rows=10**6, seconds=3600, waiting=50)
    taken = 0
    while not log.counts.dropped:
        take(log, served, row, 1)
        taken += 1
        assert len(log._rows_kept) <= 50
    take(log, served, row, 51)
    dropped = log.counts.dropped
    assert dropped >= 52
    log.close(10)
    assert log.counts.written == taken + 51 - dropped
    assert log_of(tmp_path).height == log.counts.written


def test_a_disk_that_refuses_costs_rows_and_nothing_else(
    served: ServedModel,
    make_row: Row,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "log"
    settings = ServerSettings(port=0, prediction_log=str(folder), log_rows=1)
    with (
        caplog.at_level(logging.WARNING),
        Server(Models([served]), settings) as server,
        Client(server.address) as client,
    ):
        counts = server.log.counts  # type: ignore[union-attr]
        model = folder / "model=flights"
        model.write_bytes(b"a file where a folder is wanted")
        for lost in (1, 2):
            assert client.predict("flights", [make_row()])
            wait_until(lambda lost=lost: counts.lost == lost)  # type: ignore[misc]
        model.unlink()
        assert client.predict("flights", [make_row()])
        wait_until(lambda: counts.written == 1)
    messages = [one.getMessage() for one in caplog.records if "prediction_log" in one.name]
    assert len(messages) == 2
    assert "Serving goes on" in messages[0]
    assert "again" in messages[1]
    assert log_of(folder).height == 1
    assert list((folder / "tmp").iterdir()) == []


def test_rows_that_cannot_be_converted_are_lost_and_no_others(
    served: ServedModel, row: list[object], tmp_path: Path
) -> None:
    log = PredictionLog(tmp_path, rows=10**6, seconds=3600, waiting=50)
    take(log, served, [object()] * len(row), 1)
    wait_until(lambda: log.counts.lost == 1)
    take(log, served, row, 2)
    log.close(10)
    assert (log.counts.written, log.counts.lost) == (2, 1)


def test_an_unknown_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"format":99}')
    with pytest.raises(UnknownVersion, match="prediction log"):
        PredictionLog(tmp_path, rows=1, seconds=1, waiting=1)


KILLED = """
import sys, time
from pathlib import Path
from dagrun.server.serving import Models, Server, ServerSettings, load
settings = ServerSettings(port=0, prediction_log=sys.argv[2], log_rows=50, log_seconds=0.1)
with Server(Models([load(Path(sys.argv[1]))]), settings) as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("attempt", range(2))
def test_a_killed_server_leaves_whole_files_only(
    bundle: Bundle, make_row: Row, tmp_path: Path, attempt: int
) -> None:
    (tmp_path / "flights.bundle").write_bytes(bundle.to_bytes())
    folder = tmp_path / "log"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "flights.bundle"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with Client(f"127.0.0.1:{int(process.stdout.readline())}") as client:
            sent = 0
            while len(files(folder)) < 2 + attempt:
                client.predict("flights", [make_row(distance=float(sent))])
                sent += 1
        os.kill(process.pid, signal.SIGKILL)
    log = log_of(folder)
    assert 0 < log.height <= sent
    assert raw_rows(log)["distance"].to_list() == [float(n) for n in range(log.height)]
    PredictionLog(folder, rows=1, seconds=1, waiting=1).close(10)
    assert list((folder / "tmp").iterdir()) == []
