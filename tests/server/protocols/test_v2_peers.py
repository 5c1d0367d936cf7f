"""Clients that nobody here wrote get right answers: every dtype, nulls, errors.

Each runs in an environment of its own, which `make peers` makes from the locks in tests/peers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests_v2 import HttpPort

from dagrun.server.serving import Server
from dagrun.server.serving.answers import with_confidence
from dagrun.stages.bundle import Bundle, score

ROOT = Path(__file__).parents[3]
SCRIPTS, PEERS = ROOT / "tests" / "peers", ROOT / "build" / "peers"
Columns = dict[str, list[Any]]


def python(peer: str) -> Path:
    """Return a peer's Python; skip without one, but never in CI."""
    found = PEERS / peer / "bin" / "python"
    if not (PEERS / peer / ".ready").exists():
        reason = f"no environment for {peer}; make it with: make peers"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


def answers_of(program: Path | str, script: str, *arguments: str) -> Any:
    command = [str(program), "-P", str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture
def frame(make_rows: Callable[[int, int], pl.DataFrame]) -> pl.DataFrame:
    """Rows with every dtype and null, and distances that a 16-bit integer and float both hold."""
    some = pl.int_range(pl.len()) % 4 != 1
    nullable = ("sched_dep", "booked", "bought")
    return make_rows(300, 3).with_columns(
        pl.int_range(pl.len()).cast(pl.Float64).alias("distance"),
        *[pl.when(some).then(pl.col(name)).alias(name) for name in nullable],
    )


@pytest.fixture
def columns(frame: pl.DataFrame, tmp_path: Path) -> Path:
    """The rows as a JSON file: times as ISO 8601, nulls as null."""
    told = {
        column.name: [
            value.isoformat() if column.dtype.is_temporal() and value is not None else value
            for value in column
        ]
        for column in frame
    }
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(told), "utf-8")
    return path


@pytest.fixture
def expected(bundle: Bundle, frame: pl.DataFrame) -> Columns:
    return with_confidence(score(bundle, frame)).to_dict(as_series=False)


@pytest.fixture
def rest(server: Server) -> Iterator[HttpPort]:
    with HttpPort(server.address) as port:
        yield port


def those(columns: Columns, kept: list[bool]) -> Columns:
    return {
        name: [value for value, keep in zip(values, kept, strict=True) if keep]
        for name, values in columns.items()
    }


def first(columns: Columns) -> Columns:
    return {name: values[:1] for name, values in columns.items()}


def test_tritonclient(server: Server, columns: Path, expected: Columns) -> None:
    found = answers_of(
        python("tritonclient"), "tritonclient_calls.py", server.address, str(columns)
    )
    assert found["ready"] == [True, True, True, False]
    assert found["server"] == "dagrun"
    assert found["inputs"]["booked"] == "INT64"
    assert found["outputs"]["label"] == "BOOL"
    assert len(found["answers"]) == 36
    assert all(answers == expected for answers in found["answers"])
    assert found["one"] == found["later"] == first(expected)
    assert found["wanted"] == ["label"]
    status, message = found["error"]
    assert status == "StatusCode.INVALID_ARGUMENT"
    assert "inputs.distance: is missing" in message


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
def test_tritonclient_and_a_server_in_one_process(
    bundle: Bundle, columns: Path, expected: Columns, tmp_path: Path, order: str
) -> None:
    (site,) = python("tritonclient").parents[1].glob("lib/python*/site-packages")
    file = tmp_path / "flights.bundle"
    file.write_bytes(bundle.to_bytes())
    arguments = (str(site), str(file), str(columns), order)
    assert answers_of(sys.executable, "one_process.py", *arguments) == expected


def test_mlserver_codecs(server: Server, rest: HttpPort, columns: Path, expected: Columns) -> None:
    arguments = (server.address, rest.url, str(columns))
    found = answers_of(python("mlserver"), "mlserver_calls.py", *arguments)
    whole = found.pop("whole")
    assert 0 < sum(whole) < 300
    assert found == {
        **{f"codecs raw={raw}": those(expected, whole) for raw in (True, False)},
        **{f"pandas raw={raw}": those(expected, whole) for raw in (True, False)},
        "codecs REST": those(expected, whole),
        "pandas REST": expected,
    }


def test_grpc_requests_by_reflection(server: Server, columns: Path, expected: Columns) -> None:
    found = answers_of(
        python("grpc_requests"), "grpc_requests_calls.py", server.address, str(columns)
    )
    assert {"inference.GRPCInferenceService", "dagrun.v1.Prediction"} <= set(found["services"])
    assert found["ready"] == {"ready": True}
    # Its JSON has the shortest digits of a float32.
    bits = {name: pl.Series(values) for name, values in found["answers"].items()}
    for name, values in expected.items():
        kind = pl.Boolean if name == "label" else pl.Float32
        assert bits[name].cast(kind).to_list() == values
