"""Servers that answer as a test says, and both clients behind one way to call them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import Answer, AsyncClient, CallFailed, Client, ClientSettings

ANSWER = pb.PredictResponse(
    answers=[pb.Answer(probability=0.5)], threshold=0.5, bundle_digest="b"
).SerializeToString()


@dataclass
class Fake:
    """A server that records its calls.

    Attributes:
        address: where it listens.
        peers: who called, by call.
        metadata: what each call carried.
        cancelled: released for each call that its caller gave up.
    """

    address: str = ""
    peers: list[str] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    cancelled: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


Behaviour = Callable[[int, grpc.ServicerContext], bytes]


@contextmanager
def fake(
    answer: Behaviour = lambda _number, _context: ANSWER,
    credentials: grpc.ServerCredentials | None = None,
    port: int = 0,
) -> Iterator[Fake]:
    """Serve every method by `answer(number of the call, context)`."""
    seen = Fake()
    lock = threading.Lock()

    class Recording(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
                with lock:
                    number = len(seen.peers)
                    seen.peers.append(context.peer())
                    seen.metadata.append(dict(context.invocation_metadata()))
                done = threading.Event()
                context.add_callback(lambda: None if done.is_set() else seen.cancelled.release())
                try:
                    return answer(number, context)
                finally:
                    if context.is_active():
                        done.set()

            return grpc.unary_unary_rpc_method_handler(handle)

    server = grpc.server(ThreadPoolExecutor(16), [Recording()])
    if credentials is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    seen.address = f"127.0.0.1:{bound}"
    server.start()
    try:
        yield seen
    finally:
        server.stop(0).wait()


Outcome = list[Answer] | CallFailed
Ask = Callable[..., list[Outcome]]


def ask_threads(
    target: str | Sequence[str],
    settings: ClientSettings | None = None,
    *,
    calls: int = 1,
    at_once: int = 1,
) -> list[Outcome]:
    """Call `predict` by a `Client` from some threads; return what came of each call."""
    with Client(target, settings) as client, ThreadPoolExecutor(at_once) as threads:

        def ask(_number: int) -> Outcome:
            try:
                return client.predict("m", [{"x": 1.0}])
            except CallFailed as error:
                return error

        return list(threads.map(ask, range(calls)))


def ask_loop(
    target: str | Sequence[str],
    settings: ClientSettings | None = None,
    *,
    calls: int = 1,
    at_once: int = 1,
) -> list[Outcome]:
    """Do the same by an `AsyncClient` in an event loop of its own."""

    async def run() -> list[Outcome]:
        room = asyncio.Semaphore(at_once)

        async def ask() -> Outcome:
            async with room:
                try:
                    return await client.predict("m", [{"x": 1.0}])
                except CallFailed as error:
                    return error

        async with AsyncClient(target, settings) as client:
            return list(await asyncio.gather(*(ask() for _ in range(calls))))

    return asyncio.run(run())


class Callers:
    """Threads and tasks that call until told to stop; a failure of any call is raised then."""

    def __init__(self, address: str, row: dict[str, object], timeout: float = 60) -> None:
        self._settings = ClientSettings(timeout=timeout, patience=timeout)
        self.answers: list[Answer] = []
        self._address, self._row = address, row
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self) -> Callers:
        self._client = Client(self._address, self._settings)
        self._futures = [self._pool.submit(self._in_a_thread) for _ in range(3)]
        self._futures.append(self._pool.submit(lambda: asyncio.run(self._in_a_loop())))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, and raise what any call raised."""
        self._ended.set()
        for future in self._futures:
            future.result()
        self._client.close()
        self._pool.shutdown()

    def more(self, count: int = 40) -> None:
        """Wait until so many more calls were answered."""
        goal = len(self.answers) + count
        while len(self.answers) < goal:
            assert not any(future.done() for future in self._futures)
            self._ended.wait(0.01)

    def _in_a_thread(self) -> None:
        while not self._ended.is_set():
            self.answers += self._client.predict("flights", [self._row])

    async def _in_a_loop(self) -> None:
        async with AsyncClient(self._address, self._settings) as client:

            async def ask() -> None:
                while not self._ended.is_set():
                    self.answers += await client.predict("flights", [self._row])

            await asyncio.gather(ask(), ask(), ask())
