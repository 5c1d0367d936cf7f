"""Old days leave the prediction log; nothing else does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun.engine.errors import UnknownVersion
from dagrun.server.client import Client
from dagrun.server.observe.log_clearing import clear_log
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle.logged import folder_of, open_log
from dagrun.stages.monitor import read_prediction_log

NOW = dt.datetime(2026, 11, 22, 10, 30, tzinfo=dt.UTC)


def day_of(root: Path, day: dt.date, bundle: str = "b1") -> Path:
    folder = folder_of(root, "flights", bundle, day)
    folder.mkdir(parents=True)
    (folder / "220705-one.parquet").write_bytes(b"x" * 100)
    (folder / "230705-two.parquet").write_bytes(b"x" * 100)
    return folder


def test_whole_days_go_once_their_last_answer_is_old(tmp_path: Path) -> None:
    open_log(tmp_path)
    days = {number: day_of(tmp_path, dt.date(2026, 11, number)) for number in range(15, 23)}
    day_of(tmp_path, dt.date(2026, 11, 1), bundle="b2")
    cleared = clear_log(tmp_path, dt.timedelta(days=3), NOW)
    # The 18th ended 3 days and 10.5 hours ago, the 19th 2 days and 10.5 hours ago.
    assert [number for number, folder in days.items() if folder.exists()] == [19, 20, 21, 22]
    assert str(cleared) == "10 files of 5 days (0.0 MB)"
    assert clear_log(tmp_path, dt.timedelta(days=3), NOW).files == 0


@given(days=st.integers(0, 40), hours=st.integers(0, 23), kept=st.integers(1, 40 * 24))
def test_no_row_younger_than_what_is_kept_goes(
    tmp_path_factory: pytest.TempPathFactory, days: int, hours: int, kept: int
) -> None:
    root = tmp_path_factory.mktemp("log")
    open_log(root)
    now = NOW.replace(hour=hours)
    folder = day_of(root, (now - dt.timedelta(days=days)).date())
    # The last row that a file of this day may have, written up to half a minute after midnight.
    day = dt.date.fromisoformat(folder.name.removeprefix("day="))
    last = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(days=1, seconds=30)
    clear_log(root, dt.timedelta(hours=kept), now)
    if last >= now - dt.timedelta(hours=kept):
        assert len(list(folder.iterdir())) == 2


def test_what_else_lies_there_stays(tmp_path: Path) -> None:
    temporary = open_log(tmp_path)
    being_written = temporary / "host-1-2"
    being_written.write_bytes(b"")
    old = day_of(tmp_path, dt.date(2026, 1, 1))
    (old / "notes.txt").write_text("mine")
    strange = tmp_path / "model=flights" / "bundle=b1" / "day=whenever"
    strange.mkdir()
    (strange / "a.parquet").write_bytes(b"")
    clear_log(tmp_path, dt.timedelta(days=3), NOW)
    assert [path.name for path in old.iterdir()] == ["notes.txt"]
    assert list(strange.iterdir())
    assert being_written.exists()


def test_a_folder_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    folder = day_of(tmp_path, dt.date(2026, 1, 1))
    assert clear_log(tmp_path, dt.timedelta(days=3), NOW).files == 0
    (tmp_path / "format.json").write_text('{"format": 99}')
    with pytest.raises(UnknownVersion):
        clear_log(tmp_path, dt.timedelta(days=3), NOW)
    assert len(list(folder.iterdir())) == 2


def test_a_server_clears_its_log_and_goes_on_writing_it(
    served: ServedModel, make_row: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    open_log(tmp_path)
    old = day_of(tmp_path, dt.date(2026, 1, 1), bundle=served.bundle.digest)
    settings = ServerSettings(port=0, prediction_log=str(tmp_path), log_keep=30 * 86_400.0)
    with Server(Models([served]), settings) as server, Client(server.address) as client:
        client.predict("flights", [make_row()])
        while old.exists():
            pass
    assert read_prediction_log(tmp_path, "flights").collect().height == 1
