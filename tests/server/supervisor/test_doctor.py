"""`dagrun doctor` on servers that are well and on what is none."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import trustme
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.server.client import Client

Serve = Callable[..., Serving]


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by check, the first bad one of each."""
    command = [DAGRUN, "doctor", "--timeout", "10", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    document = json.loads(done.stdout)
    assert document["wrong"] == (done.returncode == 1)
    found: dict[str, dict[str, Any]] = {}
    for finding in document["findings"]:
        if finding["check"] not in found or finding["state"] == "bad":
            found[finding["check"]] = finding
        assert finding["next"] or finding["state"] != "bad"
    return done.returncode, found


def test_a_server_that_is_well(serve: Serve, make_row: Callable[..., dict[str, object]]) -> None:
    serving = serve("flights", "--http-port", "0", "--recheck", "1")
    http = serving.wait_for(r"metrics, probes on http://(\S+)")[1]
    with Client(serving.address) as client:
        client.predict("flights", [make_row()])
    code, found = doctor(serving.address, "--http", http)
    assert code == 0, found
    assert {check: each["state"] for check, each in found.items()} == {
        "reach": "good",
        "tls": "good",
        "health": "good",
        "parity": "good",
        "reflection": "good",
        "ready": "good",
        "clock": "good",
        "versions": "good",
        "limits": "good",
        "workers": "good",
        "here": "note",
    }
    assert "flights version 1, bundle" in found["parity"]["text"]
    assert "dagrun.v1.Prediction" in found["reflection"]["text"]
    assert "max_rows 1,000" in found["limits"]["text"]
    assert found["workers"]["text"] == "2 serve, 0 started again"


def test_nobody_there() -> None:
    code, found = doctor("127.0.0.1:1")
    assert (code, found["reach"]["state"], found["http"]["state"]) == (1, "bad", "note")
    assert "dagrun serve NAME" in found["reach"]["next"]
    code, found = doctor("no-such-host.invalid")
    assert "cannot be resolved" in found["reach"]["text"]
    assert code == 1


@contextmanager
def listening() -> Iterator[str]:
    """Listen, and say nothing that anybody understands."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_something_else_listens() -> None:
    with listening() as address:
        code, found = doctor(address, "--timeout", "1")
    assert code == 1
    assert "wants TLS, or is no gRPC server" in found["tls"]["text"]


def test_certificates_are_judged(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    own = authority.issue_cert("localhost")
    credentials = grpc.ssl_server_credentials(
        [(own.private_key_pem.bytes(), b"".join(p.bytes() for p in own.cert_chain_pems))]
    )
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    for name, each in (("right", authority), ("wrong", other)):
        each.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    _, found = doctor(f"localhost:{port}", "--tls-roots", str(tmp_path / "right.pem"))
    assert found["tls"]["state"] == "good", found
    assert "TLSv1.3, the certificate is good for" in found["tls"]["text"]
    assert "is it dagrun that listens there?" in found["health"]["next"]
    code, found = doctor(f"localhost:{port}", "--tls-roots", str(tmp_path / "wrong.pem"))
    assert (code, found["tls"]["state"]) == (1, "bad")
    code, found = doctor(f"localhost:{port}")
    assert f"dagrun doctor localhost:{port} --tls" in found["tls"]["next"]
    server.stop(0).wait()
