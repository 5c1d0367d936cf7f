"""One row and 1,000 rows at a time: dagrun's server, what grpcio can do at best, FastAPI, MLServer.

The server under test has one core to itself and the load another. Every contender serves the same
200 trees on the same 2,000 distinct rows, validates its request, and answers the same fields;
keep-alive is on, nothing is cached. Requests are counted by the server that answered them, and
contenders that wait for their turn are frozen, so that nobody's background work falls into another
one's time. dagrun is what `dagrun serve` starts, with all that is on by default (see
`serving_peers.dagrun_peer`); `parse` is an echo with the same limits that parses the same messages:
what a handler that does nothing would reach (`parse-pool`: on dagrun's pool of threads).

One row: 32 requests under way, on 8 connections with 4 streams each for gRPC, on 32 connections
for HTTP/1.1; then a single one, for the latency of an idle server; then 70 % of the rate just
reached, at moments that do not wait for answers: `even` ones, and the `random` ones of a Poisson
process. A latency counts from the moment at which its request was due. Their 99th percentile over
their median is given for all answers, and as `tail` for the median stretch of 500, which a machine
that stalls a few times a second does not change.
A table: four requests under way, each 1,000 rows, then one: Arrow or protobuf rows for dagrun, JSON
for REST; beside them a batch job that scores the same table without a server.
Two workers have both cores, which they share with the load: the figure is of the machine's making.
h2load, where it is installed, repeats one row: it shows whether the load generator is the limit.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from dagrun.engine.store.store import Store
from dagrun.server.protocols.typed_file import typed_file
from dagrun.stages.bundle import Registry
from environments import install_tree, prepare
from serving_peers import flights, in_process
from serving_peers.bodies import MODEL_INFER, PREDICT, PREDICT_TABLE, Bodies
from serving_peers.measuring import Measured, Seconds, Way, h2load, tables
from serving_peers.peer import Peer, running
from session import Session, is_quick

ECHOES = ("echo", "parse", "parse-pool")
REST = ("rest-echo", "rest-row", "rest-xgboost", "rest-pandas")
IN_PROCESS = ("in-process", "in-process-score")
PEERS = ("dagrun", *ECHOES, "mlserver", *REST, "dagrun-2", *IN_PROCESS)
NOT_PACED = ("dagrun-2", "parse-pool", "rest-pandas")
"""Without figures at 70 % of their rate: nobody asks for them, and they take time."""
FULL = Seconds(full=2.0, alone=0.6, paced=1.2, table=0.8)
QUICK = Seconds(full=0.3, alone=0.15, paced=0.3, table=0.2)
Rounds = Sequence[Mapping[str, Measured]]


def prepared(folder: Path) -> Bodies:
    """Put the model where the contenders look for it; return what they are sent."""
    bundle = flights.bundle()
    (folder / "flights.bundle").write_bytes(bundle.to_bytes())
    registry = Registry(Store.open(folder))
    version = registry.register("flights", bundle, alias="champion")
    fields = registry.fields(version.name, bundle.spec.inputs)
    return Bodies(typed_file("flights", fields, bundle.spec.inputs))


def ways(peers: Mapping[str, Peer], bodies: Bodies) -> list[Way]:
    """Return how single rows are asked about."""
    own, single = peers["dagrun"], bodies.single
    typed = "/dagrun.models.flights.Flights/Predict"
    return [
        Way(name="dagrun", peer=own, path=PREDICT, bodies=single["dagrun"]),
        Way(name="dagrun-typed", peer=own, path=typed, bodies=single["typed"]),
        Way(name="dagrun-v2", peer=own, path=MODEL_INFER, bodies=single["v2"]),
        *(
            Way(name=name, peer=peers[name], path=PREDICT, bodies=single["dagrun"])
            for name in (*ECHOES, "dagrun-2")
        ),
        Way(name="mlserver", peer=peers["mlserver"], path=MODEL_INFER, bodies=single["v2"]),
        *(
            Way(name=name, peer=peers[name], path="/predict", bodies=single["json"])
            for name in REST
        ),
    ]


def measure_tables(
    peers: Mapping[str, Peer], bodies: Bodies, seconds: Seconds
) -> Iterator[tuple[str, Measured]]:
    """Yield what was measured of tables, by contender."""
    own = peers["dagrun"]
    with own.awake():
        yield "dagrun", tables(own, bodies.arrow, PREDICT_TABLE, seconds)
        yield "dagrun-rows", tables(own, bodies.rows, PREDICT, seconds)
    for name in REST[1:]:
        with peers[name].awake():
            yield name, tables(peers[name], bodies.json_table, "", seconds)
    for name in IN_PROCESS:
        with peers[name].awake():
            rows = flights.TABLE_ROWS * in_process.TIMES / peers[name].answered()
            yield name, {"table-rows": (rows, "1/s")}


def measure(
    peers: Mapping[str, Peer], bodies: Bodies, folder: Path, *, quick: bool
) -> Iterator[dict[str, Measured]]:
    """Yield what one round of all contenders measured, each round beginning with another one."""
    seconds = QUICK if quick else FULL
    asked = ways(peers, bodies)
    with_h2load = shutil.which("h2load") is not None
    if not with_h2load:
        print("  h2load is not installed: the check of the load generator is skipped")
    for way in asked:
        with way.peer.awake():
            way.warm()
    for turn in range(2 if quick else 5):
        shift = turn % len(asked)
        found: dict[str, Measured] = {}
        for way in (*asked[shift:], *asked[:shift]):
            with way.peer.awake():
                found[way.name] = way.measure(seconds, paced=way.name not in NOT_PACED)
                if with_h2load and way.name in ("dagrun", "echo", "parse"):
                    found[way.name] |= h2load(way, folder, seconds.full)
        for name, measured in measure_tables(peers, bodies, seconds):
            found[name] = found.get(name, {}) | measured
        yield found


def summarise(session: Session, rounds: Rounds) -> None:
    """Record every figure and the ratios that matter."""
    for name, measured in rounds[0].items():
        for figure, (_, unit) in measured.items():
            values = [one[name][figure][0] for one in rounds]
            session.record(f"{name} {figure}", values, unit)
    for name in (*ECHOES, *REST, "mlserver"):
        session.ratio(f"requests, dagrun / {name}", "dagrun requests", f"{name} requests")
    for over, under in (
        ("dagrun-v2", "mlserver"),
        ("dagrun-typed", "dagrun"),
        ("dagrun-2", "dagrun"),
        ("parse", "echo"),
    ):
        session.ratio(f"requests, {over} / {under}", f"{over} requests", f"{under} requests")
    for name in ("parse", "mlserver", "rest-row", "rest-xgboost", "rest-pandas"):
        over, under = "dagrun alone-p50", f"{name} alone-p50"
        session.ratio(f"alone-p50, dagrun / {name}", over, under, better="lower")
    for name in rounds[0]:
        for kind in ("even", "random"):
            if f"{kind}-p99" in rounds[0][name]:
                over, under = f"{name} {kind}-p99", f"{name} {kind}-p50"
                session.ratio(f"p99 / p50 at 70 %, {kind}, {name}", over, under, better="lower")
    for name in ("dagrun", "dagrun-typed"):
        for kind in ("even", "random"):
            over, under = f"{name} {kind}-tail", f"parse {kind}-tail"
            session.ratio(f"tail at 70 %, {kind}, {name} / parse", over, under, better="lower")
    for name in (*REST[1:], *IN_PROCESS):
        for own in ("dagrun", "dagrun-rows"):
            over, under = f"{own} table-rows", f"{name} table-rows"
            session.ratio(f"table rows, {own} / {name}", over, under)
    if "h2load" in rounds[0]["echo"]:
        for name in ("dagrun", "parse", "echo"):
            over, under = f"{name} requests", f"{name} h2load"
            session.ratio(f"load generator / h2load ({name})", over, under)
        session.ratio("h2load, dagrun / parse", "dagrun h2load", "parse h2load")


def main() -> None:
    quick = is_quick()
    # Contenders are frozen most of the time, and must be woken to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    packages = ("grpcio", "protobuf", "fastapi", "uvicorn", "uvloop", "pydantic", "xgboost-cpu")
    session = Session("serving", quick=quick, packages=(*packages, "pandas", "polars"))
    cores = sorted(os.sched_getaffinity(0))
    server_core = cores[0] if len(cores) > 1 else -1
    if server_core < 0:
        print("  one core only: server and load share it, and the figures are no rates")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        programs = prepare("mlserver_flights", folder)
        install_tree(programs, folder)
        bodies = prepared(folder)
        peers = {
            name: stack.enter_context(
                running(
                    name,
                    -1 if name == "dagrun-2" else server_core,
                    folder,
                    programs / "python" if name == "mlserver" else Path(sys.executable),
                )
            )
            for name in PEERS
        }
        if server_core >= 0:
            os.sched_setaffinity(0, {cores[-1]})
        gc.collect()
        gc.freeze()  # a long collection in the load generator would look like a slow server
        rounds = list(measure(peers, bodies, folder, quick=quick))
    summarise(session, rounds)
    rate = statistics.median(one["dagrun"]["requests"][0] for one in rounds)
    print(f"  dagrun answers {rate:,.0f} single rows a second on one core")
    session.finish()


if __name__ == "__main__":
    main()
