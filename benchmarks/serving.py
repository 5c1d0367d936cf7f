"""Serving: one flights row, and a batch of 1,000, over gRPC and over REST.

The server has one core, the load generator (h2load, keep-alive) the other. h2load sends one body
per run, so each burst has a row of its own: 8 distinct rows a round, not the thousands of real
traffic; no server here caches anything. Every call must be in the server's own count of OKs, since
h2load counts gRPC errors as successes; p50 and p99 come from h2load's log of every request.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httptools  # noqa: F401 - uvicorn without it would be a weaker peer
import polars as pl

from dagrun.engine.workspace import RunSettings, Workspace
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.stages.bundle import Bundle, score
from session import ROOT, Session, is_quick

PEERS = ROOT / "benchmarks" / "serving_peers"
WORK = ROOT / "build" / "bench" / "serving"
SERVERS = {
    "dagrun": ("ours.py", "_"),
    "echo-raw": ("echo.py", "raw"),
    "echo-parsed": ("echo.py", "parsed"),
    "rest-row": ("rest.py", "row"),
    "rest-api": ("rest.py", "api"),
    "rest-pandas": ("rest.py", "pandas"),
}
BATCH_ROWS = 1000


def flights() -> tuple[Bundle, pl.DataFrame]:
    """Run the flights example (a hit when it has run) and return its bundle and test rows."""
    workspace = Workspace.open(folder=ROOT / "examples" / "flights")
    result = workspace.run(workspace.select(targets=("bundle",)), RunSettings(), lambda _: None)
    outputs = {name: out for stage in result.stages for name, out in stage.outputs.items()}
    load = workspace.store.load
    return load(outputs["bundle"]), load(outputs["test"])


@contextmanager
def serving(name: str, bundle: Path) -> Iterator[tuple[int, list[int]]]:
    """Start a server on the first core; the list holds its count of OKs once it has ended."""
    script, kind = SERVERS[name]
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), sys.executable, PEERS / script, kind, bundle]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    counted: list[int] = []
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if line[:1] != ["ready"]:
            sys.exit(f"error: the server {name} did not start")
        time.sleep(1.0)
        yield int(line[1]), counted
        process.send_signal(signal.SIGTERM)
        counted += [int(text.split()[1]) for text in process.stdout if text.startswith("answered")]
    finally:
        process.kill()
        process.communicate()


def burst(name: str, port: int, path: str, body: Path, calls: int, clients: int) -> dict[str, Any]:
    """Send `calls` requests with one body; return requests/s and every latency in microseconds."""
    log = WORK / "h2load.log"
    log.unlink(missing_ok=True)
    rest = name.startswith("rest")
    kind = "application/json" if rest else "application/grpc"
    options = ["--h1"] if rest else ["-m", "1", "-H", "te: trailers"]
    core = max(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), "h2load", "-n", str(calls), "-c", str(clients)]
    command += [*options, "-H", f"content-type: {kind}", "-d", str(body), f"--log-file={log}"]
    target = path if rest else f"/dagrun.v1.Prediction/{path}"
    start = time.perf_counter()
    subprocess.run(
        [*command, f"http://127.0.0.1:{port}{target}"], check=True, capture_output=True, timeout=120
    )
    seconds = time.perf_counter() - start
    lines = [line.split("\t") for line in log.read_text("utf-8").splitlines()]
    latencies = [int(line[2]) for line in lines if line[1] == "200"]
    return {"seconds": seconds, "latencies": latencies}


def write_bodies(bundle: Bundle, rows: pl.DataFrame, count: int) -> None:
    """Write `count` one-row bodies and one batch, for gRPC and for JSON."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "bundle").write_bytes(bundle.to_bytes())
    columns = [column.name for column in bundle.spec.inputs]
    admitted = rows.select(columns)
    plain = admitted.with_columns(pl.col(pl.Datetime).dt.epoch("us"))
    for number, row in enumerate(admitted.head(count).iter_rows(named=True)):
        message = request(bundle.name, [row], features=False)
        (WORK / f"{number}.grpc").write_bytes(framed(message.SerializeToString()))
        (WORK / f"{number}.json").write_text(json.dumps(plain.row(number, named=True)), "utf-8")
    batch = admitted.head(BATCH_ROWS)
    table = batch.write_ipc_stream(None, compat_level=pl.CompatLevel.oldest()).getvalue()
    message = pb.PredictTableRequest(model=bundle.name, table=table)
    (WORK / "batch.grpc").write_bytes(framed(message.SerializeToString()))
    (WORK / "batch.json").write_text(json.dumps(plain.head(BATCH_ROWS).to_dicts()), "utf-8")


def framed(message: bytes) -> bytes:
    """Return a message with the gRPC frame's head: uncompressed, and its length."""
    return b"\0" + struct.pack(">I", len(message)) + message


def measure(
    name: str, path: str, bodies: Sequence[str], calls: int, clients: int
) -> dict[str, float]:
    """Start a server, warm it with every body, then measure; OKs are the server's own count."""
    suffix = "json" if name.startswith("rest") else "grpc"
    files = [WORK / f"{body}.{suffix}" for body in bodies]
    with serving(name, WORK / "bundle") as (port, counted):
        burst(name, port, path, files[0], min(calls, 200), 1)
        single = burst(name, port, path, files[0], max(20, calls // 10), 1)
        runs = [burst(name, port, path, file, calls, clients) for file in files]
    sent = min(calls, 200) + max(20, calls // 10) + calls * len(files)
    if counted != [sent]:
        sys.exit(f"error: {name} answered {counted} of {sent} calls with OK")
    latencies = sorted(latency for run in runs for latency in run["latencies"])
    alone = statistics.median(single["latencies"])
    return {
        "requests/s": calls * len(files) / sum(run["seconds"] for run in runs),
        "p50 us": statistics.median(latencies),
        "p99 us": latencies[int(len(latencies) * 0.99)],
        "p50 us, one client": alone,
    }


def in_process(bundle: Bundle, rows: pl.DataFrame) -> dict[str, float]:
    """Score the batch without any server, on one thread of XGBoost."""
    batch = rows.select([column.name for column in bundle.spec.inputs]).head(BATCH_ROWS)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        score(bundle, batch, nthread=1)
        times.append(time.perf_counter() - start)
    return {"batches/s": 1 / statistics.median(times)}


def main() -> None:
    """Measure every server in turns, print and write the session."""
    quick = is_quick()
    if shutil.which("h2load") is None:
        sys.exit("error: h2load is not installed; it comes with nghttp2 (nghttp2-client)")
    session = Session(
        "serving", quick=quick, packages=("dagrun", "grpcio", "xgboost-cpu", "fastapi")
    )
    bundle, rows = flights()
    count, calls, rounds = (2, 300, 1) if quick else (8, 3000, 3)
    write_bodies(bundle, rows, count)
    bodies = [str(number) for number in range(count)]
    slow = max(calls // 10, 50)

    def one(name: str) -> dict[str, float]:
        path = "/predict" if name.startswith("rest") else "Predict"
        return measure(name, path, bodies, slow if name == "rest-pandas" else calls, 8)

    def batch(name: str) -> dict[str, float]:
        path = "/batch" if name.startswith("rest") else "PredictTable"
        found = measure(name, path, ["batch"], slow, 2)
        return {"batch requests/s": found["requests/s"], "batch p50 us": found["p50 us"]}

    contenders = {name: (lambda name=name: one(name)) for name in SERVERS}
    session.rounds(contenders, count=rounds, unit="")
    batches = {name: (lambda name=name: batch(name)) for name in ("dagrun", "rest-row")}
    session.rounds(
        batches | {"in-process": lambda: in_process(bundle, rows)}, count=rounds, unit=""
    )
    for peer in list(SERVERS)[1:]:
        session.ratio(f"dagrun over {peer}", "dagrun requests/s", f"{peer} requests/s")
    one_client = "p50 us, one client"
    session.ratio(
        "p50 of one client over echo-parsed",
        f"dagrun {one_client}",
        f"echo-parsed {one_client}",
        better="lower",
    )
    session.ratio("batch over REST JSON", "dagrun batch requests/s", "rest-row batch requests/s")
    session.ratio("batch over in-process", "dagrun batch requests/s", "in-process batches/s")
    session.finish()


if __name__ == "__main__":
    main()
