"""A load generator whose every request is another row, for gRPC and for HTTP/1.1.

h2load sends one body again and again; this sends as many different ones as it is given. All bytes
are made before the clock starts: while it runs, requests are only written and responses only
counted, so one core of load outruns one core of server (see the ratio to h2load in the session).
`drive` is a closed loop: each of so many places sends its next request when its last one is
answered. `pace` is an open one: requests are due at given moments, whatever was answered, and a
latency counts from the moment that its request was due. HTTP/2 is spoken just as far as a gRPC
server needs it, over several connections with several streams each; HTTP/1.1 with keep-alive, one
request at a time on each connection.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Protocol

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WIDE = 2**31 - 1 - 65_535
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_READ = 1 << 18
_STRETCH = 500
"""Answers, in the order in which they came, about a tenth of a second under load."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run saw: `seconds` in all, and the latency of each answer, in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, share: float) -> float:
        """Return the latency that `share` of the answers did not exceed."""
        return _percentile(self.latencies, share)

    def tail(self) -> float:
        """Return the 99th percentile over the median, in the median stretch of answers: a stall of
        the machine is in few stretches."""
        answers = self.latencies
        starts = range(0, max(1, len(answers) - _STRETCH + 1), _STRETCH)
        parts = [answers[start : start + _STRETCH] for start in starts]
        return statistics.median(_percentile(one, 0.99) / _percentile(one, 0.5) for one in parts)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection(Protocol):
    """One connection with so many places for requests under way."""

    socket: socket.socket

    def send(self, body: bytes, since: float = 0.0) -> None:
        """Send a request whose latency counts from `since`, by default from now."""
        ...

    def receive(self, outcome: Outcome) -> int:
        """Read what has come; return how many requests ended."""
        ...


def drive(
    connections: Sequence[Connection], places: int, bodies: Sequence[bytes], count: int
) -> Outcome:
    """Send `count` requests, the bodies in turn, `places` at a time on each connection."""
    outcome = Outcome()
    queue = islice(cycle(bodies), count)
    left = count
    with selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            for body in islice(queue, places):
                connection.send(body)
        while left:
            for key, _ in selector.select():
                ended = key.data.receive(outcome)
                left -= ended
                for body in islice(queue, ended):
                    key.data.send(body)
        outcome.seconds = time.perf_counter() - start
    return outcome


def pace(
    connections: Sequence[Connection], places: int, bodies: Sequence[bytes], due: Sequence[float]
) -> Outcome:
    """Send a request at each moment of `due` (seconds from the start, ascending).

    One that finds no place free waits for one, and its latency grows meanwhile.
    """
    outcome = Outcome()
    free = deque(connection for _ in range(places) for connection in connections)
    bodies_left, sent, left = cycle(bodies), 0, len(due)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        start = time.perf_counter()
        while left:
            now = time.perf_counter() - start
            while free and sent < len(due) and due[sent] <= now:
                free.popleft().send(next(bodies_left), start + due[sent])
                sent += 1
            # Never sleeps: a timer of the kernel is far too coarse.
            for key, _ in selector.select(0):
                ended = key.data.receive(outcome)
                left -= ended
                free.extend([key.data] * ended)
        outcome.seconds = time.perf_counter() - start
    return outcome


class Grpc:
    """An HTTP/2 connection that calls one unary method."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = _header_block(path, f"{address[0]}:{address[1]}")
        self._next, self._window, self._rest = 1, 65_535, b""
        self._under_way: dict[int, float] = {}
        self._answered: set[int] = set()
        settings = struct.pack(">HIHI", 2, 0, 4, 2**31 - 1)  # no push; wide windows
        self.socket.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_WINDOW, 0, 0, struct.pack(">I", _WIDE))
        )

    def send(self, body: bytes, since: float = 0.0) -> None:
        stream, self._next = self._next, self._next + 2
        self._window -= len(body)
        if self._window < 0:
            raise RuntimeError("the server's window is full: use shorter bodies or fewer places")
        frames = _frame(_HEADERS, _END_HEADERS, stream, self._headers) + b"".join(
            _frame(_DATA, _END_STREAM if end else 0, stream, part) for part, end in _parts(body)
        )
        self._under_way[stream] = since or time.perf_counter()
        self.socket.sendall(frames)

    def receive(self, outcome: Outcome) -> int:
        data = self._rest + self.socket.recv(_READ)
        now, ended, place = time.perf_counter(), 0, 0
        if len(data) == len(self._rest):
            raise RuntimeError("the server closed the connection")
        while len(data) - place >= 9:
            size, kind, flags = (
                int.from_bytes(data[place : place + 3]),
                data[place + 3],
                data[place + 4],
            )
            if len(data) - place - 9 < size:
                break
            stream = int.from_bytes(data[place + 5 : place + 9])
            payload = place + 9
            place = payload + size
            if kind == _DATA:
                self.body(stream, data[payload:place])
            elif kind == _RST or (kind == _HEADERS and flags & _END_STREAM):
                ended += self.end(stream, now, outcome, data[payload:place])
            elif kind == _WINDOW and stream == 0:
                self._window += int.from_bytes(data[payload : payload + 4])
            elif kind == _PING and not flags & _ACK:
                self.socket.sendall(_frame(_PING, _ACK, 0, data[payload:place]))
            elif kind == _SETTINGS and not flags & _ACK:
                self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
            elif kind == _GOAWAY:
                self.goodbye(int.from_bytes(data[payload : payload + 4]))
        self._rest = data[place:]
        return ended

    def body(self, stream: int, part: bytes) -> None:
        """Take a part of an answer."""
        self._answered.add(stream)

    def goodbye(self, last: int) -> None:
        """Take the notice that the server does nothing for streams above `last`."""
        raise RuntimeError("the server said goodbye")

    def end(self, stream: int, now: float, outcome: Outcome, block: bytes) -> int:
        """Take the end of a stream, told by trailers or a reset; return how many requests ended."""
        started = self._under_way.pop(stream, None)
        if started is None:
            return 0
        # An error comes as headers alone; an answer has data before its trailers.
        if stream in self._answered:
            self._answered.discard(stream)
            outcome.latencies.append(now - started)
        else:
            outcome.failed += 1
        return 1


class Http:
    """An HTTP/1.1 connection that posts JSON, and waits for each answer."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()
        self._started, self._rest = 0.0, b""

    def send(self, body: bytes, since: float = 0.0) -> None:
        message = b"%s%d\r\n\r\n%s" % (self._head, len(body), body)
        self._started = since or time.perf_counter()
        self.socket.sendall(message)

    def receive(self, outcome: Outcome) -> int:
        data = self.socket.recv(_READ)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return 0
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return 0
        self._rest = b""
        if head.startswith(b"HTTP/1.1 200"):
            outcome.latencies.append(time.perf_counter() - self._started)
        else:
            outcome.failed += 1
        return 1


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _parts(body: bytes, most: int = 16_384) -> Iterator[tuple[bytes, bool]]:
    for start in range(0, len(body), most):
        yield body[start : start + most], start + most >= len(body)


def _header_block(path: str, authority: str) -> bytes:
    """Return HPACK headers: two from the static table, the others as plain literals."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    return (
        b"\x83\x86"  # :method POST, :scheme http
        + (b"\x04" + text(path))
        + (b"\x01" + text(authority))
        + (b"\x0f\x10" + text("application/grpc"))  # content-type
        + (b"\x00" + text("te") + text("trailers"))
    )
