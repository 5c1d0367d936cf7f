"""The REST form over a real HTTP port: what the gRPC methods say, in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import polars as pl
import pytest
from tests_v2 import NULLS, HttpPort, Request

from dagrun.server.protocols import v2_json
from dagrun.server.serving import Server
from dagrun.server.serving.answers import with_confidence
from dagrun.stages.bundle import Bundle, score

Rows = Callable[[int, int], pl.DataFrame]


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with (
        HttpPort(server.address, most_bytes=1_000_000) as port,
        httpx.Client(base_url=port.url, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_answers_are_those_of_the_offline_scorer(
    http: httpx.Client, bundle: Bundle, make_rows: Rows, rows: int
) -> None:
    frame = make_rows(1000, rows).head(rows)
    request = Request(raw=True).frame(frame, NULLS).message
    request.id = "mine"
    body = v2_json.request_to_json(request)
    assert b"null" in body or rows == 1
    answer = http.post("/v2/models/flights/infer", content=body)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["model_name"], told["id"]) == ("flights", "mine")
    parameters = {"bundle_digest": bundle.digest, "threshold": bundle.threshold}
    assert told["parameters"] == parameters
    expected = with_confidence(score(bundle, frame)).to_dict(as_series=False)
    assert {one["name"]: one["data"] for one in told["outputs"]} == expected
    assert {one["datatype"] for one in told["outputs"]} == {"FP32", "BOOL"}


def test_health_and_metadata(http: httpx.Client) -> None:
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}
    assert http.get("/v2/models/flights/ready").json() == {"ready": True}
    missing = http.get("/v2/models/trains/ready")
    assert (missing.status_code, missing.json()) == (503, {"ready": False})
    assert http.get("/v2").json()["name"] == "dagrun"
    model = http.get("/v2/models/flights").json()
    assert model["platform"] == "dagrun_xgboost"
    distance = {"name": "distance", "datatype": "FP64", "shape": [-1]}
    assert {**distance, "parameters": {"nullable": False}} in model["inputs"]
    unknown = http.get("/v2/models/flights/versions/9")
    assert unknown.status_code == 404
    assert "'flights@9'" in unknown.json()["error"]


def test_errors_have_a_status_and_say_what_is_wrong(http: httpx.Client, make_rows: Rows) -> None:
    infer = "/v2/models/flights/infer"
    body = v2_json.request_to_json(
        Request(raw=True).frame(make_rows(100, 2).head(2), NULLS).message
    )
    document = json.loads(body)
    (distance,) = (one for one in document["inputs"] if one["name"] == "distance")
    distance["data"][1] = None
    wrong = http.post(infer, json=document)
    assert wrong.status_code == 400
    assert "inputs.distance[1]: is null" in wrong.json()["error"]
    distance["data"][1] = "far"
    wrong = http.post(infer, json=document)
    assert (wrong.status_code, wrong.json()) == (400, {"error": 'distance: "far" is no number'})
    assert http.post(infer, content=b"{").status_code == 400
    assert http.post("/v2/models/flihgts/infer", content=body).status_code == 404
    assert http.get(infer).status_code == 405
    large = http.post(infer, content=b" " * 1_000_001)
    assert large.status_code == 413
    binary = http.post(infer, content=body, headers={"inference-header-content-length": "5"})
    assert binary.status_code == 415
    assert "binary_data=False" in binary.json()["error"]


def test_a_server_that_drains_is_not_ready_and_one_that_is_gone_is_unavailable(
    start: Callable[..., Server],
) -> None:
    server = start()
    with HttpPort(server.address) as port, httpx.Client(base_url=port.url, timeout=60) as client:
        server.health.close()
        answer = client.get("/v2/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"ready": False})
        server.stop()
        assert client.get("/v2/health/ready").status_code == 503
