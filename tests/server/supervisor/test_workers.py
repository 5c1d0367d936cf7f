"""Workers that hang, end, or never come up; and a supervisor that is told to look again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests_cli import DAGRUN
from tests_serve import Serving

from dagrun.engine.dispatching.machine import Cpus
from dagrun.server.client import Client
from dagrun.server.serving import ServerSettings
from dagrun.server.supervisor import FleetSettings, Layout
from dagrun.stages.bundle import Bundle, Registry

IMPATIENT = """
import sys
from pathlib import Path
from dagrun.server.serving import ServerSettings
from dagrun.server.supervisor import FleetSettings, serve

serve(
    [Path(sys.argv[1])],
    FleetSettings(
        server=ServerSettings(port=0), workers=2, poll_seconds=0.1, silent_rounds=40
    ),
    report=lambda line: print(line, file=sys.stderr, flush=True),
)
"""
HEAVY = {"polars", "numpy", "xgboost", "pyarrow", "networkx"}


@pytest.fixture
def file(tmp_path: Path, bundle: Bundle) -> Path:
    path = tmp_path / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    return path


def test_a_worker_that_hangs_is_replaced(file: Path) -> None:
    command = (sys.executable, "-P", "-c", IMPATIENT)
    with Serving(file.parent, str(file), command=command) as serving:
        hung = serving.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        serving.wait_for(rf"worker 1 \(process {hung}\) gives no sign of life; it is killed")
        serving.wait_for(r"worker 1 \(process \d+\) serves now")
        assert hung not in serving.workers()


def test_a_worker_that_is_told_to_end_is_replaced(
    serve: Callable[..., Serving], callers: Callable[..., object]
) -> None:
    serving = serve("flights")
    told = serving.workers()[1]
    os.kill(told, signal.SIGTERM)
    serving.wait_for(rf"worker 2 \(process {told}\) ended with code 0; another one starts")
    serving.wait_for(r"worker 2 \(process \d+\) serves now")
    os.kill(serving.workers()[0], signal.SIGINT)  # what a terminal sends to all is not theirs
    callers(serving, many=2).more(5)
    assert len(serving.workers()) == 2


def test_a_file_is_read_again_when_told(file: Path, bundle: Bundle) -> None:
    other = replace(bundle, threshold=0.7)
    command = (DAGRUN, "serve", str(file), "--port", "0", "--workers", "1")
    with Serving(file.parent, command=command) as serving, Client(serving.address) as client:
        assert client.model("flights").threshold == 0.4
        file.write_bytes(b"half a bundle")
        serving.process.send_signal(signal.SIGHUP)
        serving.wait_for(r"is refused, .* is served on: the bundle is damaged")
        assert client.model("flights").threshold == 0.4
        file.write_bytes(other.to_bytes())
        serving.process.send_signal(signal.SIGHUP)
        serving.wait_for(r"-> .* on all workers in")
        assert client.model("flights").bundle_digest == other.digest


def test_a_worker_that_cannot_even_start_is_told(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "polars.py").write_text("raise SystemExit(3)")
    done = subprocess.run(
        [DAGRUN, "serve", "flights", "--port", "0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ended with code 3 before it served anything; nothing was served" in done.stderr


def test_a_registry_that_cannot_be_read_changes_nothing(
    serve: Callable[..., Serving], registry: Registry
) -> None:
    serving = serve("flights")
    paths = registry.store.refs.paths("models/flights/aliases/champion")
    kept = paths[0].read_bytes()
    for path in paths:
        path.write_bytes(b"rust")
    serving.wait_for("the registry cannot be read, all is served on: ref .* is damaged")
    for path in paths:
        path.write_bytes(kept)
    registry.set_alias("flights", "champion", 2, reason="mended")
    serving.wait_for(r"flights: @1 -> @2 on all workers")


def test_the_supervisor_is_light(serve: Callable[..., Serving]) -> None:
    code = "import sys, dagrun.cli.serve; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & HEAVY == set()


def test_workers_are_laid_out_on_the_cpus_there_are() -> None:
    def laid_out(cpus: int, **settings: int) -> Layout:
        server = ServerSettings(threads=settings.pop("threads", 8))
        return Layout.of(FleetSettings(server=server, **settings), Cpus(count=cpus, limit="cgroup"))

    assert str(laid_out(1)) == (
        "1 worker process x 8 threads, 1 thread per prediction (cgroup: 1 CPU)"
    )
    assert str(laid_out(4, threads=6)) == (
        "4 worker processes x 6 threads, 1 thread per prediction (cgroup: 4 CPUs)"
    )
    assert laid_out(4).table_cpus == 1
    assert laid_out(4, workers=2).table_cpus == 2
    assert laid_out(2, workers=8).table_cpus == 1
