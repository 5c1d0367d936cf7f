"""HTTP/2 as no decent client speaks it: frames one by one, and as many as one likes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from hpack import Encoder

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PREDICT, PREDICT_TABLE = "/dagrun.v1.Prediction/Predict", "/dagrun.v1.Prediction/PredictTable"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(path: str = PREDICT, *more: tuple[str, str]) -> bytes:
    """Return the headers of a call; nothing of it is put into the tables of either side."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]
    return bytes(Encoder().encode([(*pair, True) for pair in headers], huffman=False))


def message(body: bytes, *, packed: bool = False) -> bytes:
    return struct.pack(">BI", packed, len(body)) + body


class Raw:
    """A connection. What the server sends is thrown away, or never read."""

    def __init__(
        self, port: int, *, settings: Iterable[tuple[int, int]] = (), reads: bool = True
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.received = bytearray()
        self.closed = threading.Event()
        told = b"".join(struct.pack(">HI", *pair) for pair in settings)
        self.send(PREFACE + frame(SETTINGS, 0, 0, told))
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def send(self, data: bytes) -> bool:
        """Send what can be sent; return whether the server still listens."""
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed.set()
        return not self.closed.is_set()

    def call(self, stream: int, body: bytes | None, path: str = PREDICT) -> bool:
        """Open a call, and send its whole message in frames, if there is one."""
        frames = [frame(HEADERS, END_HEADERS, stream, block(path))]
        if body is not None:
            parts = [body[start : start + 16_384] for start in range(0, len(body), 16_384)]
            frames += [frame(DATA, 0, stream, part) for part in parts]
            frames.append(frame(DATA, END_STREAM, stream))
        return self.send(b"".join(frames))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        with suppress(OSError):
            while data := self.socket.recv(1 << 16):
                self.received = bytearray(data[-4096:])
        self.closed.set()
