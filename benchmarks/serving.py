"""One row and 1,000 rows at a time: dagrun's server, what grpcio can do at best, and FastAPI.

The server under test has one core to itself and the load another. Every contender serves the same
200 trees on the same 2,000 distinct rows, validates its request, and answers the same fields;
keep-alive is on, nothing is cached. Requests are counted by the server that answered them.

One row: 32 requests under way, on 8 connections with 4 streams each for gRPC, on 32 connections
for HTTP/1.1; then a single one, for the latency of an idle server. `parse` is an echo that parses
the same messages on grpcio's usual pool of threads: what a handler that does nothing would reach.
A table: one after another, each 1,000 rows: Arrow or protobuf rows for dagrun, JSON for REST.
h2load, where it is installed, repeats one row: it shows that the load generator is not the limit.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import polars as pl

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.server.serving.tables import write_table
from serving_peers import flights
from serving_peers.load import Connection, Grpc, Http, Outcome, drive
from session import Session, is_quick

HERE = Path(__file__).parent
PREDICT, PREDICT_TABLE = "/dagrun.v1.Prediction/Predict", "/dagrun.v1.Prediction/PredictTable"
GRPC = ("dagrun", "echo", "parse", "parse-pool", "parse-aio")
REST = ("rest-echo", "rest-row", "rest-xgboost", "rest-pandas")
CONNECTIONS, STREAMS = 8, 4
TABLE_ROWS = 1_000
Measured = dict[str, tuple[float, str]]


class Peer:
    """A running server."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name, self._process, self.process_id = name, process, process.pid
        self.address = ("127.0.0.1", int(self._line()))

    def answered(self) -> int:
        """Return how many requests the server says it has answered well."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"error: the server {self.name} ended; see its message above")
        return line


@contextmanager
def running(name: str, core: int, bundle: Path) -> Iterator[Peer]:
    """Run a server on a core."""
    module = "rest_peer" if name in REST else "grpc_peer"
    kind = name.removeprefix("rest-")
    command = [sys.executable, "-m", f"serving_peers.{module}", kind, str(core), str(bundle)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    # XGBoost and Polars would else start a thread for each core of the machine.
    environment |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    with subprocess.Popen(
        command,
        cwd=HERE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Peer(name, process)
        finally:
            process.stdin.close()  # type: ignore[union-attr]
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Bodies:
    """Every request as bytes, made before any clock starts."""

    def __init__(self, rows: pl.DataFrame) -> None:
        plain = rows.to_dicts()
        messages = [request("flights", [row], features=False) for row in plain]
        self.grpc = [_framed(message.SerializeToString()) for message in messages]
        self.json = [json.dumps(row, default=dt.datetime.isoformat).encode() for row in plain]
        table = rows.head(TABLE_ROWS)
        self.arrow = pb.PredictTableRequest(
            model="flights", table=write_table(table)
        ).SerializeToString()
        self.rows = request("flights", table.to_dicts(), features=False).SerializeToString()
        listed = table.to_dicts()
        self.json_table = json.dumps(listed, default=dt.datetime.isoformat).encode()


def _framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def single_rows(peer: Peer, bodies: Bodies, count: int) -> Measured:
    """Measure one-row requests, 32 under way and then one."""
    loaded, rate = _drive(peer, bodies, count, CONNECTIONS, STREAMS)
    alone, _ = _drive(peer, bodies, max(200, count // 10), 1, 1)
    return {
        "requests": (rate, "1/s"),
        "p50": (1e3 * loaded.percentile(0.5), "ms"),
        "p99": (1e3 * loaded.percentile(0.99), "ms"),
        "alone-p50": (1e3 * alone.percentile(0.5), "ms"),
        "alone-p99": (1e3 * alone.percentile(0.99), "ms"),
    }


def _drive(
    peer: Peer, bodies: Bodies, count: int, connections: int, streams: int
) -> tuple[Outcome, float]:
    """Return the outcome, and answers per second by the server's own count."""
    opened: list[Connection]
    if peer.name in REST:
        opened = [Http(peer.address, "/predict") for _ in range(connections * streams)]
        sent, places = bodies.json, 1
    else:
        opened = [Grpc(peer.address, PREDICT) for _ in range(connections)]
        sent, places = bodies.grpc, streams
    before = peer.answered()
    outcome = drive(opened, places, sent, count)
    answered = peer.answered() - before
    for connection in opened:
        connection.socket.close()
    if answered != count or outcome.failed:
        raise SystemExit(
            f"error: {peer.name} answered {answered} of {count} requests, {outcome.failed} failed"
        )
    return outcome, answered / outcome.seconds


def tables(peer: Peer, bodies: Bodies, count: int) -> dict[str, Measured]:
    """Measure 1,000 rows a request, one request after another, by kind of body."""
    if peer.name in REST:
        send = lambda: _post(peer, bodies.json_table)  # noqa: E731
        return {peer.name: _one_by_one(send, count)}
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel("{}:{}".format(*peer.address), options) as channel:
        arrow, rows = channel.unary_unary(PREDICT_TABLE), channel.unary_unary(PREDICT)
        return {
            "dagrun": _one_by_one(lambda: arrow(bodies.arrow), count),
            "dagrun-rows": _one_by_one(lambda: rows(bodies.rows), count),
        }


def _post(peer: Peer, body: bytes) -> None:
    connection = Http(peer.address, "/table")
    outcome = drive([connection], 1, [body], 1)
    connection.socket.close()
    if outcome.failed:
        raise SystemExit(f"error: {peer.name} refused a table")


def _one_by_one(send: Callable[[], object], count: int) -> Measured:
    outcome = Outcome()
    start = time.perf_counter()
    for _ in range(count):
        began = time.perf_counter()
        send()
        outcome.latencies.append(time.perf_counter() - began)
    seconds = time.perf_counter() - start
    return {
        "table-rows": (TABLE_ROWS * count / seconds, "1/s"),
        "table-p50": (1e3 * outcome.percentile(0.5), "ms"),
    }


def h2load(peer: Peer, body: Path, count: int) -> Measured:
    """Measure the same with h2load, which sends one row again and again."""
    command = ["h2load", "-n", str(count), "-c", str(CONNECTIONS), "-m", str(STREAMS)]
    command += ["-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    command += ["http://{}:{}{}".format(*peer.address, PREDICT)]
    before = peer.answered()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answered = peer.answered() - before
    seconds = _h2load_seconds(done.stdout)
    return {"h2load": (answered / seconds, "1/s")}


def _h2load_seconds(text: str) -> float:
    found = re.search(r"finished in ([\d.]+)(us|ms|s)\b", text)
    if found is None:
        raise SystemExit(f"error: h2load said\n{text}")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]


def measure(
    peers: Sequence[Peer], bodies: Bodies, folder: Path, *, quick: bool
) -> Iterator[dict[str, Measured]]:
    """Yield what one round of all peers measured, each round beginning with another one."""
    one_body = folder / "body"
    one_body.write_bytes(bodies.grpc[0])
    count, table_count = (2_000, 5) if quick else (20_000, 20)
    slow = {"rest-pandas": 10}  # a tenth of the requests: it takes as long as the others
    with_h2load = shutil.which("h2load") is not None
    if not with_h2load:
        print("  h2load is not installed: the check of the load generator is skipped")
    for turn in range(3 if quick else 7):
        shift = turn % len(peers)
        found: dict[str, Measured] = {}
        for peer in (*peers[shift:], *peers[:shift]):
            share = count // slow.get(peer.name, 1)
            found.setdefault(peer.name, {}).update(single_rows(peer, bodies, share))
            if with_h2load and peer.name in ("dagrun", "echo", "parse"):
                found[peer.name].update(h2load(peer, one_body, count))
            if peer.name in ("dagrun", "rest-row", "rest-pandas"):
                for name, measured in tables(peer, bodies, table_count).items():
                    found.setdefault(name, {}).update(measured)
        yield found


def summarise(session: Session, rounds: Sequence[Mapping[str, Measured]]) -> None:
    """Record every figure and the ratios that matter."""
    for name, measured in rounds[0].items():
        for figure, (_, unit) in measured.items():
            values = [one[name][figure][0] for one in rounds]
            session.record(f"{name} {figure}", values, unit)
    for peer in (*GRPC[1:], *REST):
        session.ratio(f"requests, dagrun / {peer}", "dagrun requests", f"{peer} requests")
    for peer in ("parse", "rest-row", "rest-xgboost", "rest-pandas"):
        for figure in ("p99", "alone-p50"):
            over, under = f"dagrun {figure}", f"{peer} {figure}"
            session.ratio(f"{figure}, dagrun / {peer}", over, under, better="lower")
    for peer in ("rest-row", "rest-pandas"):
        for name in ("dagrun", "dagrun-rows"):
            over, under = f"{name} table-rows", f"{peer} table-rows"
            session.ratio(f"table rows, {name} / {peer}", over, under)
    if "h2load" in rounds[0]["echo"]:
        session.ratio("load generator / h2load (echo)", "echo requests", "echo h2load")


def main() -> None:
    quick = is_quick()
    packages = ("grpcio", "protobuf", "fastapi", "uvicorn", "uvloop", "pydantic", "xgboost-cpu")
    session = Session("serving", quick=quick, packages=(*packages, "pandas", "polars"))
    cores = sorted(os.sched_getaffinity(0))
    server_core = cores[0] if len(cores) > 1 else -1
    if server_core < 0:
        print("  one core only: server and load share it, and the figures are no rates")
    bodies = Bodies(flights.rows(2_000, 7))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bundle = folder / "flights.bundle"
        bundle.write_bytes(flights.bundle().to_bytes())
        if server_core >= 0:
            os.sched_setaffinity(0, {cores[-1]})
        peers = [stack.enter_context(running(name, server_core, bundle)) for name in (*GRPC, *REST)]
        for peer in peers:
            _drive(peer, bodies, 500, CONNECTIONS, STREAMS)  # warm
        rounds = list(measure(peers, bodies, folder, quick=quick))
    summarise(session, rounds)
    rate = statistics.median(one["dagrun"]["requests"][0] for one in rounds)
    print(f"  dagrun answers {rate:,.0f} single rows a second on one core")
    session.finish()


if __name__ == "__main__":
    main()
