"""Two echoes on grpcio, the ceiling of any Python gRPC server: `echo.py raw|parsed BUNDLE`.

`raw` returns fixed bytes; `parsed` reads the request and writes an answer of the usual size.
"""

from __future__ import annotations

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from dagrun.proto import dagrun_v1_pb2 as pb

METHOD = "/dagrun.v1.Prediction/Predict"


def main() -> None:
    """Serve until SIGTERM, then print how many calls were answered."""
    parse = sys.argv[1] == "parsed"
    answer = pb.PredictResponse(threshold=0.5, model_version=1, bundle_digest="0" * 64)
    answer.answers.add(probability=0.25, margin=-1.1, label=False, confidence=0.75)
    fixed, counted = answer.SerializeToString(), []

    def echo(data: bytes, _: grpc.ServicerContext) -> bytes:
        counted.append(None)
        if not parse:
            return fixed
        request = pb.PredictRequest.FromString(data)
        reply = pb.PredictResponse(threshold=0.5, model_version=1, bundle_digest="0" * 64)
        for _row in request.rows:
            reply.answers.add(probability=0.25, margin=-1.1, label=False, confidence=0.75)
        return reply.SerializeToString()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            return grpc.unary_unary_rpc_method_handler(echo) if details.method == METHOD else None

    server = grpc.server(ThreadPoolExecutor(8), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print(f"ready {port}", flush=True)
    stopped.wait()
    server.stop(1).wait()
    print(f"answered {len(counted)}", flush=True)


if __name__ == "__main__":
    main()
