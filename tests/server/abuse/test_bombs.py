"""Little that becomes much: headers, messages and tables that unpack, and half of them."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pytest
from hpack import Encoder
from tests_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PREDICT_TABLE,
    Raw,
    block,
    frame,
    message,
)

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request

Attack = Callable[..., None]
Row = Callable[..., dict[str, object]]
MEGABYTE = 1 << 20
TIMES = 20 if "DAGRUN_SOAK" in os.environ else 1


def test_headers_that_unpack(attack: Attack) -> None:
    """A header kept in the table and then named many times, by one byte each.

    gRPC measures headers as they are packed, so these get through; each byte costs it about 70, and
    the calls of a connection are worked through one after another.
    """

    def flood(port: int) -> None:
        for _ in range(5):
            with Raw(port) as raw:
                again = Encoder().encode([("x-large", "y" * 100)]) + b"\xbe" * 4_000
                for stream in range(1, 41, 2):
                    raw.send(frame(HEADERS, END_HEADERS, stream, block() + again))
                raw.closed.wait(0.2)

    attack(flood, megabytes=320)


def test_slow_readers_of_large_answers(attack: Attack, make_row: Row) -> None:
    rows = request("flights", [make_row()] * 400, features=True).SerializeToString()

    def flood(port: int) -> None:
        with ExitStack() as stack:
            for _ in range(8 * TIMES):
                raw = stack.enter_context(Raw(port, settings=[(INITIAL_WINDOW, 1)]))
                raw.call(1, message(rows[:60_000]))
            time.sleep(1)

    attack(flood)


def test_messages_sent_in_part(attack: Attack) -> None:
    """Many messages of which the last byte never comes."""

    def flood(port: int) -> None:
        with ExitStack() as stack:
            for _ in range(50):
                raw = stack.enter_context(Raw(port))
                start = struct.pack(">BI", 0, 15 * MEGABYTE) + bytes(15_000)
                for stream in range(1, 9, 2):
                    raw.send(
                        frame(HEADERS, END_HEADERS, stream, block()) + frame(DATA, 0, stream, start)
                    )
            time.sleep(1)

    attack(flood, megabytes=128)


def test_messages_beyond_every_size(attack: Attack) -> None:
    def flood(port: int) -> None:
        for claimed in (17 * MEGABYTE, 2**31, 2**32 - 1):
            with Raw(port) as raw:
                start = struct.pack(">BI", 0, claimed) + bytes(16_000)
                raw.send(frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, 0, 1, start))
                for _ in range(2_000):
                    if not raw.send(frame(DATA, 0, 1, bytes(16_384))):
                        break

    attack(flood)


def test_packed_messages_that_unpack(attack: Attack) -> None:
    """200 megabytes of zeros in 200 kilobytes."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(200)) + packer.flush()
    bombs = bomb[:30_000], bomb

    def flood(port: int) -> None:
        for body in bombs * TIMES:
            with Raw(port) as raw:
                raw.send(
                    frame(HEADERS, END_HEADERS, 1, block(PREDICT_TABLE, ("grpc-encoding", "gzip")))
                )
                packed = message(body, packed=True)
                for start in range(0, len(packed), 16_384):
                    raw.send(frame(DATA, 0, 1, packed[start : start + 16_384]))
                raw.send(frame(DATA, END_STREAM, 1))
                raw.closed.wait(0.2)

    attack(flood, megabytes=96)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_tables_that_unpack(attack: Attack, compression: str) -> None:
    table = pa.table({f"c{number}": np.zeros(4_000_000) for number in range(20)})
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as out:
        out.write_table(table)
    body = pb.PredictTableRequest(model="flights", table=sink.getvalue()).SerializeToString()
    assert len(body) < 4 * MEGABYTE

    def flood(port: int) -> None:
        for _ in range(5 * TIMES):
            with Raw(port) as raw:
                raw.call(1, message(body), PREDICT_TABLE)
                raw.closed.wait(0.1)

    attack(flood, megabytes=96)
