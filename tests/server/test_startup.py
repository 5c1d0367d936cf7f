"""From a source to a healthy server and back: proof, report, swap, signals."""

from __future__ import annotations

import datetime as dt
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dagrun.engine.errors import DefinitionError
from dagrun.engine.store.store import Store
from dagrun.server.client import Client, ClientSettings, ServerUnreachable
from dagrun.server.serving import (
    CannotListen,
    Models,
    NoModels,
    ServedModel,
    Server,
    ServerSettings,
    load,
    serve,
)
from dagrun.stages.bundle import Bundle, GoldenMismatch, NotRegistered, Registry

Row = Callable[..., dict[str, object]]


@pytest.fixture
def registry(tmp_path: Path, bundle: Bundle) -> Registry:
    registry = Registry(Store.open(tmp_path))
    registry.register("flights", bundle, alias="champion", reason="first")
    return registry


def broken(bundle: Bundle) -> Bundle:
    """Return a bundle whose golden rows ask for another margin in row 3."""
    margins = bundle.golden.margins.copy()
    margins[3] += 1
    return replace(bundle, golden=replace(bundle.golden, margins=margins))


def test_an_alias_is_resolved_and_reported(registry: Registry, bundle: Bundle) -> None:
    model = load("flights@champion", registry)
    assert model.version is not None
    registered = dt.datetime.fromisoformat(model.version.at)
    line, proof = model.report(registered + dt.timedelta(seconds=150))
    assert line == (
        f"bundle {bundle.digest[:4]} (spec {bundle.spec.digest[:4]}, "
        f"model {bundle.booster.digest[:4]}), trained 2013-01-01..2013-12-31, "
        "registered 2 minutes ago"
    )
    rows = bundle.golden.rows.height
    assert proof == (
        f"golden rows: {rows} of {rows} bit-identical (features, margins, probabilities)"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago")],
)
def test_ages_are_told_in_words(registry: Registry, seconds: int, words: str) -> None:
    model = load("flights", registry)
    assert model.version is not None
    now = dt.datetime.fromisoformat(model.version.at) + dt.timedelta(seconds=seconds)
    assert model.report(now)[0].endswith(f"registered {words}")


def test_a_version_number_reaches_the_answer(registry: Registry, make_row: Row) -> None:
    models = Models([load("flights@1", registry)])
    with Server(models, ServerSettings(port=0)) as server, Client(server.address) as client:
        (answer,) = client.predict("flights", [make_row()])
        assert answer.model_version == 1
        assert client.model("flights").version == 1


def test_what_cannot_be_found_is_said(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotRegistered, match="flights"):
        load("flight", registry)
    with pytest.raises(DefinitionError, match="no registry"):
        load("flights")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.bundle")


def test_a_bundle_with_differences_is_not_served(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(GoldenMismatch, match=r"golden row 3, margin .*0x[0-9a-f]{8}"):
        ServedModel("flights", broken(bundle))


def test_nothing_listens_before_the_proof(tmp_path: Path, bundle: Bundle) -> None:
    def never(*_: object) -> None:
        pytest.fail("it listened")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    settings = ServerSettings(port=port)
    sound, damaged = tmp_path / "sound", tmp_path / "damaged"
    sound.write_bytes(bundle.to_bytes())
    damaged.write_bytes(_rewritten(broken(bundle)))
    with pytest.raises(GoldenMismatch):
        serve([sound, damaged], settings, report=never, on_ready=never)
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


def _rewritten(bundle: Bundle) -> bytes:
    """Return the file of a bundle with new digests, as somebody with bad intent would make it."""
    frame = pl.read_parquet(io.BytesIO(bundle.golden.parquet))
    parquet = io.BytesIO()
    margins = pl.Series("margin", bundle.golden.margins.view(np.uint32))
    frame.with_columns(margins).write_parquet(parquet)
    return replace(bundle, golden=replace(bundle.golden, parquet=parquet.getvalue())).to_bytes()


def test_a_server_needs_models_with_different_names(served: ServedModel) -> None:
    with pytest.raises(NoModels, match="no model named"):
        Models([])
    with pytest.raises(NoModels, match="flights named twice"):
        Models([served, served])


def test_a_taken_port_is_said(server: Server, served: ServedModel) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on {server.address}"):
        Server(Models([served]), ServerSettings(port=server.port))


def test_a_swap_fails_no_request_and_mixes_nothing(bundle: Bundle, make_row: Row) -> None:
    other = replace(bundle, threshold=0.7)
    known = {bundle.digest: 0.4, other.digest: 0.7}
    models = Models([ServedModel("flights", bundle)])
    seen: set[str] = set()
    with Server(models, ServerSettings(port=0)) as server:

        def ask() -> None:
            with Client(server.address, timeout=20) as client:
                for _ in range(60):
                    answers = client.predict("flights", [make_row()] * 3)
                    (pair,) = {(a.bundle_digest, a.threshold) for a in answers}
                    assert known[pair[0]] == pair[1]
                    seen.add(pair[0])

        with ThreadPoolExecutor(3) as callers:
            futures = [callers.submit(ask) for _ in range(3)]
            turn = 0
            while not all(future.done() for future in futures):
                models.replace([ServedModel("flights", (other, bundle)[turn % 2])])
                turn += 1
            for future in futures:
                future.result()
        assert seen == set(known)


SERVE = """
import sys
from pathlib import Path
from dagrun.server.serving import ServerSettings, serve

serve(
    [Path(sys.argv[1])],
    ServerSettings(port=0),
    report=lambda line: print(line, flush=True),
    on_ready=lambda server: print(server.address, flush=True),
)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_once_its_work_is_done(
    tmp_path: Path, bundle: Bundle, make_row: Row, number: int
) -> None:
    path = tmp_path / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    command = [sys.executable, "-P", "-c", SERVE, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(5)]
        assert lines[0].startswith(f"bundle {bundle.digest[:4]} (spec ")
        assert lines[1].startswith("golden rows: ")
        assert (
            lines[2]
            == f"gRPC on {lines[4]} (dagrun.v1, Open Inference Protocol V2, health, reflection)"
        )
        assert lines[3].startswith("1 process x 8 threads, 1 thread per prediction (")
        started = threading.Semaphore(0)

        def ask() -> int:
            """Ask until the server is gone: what it took it answered, the rest it refused."""
            counted = 0
            with (
                Client(lines[4], ClientSettings(patience=0), timeout=20) as client,
                suppress(ServerUnreachable),
            ):
                while True:
                    client.predict("flights", [make_row()])
                    counted += 1
                    started.release()
            return counted

        with ThreadPoolExecutor(2) as callers:
            futures = [callers.submit(ask) for _ in range(2)]
            for _ in range(20):
                assert started.acquire(timeout=30)
            os.kill(process.pid, number)
            assert process.wait(30) == 0
            counted = sum(future.result() for future in futures)
        rest = process.stdout.read().splitlines()
        assert rest[:2] == [
            "stopping: finishing what is in flight",
            f"stopped: {counted} calls answered with scores",
        ]
