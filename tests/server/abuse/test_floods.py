"""Floods: of calls, frames, connections and noise."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest
from tests_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    RST,
    SETTINGS,
    Raw,
    block,
    frame,
    message,
)

from dagrun.proto import dagrun_v1_pb2 as pb

Attack = Callable[..., None]
Row = Callable[..., dict[str, object]]
MEGABYTE = 1 << 20
TIMES = 20 if "DAGRUN_SOAK" in os.environ else 1


@pytest.fixture(scope="module")
def predict() -> bytes:
    """A whole valid call's message would be too kind: this one names no model."""
    return message(pb.PredictRequest(model="nobody").SerializeToString())


def test_rapid_reset(attack: Attack, predict: bytes) -> None:
    """CVE-2023-44487: calls opened and given up at once."""

    def flood(port: int) -> None:
        for _ in range(4 * TIMES):
            with Raw(port) as raw:
                for first in range(1, 10_000, 200):
                    streams = range(first, first + 200, 2)
                    sent = raw.send(
                        b"".join(
                            frame(HEADERS, END_HEADERS, stream, block())
                            + frame(DATA, END_STREAM, stream, predict)
                            + frame(RST, 0, stream, struct.pack(">I", 8))
                            for stream in streams
                        )
                    )
                    if not sent:
                        break

    attack(flood)


def test_pings(attack: Attack) -> None:
    def flood(port: int) -> None:
        for _ in range(3 * TIMES):
            with Raw(port) as raw:
                for _ in range(300):
                    if not raw.send(frame(PING, 0, 0, bytes(8)) * 100):
                        break
                raw.closed.wait(0.3)

    attack(flood)


@pytest.mark.parametrize("reads", [True, False])
def test_settings(attack: Attack, reads: bool) -> None:
    """CVE-2019-9515: each wants an acknowledgement, which is never read."""

    def flood(port: int) -> None:
        with Raw(port, reads=reads) as raw:
            raw.socket.settimeout(2)
            for _ in range(2_000 * TIMES):
                if not raw.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * 100):
                    return

    attack(flood)


def test_endless_headers(attack: Attack) -> None:
    """CVE-2024-27316: a block of headers that never ends."""

    def flood(port: int) -> None:
        with Raw(port) as raw:
            raw.send(frame(HEADERS, 0, 1, block()))
            part = b"".join(b"\x10\x04x-%02d\x7f\x00" % (n % 90) + b"y" * 127 for n in range(110))
            for _ in range(2_000 * TIMES):
                if not raw.send(frame(CONTINUATION, 0, 1, part)):
                    return

    attack(flood)


def test_closed_windows(attack: Attack, predict: bytes) -> None:
    """Answers that are asked for and never taken."""

    def flood(port: int) -> None:
        with ExitStack() as stack:
            for _ in range(5 * TIMES):
                raw = stack.enter_context(Raw(port, settings=[(INITIAL_WINDOW, 0)], reads=False))
                for stream in range(1, 401, 2):
                    raw.call(stream, message(b""), "/dagrun.v1.Prediction/ListModels")
            time.sleep(0.5)

    attack(flood)


def test_calls_that_say_nothing(attack: Attack) -> None:
    def flood(port: int) -> None:
        with ExitStack() as stack:
            for _ in range(50):
                raw = stack.enter_context(Raw(port))
                raw.send(
                    b"".join(
                        frame(HEADERS, END_HEADERS, stream, block()) for stream in range(1, 201, 2)
                    )
                )
            time.sleep(1)

    attack(flood, megabytes=128)


def test_a_thousand_connections(attack: Attack) -> None:
    """Half of them speak HTTP/2, half say nothing at all."""

    def flood(port: int) -> None:
        with ExitStack() as stack:
            for number in range(1_000):
                if number % 2:
                    stack.enter_context(Raw(port, reads=False))
                else:
                    stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            time.sleep(1)

    attack(flood, megabytes=160)


def test_what_is_no_http2(attack: Attack) -> None:
    noise = np.random.default_rng(1).bytes(100_000)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise[:500]

    def flood(port: int) -> None:
        for start in (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", hello, noise, b"PRI * HTTP/2.0\r\n"):
            for _ in range(50 * TIMES):
                with socket.create_connection(("127.0.0.1", port)) as plain:
                    plain.sendall(start)
        for seed in range(200 * TIMES):
            pick = np.random.default_rng(seed)
            with Raw(port) as raw:
                for _ in range(20):
                    kind, flags, stream = (int(n) for n in pick.integers(0, (12, 256, 20)))
                    raw.send(frame(kind, flags, stream, pick.bytes(int(pick.integers(0, 200)))))

    attack(flood)
