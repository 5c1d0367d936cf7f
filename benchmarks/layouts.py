"""How many processes and threads should serve: `dagrun serve` in several layouts, one row a call.

The load has one core; the server has the other one, or, in the layouts marked `both`, both of
them, so that those share a core with the load: their figure of worth is the CPU time of a request.
32 requests are under way on 8 connections; the kernel spreads the connections over the processes,
not always evenly. `parse` is an echo that parses the same messages: grpcio with threads, and
`parse-aio` on grpc.aio. Every layout answers in every round; rounds begin with another one each.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving_peers import flights
from serving_peers.bodies import PREDICT, own_requests
from serving_peers.load import Grpc, drive
from serving_peers.measuring import Measured
from serving_peers.peer import running
from session import Session, is_quick

ONE_CORE = ((1, 1), (1, 4), (1, 8), (1, 16), (2, 4))
BOTH_CORES = ((1, 8), (2, 8))
ECHOES = ("parse", "parse-aio")
CONNECTIONS, STREAMS = 8, 4
_PINNED = (
    "import os, sys; os.sched_setaffinity(0, map(int, sys.argv[1].split())); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A running server: its name in the results, its address, and the processes that answer."""

    name: str
    address: tuple[str, int]
    processes: Sequence[int]

    def seconds(self) -> float:
        """Return the CPU time that its processes have used."""
        ticks = 0
        for process in self.processes:
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving_on(cores: set[int], workers: int, threads: int, bundle: Path) -> Iterator[Layout]:
    """Run `dagrun serve` on some cores."""
    dagrun = str(Path(sys.executable).with_name("dagrun"))
    command = [
        sys.executable,
        "-c",
        _PINNED,
        " ".join(map(str, cores)),
        dagrun,
        "serve",
        str(bundle),
    ]
    command += ["--port", "0", "--workers", str(workers), "--threads", str(threads), "--no-log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            text = ""
            while "worker process" not in text:
                line = process.stderr.readline()
                if not line:
                    raise SystemExit(f"error: the server ended\n{text}")
                text += line
            found = re.search(r"gRPC on (\S+):(\d+)", text)
            assert found
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            both = " both" if len(cores) > 1 else ""
            yield Layout(
                name=f"{workers}x{threads}{both}",
                address=(found[1], int(found[2])),
                processes=[int(child) for child in children.split()],
            )
        finally:
            process.terminate()


def measured(layout: Layout, bodies: Sequence[bytes], count: int) -> Measured:
    """Return requests per second, CPU time of each, and the latencies."""
    opened = [Grpc(layout.address, PREDICT) for _ in range(CONNECTIONS)]
    before = layout.seconds()
    outcome = drive(opened, STREAMS, bodies, count)
    used = layout.seconds() - before
    for connection in opened:
        connection.socket.close()
    if outcome.failed:
        raise SystemExit(f"error: {layout.name} failed {outcome.failed} of {count} requests")
    return {
        "requests": (count / outcome.seconds, "1/s"),
        "cpu": (1e6 * used / count, "us"),
        "p50": (1e3 * outcome.percentile(0.5), "ms"),
        "p99": (1e3 * outcome.percentile(0.99), "ms"),
    }


def main() -> None:
    quick = is_quick()
    session = Session("layouts", quick=quick, packages=("grpcio", "protobuf", "xgboost-cpu"))
    cores = sorted(os.sched_getaffinity(0))
    one, last = {cores[0]}, cores[-1]
    bodies = own_requests(flights.live())
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        bundle = Path(name) / "flights.bundle"
        bundle.write_bytes(flights.bundle().to_bytes())
        os.sched_setaffinity(0, {last})
        layouts = [
            stack.enter_context(serving_on(cores_, workers, threads, bundle))
            for cores_, wanted in ((one, ONE_CORE), (set(cores), BOTH_CORES))
            for workers, threads in wanted
        ]
        for echo in ECHOES:
            peer = stack.enter_context(running(echo, cores[0], Path(name)))
            peer.wake()
            layouts.append(Layout(name=echo, address=peer.address, processes=[peer.process_id]))
        count = 1_000 if quick else 10_000
        rounds = []
        for turn in range(3 if quick else 5):
            shift = turn % len(layouts)
            order = (*layouts[shift:], *layouts[:shift])
            rounds.append({each.name: measured(each, bodies, count) for each in order})
    for layout in layouts:
        for figure, (_, unit) in rounds[0][layout.name].items():
            values = [each[layout.name][figure][0] for each in rounds]
            session.record(f"{layout.name} {figure}", values, unit)
    session.ratio("requests, parse / parse-aio", "parse requests", "parse-aio requests")
    session.ratio("requests, 8 threads / 4", "1x8 requests", "1x4 requests")
    session.ratio("requests, 1 process / 2 on one core", "1x8 requests", "2x4 requests")
    session.ratio(
        "requests, 2 processes / 1 on both cores", "2x8 both requests", "1x8 both requests"
    )
    best = max(layouts, key=lambda e: statistics.median(r[e.name]["requests"][0] for r in rounds))
    print(f"  most requests: {best.name}")
    session.finish()


if __name__ == "__main__":
    main()
