"""What is measured of a contender: single rows in three ways, tables in two."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import grpc

from serving_peers import flights
from serving_peers.load import Connection, Grpc, Http, Outcome, drive, pace
from serving_peers.peer import Peer

CONNECTIONS, STREAMS = 8, 4
TABLES_UNDER_WAY = 4
_LOAD = 0.7
_MOST_WAITING = 64
Measured = dict[str, tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """How long each figure is measured: under full load, alone, at 70 %, for tables."""

    full: float
    alone: float
    paced: float
    table: float


@dataclass(slots=True, kw_only=True)
class Way:
    """One row a request to a contender.

    Attributes:
        name: as figures call it.
        peer: who answers.
        path: the method, or the path of the URL.
        bodies: what is sent, one after the other.
        rate: requests per second that it has reached so far, for choosing how many to send.
    """

    name: str
    peer: Peer
    path: str
    bodies: Sequence[bytes]
    rate: float = 0.0

    @property
    def rest(self) -> bool:
        return self.path == "/predict"

    def warm(self) -> None:
        """Send some requests, which also tells how fast it is about."""
        outcome, _ = self._counted(200)
        self.rate = 200 / outcome.seconds

    def measure(self, seconds: Seconds, *, paced: bool) -> Measured:
        """Measure 32 requests under way, then one at a time, then 70 % of that rate."""
        loaded, self.rate = self._counted(max(100, int(self.rate * seconds.full)))
        idle_rate = self.rate / 3
        with self._opened(1) as alone_on:
            alone = drive(alone_on, 1, self.bodies, max(50, int(idle_rate * seconds.alone)))
        found = {
            "requests": (self.rate, "1/s"),
            "p50": (1e3 * loaded.percentile(0.5), "ms"),
            "p99": (1e3 * loaded.percentile(0.99), "ms"),
            "alone-p50": (1e3 * alone.percentile(0.5), "ms"),
            "alone-p99": (1e3 * alone.percentile(0.99), "ms"),
        }
        if paced:
            for kind, gaps in (("even", _even), ("random", _random)):
                rate = _LOAD * self.rate
                outcome = self._paced(list(accumulate(gaps(rate, int(rate * seconds.paced)))))
                found[f"{kind}-p50"] = (1e3 * outcome.percentile(0.5), "ms")
                found[f"{kind}-p99"] = (1e3 * outcome.percentile(0.99), "ms")
                found[f"{kind}-tail"] = (outcome.tail(), "p99 / p50")
        return found

    def _counted(self, count: int) -> tuple[Outcome, float]:
        """Return the outcome, and answers per second by the server's own count."""
        before = self.peer.answered()
        connections = CONNECTIONS * STREAMS if self.rest else CONNECTIONS
        with self._opened(connections) as opened:
            outcome = drive(opened, 1 if self.rest else STREAMS, self.bodies, count)
        answered = self.peer.answered() - before
        if answered != count or outcome.failed:
            raise SystemExit(
                f"error: {self.name}: {answered:.0f} of {count} answered, {outcome.failed} failed"
            )
        return outcome, answered / outcome.seconds

    def _paced(self, due: Sequence[float]) -> Outcome:
        connections = _MOST_WAITING if self.rest else CONNECTIONS
        with self._opened(connections) as opened:
            outcome = pace(opened, _MOST_WAITING // connections, self.bodies, due)
        if outcome.failed:
            raise SystemExit(f"error: {self.name} refused {outcome.failed} at 70 % of its rate")
        return outcome

    @contextmanager
    def _opened(self, count: int) -> Iterator[list[Connection]]:
        made = Http if self.rest else Grpc
        opened: list[Connection] = [made(self.peer.address, self.path) for _ in range(count)]
        try:
            yield opened
        finally:
            for connection in opened:
                connection.socket.close()


def _even(rate: float, count: int) -> Iterator[float]:
    return (1.0 / rate for _ in range(count))


def _random(rate: float, count: int) -> Iterator[float]:
    """Yield the gaps of a Poisson process: callers that know nothing of each other."""
    pick = random.Random(11)
    return (pick.expovariate(rate) for _ in range(count))


Send = Callable[[], object]


def tables(
    peer: Peer, body: bytes, method: str, seconds: Seconds, places: int = TABLES_UNDER_WAY
) -> Measured:
    """Measure 1,000 rows a request, some under way and then one; no `method` is REST."""
    with ExitStack() as stack:
        sends = [_sender(peer, body, method, stack) for _ in range(places)]
        loaded, elapsed = _under_way(sends, seconds.table)
        alone, _ = _under_way(sends[:1], seconds.table / 2)
    return {
        "table-rows": (flights.TABLE_ROWS * len(loaded.latencies) / elapsed, "1/s"),
        "table-p50": (1e3 * alone.percentile(0.5), "ms"),
    }


def _sender(peer: Peer, body: bytes, method: str, stack: ExitStack) -> Send:
    if method:
        # A connection of its own for each: channels to one address would share one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = "{}:{}".format(*peer.address)
        call = stack.enter_context(grpc.insecure_channel(address, options)).unary_unary(method)
        return lambda: call(body)
    connection = Http(peer.address, "/table")
    stack.callback(connection.socket.close)

    def post() -> None:
        if drive([connection], 1, [body], 1).failed:
            raise SystemExit(f"error: {peer.name} refused a table")

    return post


def _under_way(sends: Sequence[Send], seconds: float) -> tuple[Outcome, float]:
    """Have each sender send again and again for so long; return all latencies and the time."""
    outcome = Outcome()
    start = time.perf_counter()

    def again(send: Send) -> None:
        while (began := time.perf_counter()) - start < seconds:
            send()
            outcome.latencies.append(time.perf_counter() - began)

    with ThreadPoolExecutor(len(sends)) as threads:
        list(threads.map(again, sends))
    return outcome, time.perf_counter() - start


def h2load(way: Way, folder: Path, seconds: float) -> Measured:
    """Measure the same with h2load, which sends one row again and again."""
    body, count = folder / "body", max(100, int(way.rate * seconds))
    body.write_bytes(way.bodies[0])
    command = ["h2load", "-n", str(count), "-c", str(CONNECTIONS), "-m", str(STREAMS)]
    command += ["-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    command += ["http://{}:{}{}".format(*way.peer.address, way.path)]
    before = way.peer.answered()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answered = way.peer.answered() - before
    found = re.search(r"finished in ([\d.]+)(us|ms|s)\b", done.stdout)
    if found is None or answered != count:
        raise SystemExit(f"error: {answered:.0f} of {count} answered; h2load said\n{done.stdout}")
    return {
        "h2load": (answered / float(found[1]) / {"us": 1e-6, "ms": 1e-3, "s": 1}[found[2]], "1/s")
    }
