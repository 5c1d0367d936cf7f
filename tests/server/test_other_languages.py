"""Clients that nobody here wrote: @grpc/grpc-js with our .proto files, and `buf curl`."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from tests_typed import typed_row

from dagrun.engine.store.store import Store
from dagrun.server.client import Client
from dagrun.server.client.values import request
from dagrun.server.protocols.typed_file import typed_text
from dagrun.server.serving import Models, Server, ServerSettings, load
from dagrun.stages.bundle import Bundle, Registry

ROOT = Path(__file__).parents[2]
PEER = ROOT / "build" / "peers" / "node"
MODULES = PEER / "node_modules"
PROGRAM = str(MODULES / ".bin" / "buf")
SCRIPT = ROOT / "tests" / "peers" / "node" / "call.js"
TYPED = "dagrun.models.flights.Flights"

pytestmark = pytest.mark.skipif(
    not (PEER / ".ready").exists() and not os.environ.get("CI"),
    reason="the clients for Node are not installed (needs node and npm): make peers",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Server]:
    registry = Registry(Store.open(tmp_path_factory.mktemp("store")))
    registry.register("flights", bundle, alias="champion")
    with Server(Models([load("flights", registry)]), ServerSettings(port=0)) as server:
        yield server


@pytest.fixture(scope="module")
def rows(running: Server) -> list[dict[str, object]]:
    """Rows with every dtype, nulls, and values at the ends of what a dtype holds."""
    whole = {
        "carrier": "Ü\x00東京",
        "distance": 1e300,
        "wind_speed": 0.1,
        "seats": 2**63 - 1,
        "sched_dep": dt.datetime(1, 1, 1),
        "booked": dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
        "bought": dt.date(1, 1, 1),
        "holiday": True,
    }
    zeros = {
        "carrier": "",
        "distance": 0.0,
        "wind_speed": -0.0,
        "seats": 0,
        "sched_dep": dt.datetime(1970, 1, 1),
        "booked": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "bought": dt.date(1970, 1, 1),
        "holiday": False,
    }
    nulls = {**dict.fromkeys(whole), "distance": -1.5, "holiday": False}
    return [whole, zeros, nulls, {**whole, "seats": -(2**63), "sched_dep": None}]


@pytest.fixture(scope="module")
def expected(running: Server, rows: list[dict[str, object]]) -> list[Any]:
    with Client(running.address, timeout=20) as client:
        return client.predict("flights", rows, features=True)


def node(server: Server, proto: Path, service: str, *calls: tuple[str, Sequence[object]]) -> Any:
    order = {
        "address": server.address,
        "proto": proto.name,
        "folders": [str(proto.parent)],
        "service": service,
        "calls": [{"method": method, "requests": requests} for method, requests in calls],
    }
    done = subprocess.run(
        ["node", str(SCRIPT), str(MODULES)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def buf(server: Server, *arguments: str, body: object = None) -> subprocess.CompletedProcess[str]:
    target, *options = arguments
    data = [] if body is None else ["-d", json.dumps(body)]
    common = ["--http2-prior-knowledge", "--protocol", "grpc"]
    return subprocess.run(
        [PROGRAM, "curl", *common, *options, *data, f"http://{server.address}{target}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wired(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row of dagrun.v1 as JSON, with protobuf's own field names."""
    values = request("", [row], features=False).rows[0].values
    cells: dict[str, object] = {}
    for column, value in values.items():
        kind = value.WhichOneof("kind")
        found = getattr(value, kind) if kind else None
        exact = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
        cells[column] = {kind: exact} if kind else {}
    return {"values": cells}


def same(found: Mapping[str, Any], answer: Any) -> bool:
    """Compare an answer in JSON with the client's, by the bits of float32."""
    margin, probability = (np.float32(found.get(name, 0)) for name in ("margin", "probability"))
    features = np.array(found.get("features", []), np.float32)
    return bool(
        margin == np.float32(answer.margin)
        and probability == np.float32(answer.probability)
        and found.get("label", False) == answer.label
        and np.array_equal(features, np.array(answer.features, np.float32), equal_nan=True)
    )


def test_node_speaks_dagrun_v1(
    running: Server, rows: list[dict[str, object]], expected: list[Any]
) -> None:
    one = [{"model": "flights", "rows": [wired(row)]} for row in rows]
    whole = {
        "model": "flights",
        "rows": [wired(row) for row in rows],
        "include_features": True,
    }
    bad = {"model": "flights", "rows": [{"values": {"distance": {"string_value": "far"}}}]}
    model, together, stream, refused, broken, unknown, explained = node(
        running,
        ROOT / "proto" / "dagrun_v1.proto",
        "dagrun.v1.Prediction",
        ("GetModel", [{"model": "flights"}]),
        ("Predict", [whole]),
        ("PredictStream", one),
        ("Predict", [bad]),
        ("PredictStream", [one[0], one[1], bad, one[2]]),
        ("Predict", [{"model": "nil"}]),
        ("Explain", [{"model": "flights", "rows": whole["rows"]}]),
    )
    (described,) = model["responses"]
    assert described["version"] == "1"
    assert [column["name"] for column in described["columns"]] == [
        column.name for column in running.models.get("flights").bundle.spec.inputs
    ]
    answers = together["responses"][0]["answers"]
    assert list(map(same, answers, expected)) == [True] * len(rows)
    margins = [response["answers"][0]["margin"] for response in stream["responses"]]
    assert margins == [answer.margin for answer in expected]
    assert refused["code"] == 3
    assert "rows[0].distance: is a string; the model needs a double" in refused["details"]
    assert (len(broken["responses"]), broken["code"]) == (2, 3)
    assert broken["details"].startswith("messages[2]: flights: rows[0].")
    assert unknown["code"] == 5
    parts = explained["responses"][0]["explanations"]
    assert [part["margin"] for part in parts] == [answer.margin for answer in expected]


def test_node_speaks_the_typed_service(
    running: Server, rows: list[dict[str, object]], expected: list[Any], tmp_path: Path
) -> None:
    model = running.models.get("flights")
    proto = tmp_path / "flights.proto"
    proto.write_text(typed_text("flights", model.fields, model.bundle.spec.inputs), "utf-8")

    def exact(row: dict[str, Any]) -> dict[str, Any]:
        # A number of JSON is a double in Node; longs are texts there.
        longs = {name: str(row[name]) for name in ("seats", "sched_dep") if name in row}
        if "booked" in row:
            seconds = str(row["booked"]["seconds"])
            longs["booked"] = {**row["booked"], "seconds": seconds}
        return {**row, **longs}

    typed = [exact(typed_row(row)) for row in rows]
    together, missing = node(
        running,
        proto,
        TYPED,
        ("Predict", [{"rows": typed}]),
        ("Predict", [{"rows": [{"carrier": "UA"}]}]),
    )
    margins = [answer["margin"] for answer in together["responses"][0]["answers"]]
    assert margins == [answer.margin for answer in expected]
    assert missing["code"] == 3
    assert missing["details"].startswith("flights: rows[0].distance: is missing")


def test_buf_curl_needs_nothing_but_reflection(
    running: Server, rows: list[dict[str, object]], expected: list[Any]
) -> None:
    listed = buf(running, "", "--list-services").stdout.split()
    assert {"dagrun.v1.Prediction", TYPED, "grpc.health.v1.Health"} <= set(listed)
    body = {
        "model": "flights",
        "rows": [wired(row) for row in rows],
        "include_features": True,
    }
    done = buf(running, "/dagrun.v1.Prediction/Predict", body=body)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert list(map(same, answers, expected)) == [True] * len(rows)
    for protocol in ("grpc-v1", "grpc-v1alpha"):
        done = buf(
            running,
            "/grpc.health.v1.Health/Check",
            "--reflect-protocol",
            protocol,
            body={"service": "flights"},
        )
        assert json.loads(done.stdout) == {"status": "SERVING"}
    bad = {"model": "flights", "rows": [wired({**rows[0], "distance": "far"})]}
    done = buf(running, "/dagrun.v1.Prediction/Predict", body=bad)
    assert done.returncode != 0
    error = json.loads(done.stderr)
    assert error["code"] == "invalid_argument"
    (detail,) = error["details"]
    assert detail["type"] == "google.rpc.BadRequest"
    bad_request = BadRequest.FromString(base64.b64decode(detail["value"] + "=="))
    assert [v.field for v in bad_request.field_violations] == ["rows[0].distance"]


def test_buf_curl_speaks_the_typed_service_and_streams(
    running: Server, rows: list[dict[str, object]], expected: list[Any]
) -> None:
    def typed(row: dict[str, object]) -> dict[str, object]:
        made = typed_row(row)
        if isinstance(moment := row["booked"], dt.datetime):
            made["booked"] = moment.isoformat().replace("+00:00", "Z")
        return made

    body = {"rows": [typed(row) for row in rows], "includeFeatures": True}
    done = buf(running, f"/{TYPED}/Predict", body=body)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert list(map(same, answers, expected)) == [True] * len(rows)
    one = {"model": "flights", "rows": [wired(rows[0])]}
    done = buf(running, "/dagrun.v1.Prediction/PredictStream", body=one)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)["answers"]
    assert np.float32(answer["margin"]) == np.float32(expected[0].margin)
