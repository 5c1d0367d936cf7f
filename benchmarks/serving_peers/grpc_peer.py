"""Echoes on gRPC, with the very options of dagrun's server: what grpcio itself can do.

`python -m serving_peers.grpc_peer KIND CORE FOLDER`, KIND being one of
  echo     sends each request back as it came, nothing parsed: the ceiling of grpcio
  parse    parses the same request and sends a constant answer
  parse-pool  the same on dagrun's own pool of threads
  parse-aio   the same on grpc.aio
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.serving import ServerSettings
from dagrun.server.serving.limits import options
from dagrun.server.serving.pool import Pool
from serving_peers.control import obey, pin

SETTINGS = ServerSettings()
ADDRESS = "127.0.0.1:0"
CONSTANT = pb.PredictResponse(
    answers=[pb.Answer(probability=0.3, margin=-0.8, confidence=0.7)],
    threshold=0.5,
    model_version=1,
    bundle_digest="9c" * 32,
).SerializeToString()


class Answering(grpc.GenericRpcHandler):
    """Answers every method alike, and counts."""

    def __init__(self, kind: str) -> None:
        # Counting takes no lock, but reading counts too.
        self._count, self._asked = itertools.count(), 0
        method = {"echo": self._echo}.get(kind, self._parse)
        if kind == "parse-aio":
            method = self._parse_async  # type: ignore[assignment]
        self._handler = grpc.unary_unary_rpc_method_handler(method)

    def service(self, handler_call_details: object) -> grpc.RpcMethodHandler:
        return self._handler

    def answered(self) -> int:
        """Return the number of answers so far."""
        self._asked += 1
        return next(self._count) - self._asked + 1

    def _echo(self, data: bytes, context: object) -> bytes:
        next(self._count)
        return data

    def _parse(self, data: bytes, context: object) -> bytes:
        pb.PredictRequest.FromString(data)
        next(self._count)
        return CONSTANT

    async def _parse_async(self, data: bytes, context: object) -> bytes:
        return self._parse(data, context)


def main() -> None:
    kind, core = sys.argv[1], int(sys.argv[2])
    pin(core)
    answering = Answering(kind)
    if kind == "parse-aio":
        asyncio.run(_serve_async(answering))
        return
    threads = SETTINGS.threads
    pool = Pool(threads, "peer") if kind == "parse-pool" else ThreadPoolExecutor(threads)
    server = grpc.server(pool, [answering], options=options(SETTINGS))
    port = server.add_insecure_port(ADDRESS)
    server.start()
    obey(port, answering.answered)
    server.stop(0).wait()


async def _serve_async(answering: Answering) -> None:
    server = grpc.aio.server(handlers=[answering], options=options(SETTINGS))
    port = server.add_insecure_port(ADDRESS)
    await server.start()
    await asyncio.to_thread(obey, port, answering.answered)
    await server.stop(0)


if __name__ == "__main__":
    main()
