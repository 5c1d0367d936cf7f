"""The HTTP port of a server that asks its callers for something."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import polars as pl
import pytest
import trustme
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.server.client import Client

Serve = Callable[..., Serving]
DATATYPES = {pl.Float64: "FP64", pl.Int64: "INT64", pl.Boolean: "BOOL"}


def test_the_http_port_wants_the_tokens_that_grpc_wants(
    serve: Serve, tmp_path: Path, make_rows: Callable[[int, int], pl.DataFrame]
) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.touch()

    def token(*arguments: str) -> dict[str, str]:
        made = subprocess.run(
            [DAGRUN, "token", *arguments, "--tokens", "tokens.txt"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return {"authorization": f"Bearer {made.stdout.strip()}"}

    mine, narrow = token("me"), token("other", "--only", "ModelMetadata")
    serving = serve("flights", "--http-port", "0", "--tokens", "tokens.txt")
    http = serving.wait_for(r"metrics, probes on http://(\S+)")[1]
    asked = v2_json_request(make_rows(20, 1))
    with httpx.Client(base_url=f"http://{http}", timeout=20) as browser:
        for path in ("/ready", "/metrics", "/v2/health/live", "/v2/health/ready"):
            assert browser.get(path).status_code == 200
        without = browser.get("/v2/models/flights")
        assert (without.status_code, without.headers["www-authenticate"]) == (401, "Bearer")
        assert "this server wants a token" in without.json()["error"]
        wrong = {"authorization": "Bearer nonsense"}
        assert browser.get("/v2/models/flights", headers=wrong).status_code == 401
        infer = "/v2/models/flights/infer"
        assert browser.post(infer, content=asked).status_code == 401
        answer = browser.post(infer, content=asked, headers=mine)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["outputs"][0]["data"]) == 20
        assert browser.get("/v2/models/flights", headers=narrow).status_code == 200
        refused = browser.post(infer, content=asked, headers=narrow)
        assert refused.status_code == 403
        assert "may call ModelMetadata" in refused.json()["error"]
        # Taken anew while it serves.
        tokens.write_text(tokens.read_text().splitlines()[1] + "\n")
        while browser.get("/v2/models/flights", headers=mine).status_code != 401:
            pass
        assert browser.get("/v2/models/flights", headers=narrow).status_code == 200


def v2_json_request(frame: pl.DataFrame) -> bytes:
    """Return a request for rows as a person with curl writes it."""
    inputs = [
        {
            "name": column.name,
            "datatype": DATATYPES.get(column.dtype.base_type(), "BYTES"),
            "shape": [len(column)],
            "data": [
                value.isoformat() if isinstance(value, dt.date) else value for value in column
            ],
        }
        for column in frame
    ]
    return json.dumps({"inputs": inputs}).encode()


def test_the_http_port_is_encrypted_where_grpc_is(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    roots, chain, key = (tmp_path / name for name in ("roots.pem", "server.pem", "server.key"))
    authority.cert_pem.write_to_path(roots)

    def issue() -> None:
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(key)
        chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))

    issue()
    tls = ("--tls-cert", str(chain), "--tls-key", str(key))
    serving = serve("flights", "--http-port", "0", *tls)
    http = serving.wait_for(r"metrics, probes on https://(\S+)")[1]
    place = ("127.0.0.1", int(http.rpartition(":")[2]))
    trusting = ssl.create_default_context(cafile=roots)
    assert httpx.get(f"https://{http}/ready", verify=trusting, timeout=20).status_code == 200
    assert httpx.get(f"https://{http}/v2/models/flights", verify=trusting).status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{http}/ready", timeout=20)
    command = [DAGRUN, "doctor", serving.address, "--http", http, "--tls-roots", str(roots)]
    examined = subprocess.run(command, capture_output=True, text=True, check=False)
    assert examined.returncode == 0, examined.stdout
    assert "ok     ready" in examined.stdout
    before = ssl.get_server_certificate(place, timeout=20)
    issue()
    while ssl.get_server_certificate(place, timeout=20) == before:
        pass
    assert httpx.get(f"https://{http}/live", verify=trusting, timeout=20).status_code == 200
    serving.end()
    serving = serve("flights", "--http-port", "0", *tls, "--client-ca", str(roots))
    http = serving.wait_for(r"metrics, probes on https://(\S+)")[1]
    assert httpx.get(f"https://{http}/v2", verify=trusting, timeout=20).status_code == 404
    assert httpx.get(f"https://{http}/ready", verify=trusting, timeout=20).status_code == 200


def test_whoever_scrapes_while_workers_die_is_answered_and_sees_no_total_fall(
    serve: Serve, make_rows: Callable[[int, int], pl.DataFrame]
) -> None:
    serving = serve("flights", "--http-port", "0")
    http = serving.wait_for(r"metrics, probes on http://(\S+)")[1]
    with Client(serving.address, timeout=30) as client:
        client.predict("flights", make_rows(20, 1).to_dicts())
    ended = threading.Event()

    def scrape() -> list[tuple[int, float]]:
        found = []
        with httpx.Client(base_url=f"http://{http}", timeout=60) as browser:
            while not (found and ended.is_set()):
                assert browser.get("/ready").status_code in (200, 503)
                answer = browser.get("/metrics")
                lines = answer.text.splitlines()
                rows = [line for line in lines if line.startswith("dagrun_rows_total{")]
                found.append((answer.status_code, sum(float(one.split()[-1]) for one in rows)))
        return found

    with ThreadPoolExecutor(3) as pool:
        scraping = [pool.submit(scrape) for _ in range(3)]
        try:
            for deaths in range(1, 4):
                while not (present := serving.workers()):
                    pass
                os.kill(present[0], signal.SIGKILL)
                serving.wait_for(r"worker \d+ .*another one starts", times=deaths)
        finally:
            ended.set()
        scraped = [each.result() for each in scraping]
    for one in scraped:
        totals = [total for _, total in one]
        assert {status for status, _ in one} == {200}
        assert totals == sorted(totals)
