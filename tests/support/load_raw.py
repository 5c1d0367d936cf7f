"""`load_raw.py ADDRESS KNOWN`: a closed loop of HTTP/2 requests that repeats none of them.

What a caller without any library sees: it knows statuses, resets and goodbyes, makes a new
connection for one that has ended, and after a shed waits as long as it was asked to.
"""

from __future__ import annotations

import functools
import heapq
import json
import pickle
import selectors
import socket
import sys
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path

from hpack import Decoder
from tests_load import Known

from serving_peers.load import Grpc, Outcome

CONNECTIONS, PLACES = 8, 24
"""192 calls under way in all, fewer than may wait for one worker: it sheds none in peace."""
NO_TABLE = bytes.fromhex("000006040000000000000100000000")
"""SETTINGS without a table of headers, so that each block can be read by itself."""


class Connection(Grpc):
    """One connection, which knows what it asked by every stream."""

    def __init__(self, address: tuple[str, int], caller: Caller) -> None:
        super().__init__(address, "/dagrun.v1.Prediction/Predict")
        self.socket.sendall(NO_TABLE)
        self.port = self.socket.getsockname()[1]
        self.places, self.last = PLACES, sys.maxsize
        self.greeted = False
        self._caller, self._dropped = caller, Counter[str]()
        self._asked, self._bodies = dict[int, int](), dict[int, bytes]()

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def ask(self, number: int) -> None:
        self._asked[self._next] = number
        request = self._caller.known.requests[number]
        self.send(b"\0" + len(request).to_bytes(4) + request)

    def body(self, stream: int, part: bytes) -> None:
        self._bodies[stream] = self._bodies.get(stream, b"") + part

    def end(self, stream: int, now: float, outcome: Outcome, block: bytes) -> int:
        number, body = self._asked.pop(stream, None), self._bodies.pop(stream, b"")
        if number is None:  # a reset after the trailers, or given up at the goodbye
            return 0
        if len(block) == 4:
            self._caller.failed("goodbye" if self.leaving else f"reset {block.hex()}")
            return 1
        status, pushback = read(block)
        if status == "0":
            self._caller.answered(number, body)
        elif status == "8" and pushback:
            self._caller.failed("shed")
            self.places -= 1
            self._caller.later(int(pushback) / 1_000, self)
        elif status in ("1", "14"):  # how a call is dropped at the end; the goodbye may follow
            self._dropped[status] += 1
        else:
            self._caller.failed(f"status {status}")
        return 1

    def goodbye(self, last: int) -> None:
        self.last = min(self.last, last)
        for stream in [stream for stream in self._asked if stream > last]:
            del self._asked[stream]
            self._caller.failed("goodbye")

    def close(self) -> None:
        for status, times in self._dropped.items():
            self._caller.failed("goodbye" if self.leaving else f"status {status}", times)
        self.socket.close()

    @property
    def leaving(self) -> bool:
        return self.last < sys.maxsize


@functools.lru_cache(maxsize=64)
def read(block: bytes) -> tuple[str, str]:
    """Return the status of trailers, and the pause that they ask for."""
    fields = dict(Decoder().decode(block))
    return fields["grpc-status"], fields.get("grpc-retry-pushback-ms", "")


class Caller:
    """All connections, and what came of all calls."""

    def __init__(self, address: str, known: Known) -> None:
        host, _, port = address.rpartition(":")
        self.known, self._address = known, (host, int(port))
        self.answers, self.failures, self.wrong = Counter[int](), Counter[str](), list[str]()
        self.broken: list[int] = []
        self.stopped = False
        self._right: set[tuple[int, bytes]] = set()
        self._numbers = count()
        self._pauses: list[tuple[float, int, Connection]] = []
        self._selector = selectors.DefaultSelector()
        self._open: list[Connection] = []

    def answered(self, number: int, body: bytes) -> None:
        response = body[5:]
        version = None
        for digest, (of, _, _) in self.known.bundles.items():
            if digest.encode() in response:
                version = of
        if (number, response) not in self._right:
            if wrong := self.known.wrong_bytes(number, response):
                self.wrong.append(wrong)
            else:
                self._right.add((number, response))
        self.answers[version or 0] += 1
        self._begun()

    def failed(self, kind: str, times: int = 1) -> None:
        self.failures[kind] += times
        self._begun()

    def _begun(self) -> None:
        if self.answers.total() + self.failures.total() == 1:
            print("begun", flush=True)

    def later(self, seconds: float, connection: Connection) -> None:
        """Give the connection a place more after a pause."""
        heapq.heappush(self._pauses, (time.monotonic() + seconds, next(self._numbers), connection))

    def run(self) -> None:
        """Call until told to stop and the last answer has come."""
        outcome = Outcome()
        while not self.stopped or self._open:
            self._connect()
            while self._pauses and self._pauses[0][0] <= time.monotonic():
                heapq.heappop(self._pauses)[2].places += 1
            for key, _ in self._selector.select(0.02):
                connection = key.data
                try:
                    connection.receive(outcome)
                    connection.greeted = True
                except (RuntimeError, OSError):
                    self._lost(connection)
            for connection in list(self._open):
                self._fill(connection)

    def _connect(self) -> None:
        while not self.stopped and len(self._open) < CONNECTIONS:
            try:
                connection = Connection(self._address, self)
            except OSError:  # between two servers there is none: nothing was asked
                time.sleep(0.02)
                return
            self._open.append(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _fill(self, connection: Connection) -> None:
        if self.stopped or connection.leaving:
            if not connection.under_way:
                self._close(connection)
            return
        # As gRPC does: what nobody has greeted may be waiting for a server that is gone.
        if not connection.greeted:
            return
        try:
            while connection.under_way < connection.places:
                connection.ask(next(self._numbers) % len(self.known.rows))
        except OSError:
            self._lost(connection)

    def _lost(self, connection: Connection) -> None:
        """Note the end of a connection: only one that said no goodbye is broken."""
        kind = "goodbye" if connection.leaving else "broken connection"
        if connection.greeted and not connection.leaving:
            self.broken.append(connection.port)
        self.failures[kind] += connection.under_way
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._open.remove(connection)
        self._selector.unregister(connection.socket)
        connection.close()


def main(address: str, path: str) -> None:
    caller = Caller(address, pickle.loads(Path(path).read_bytes()))

    def wait() -> None:
        sys.stdin.readline()
        caller.stopped = True

    threading.Thread(target=wait, daemon=True).start()
    began = time.perf_counter()
    caller.run()
    seen = {
        "seconds": time.perf_counter() - began,
        "answers": caller.answers,
        "wrong": caller.wrong,
        "failures": {kind: n for kind, n in caller.failures.items() if n},
        "broken": caller.broken,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    main(*sys.argv[1:])
