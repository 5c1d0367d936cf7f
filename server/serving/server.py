"""The server: what listens, what it offers, and how it starts and ends.

Guarantee: nothing listens before every model was proved against its golden rows. On SIGTERM or
SIGINT the health turns NOT_SERVING, calls are still answered for `drain_seconds` while callers go
elsewhere, then no new one is taken, those in flight are finished (for at most `grace_seconds`),
and `serve` returns. Where it ends: gRPC drops a call that arrives in the very moment after, with
UNAVAILABLE or CANCELLED; `dagrun.server.client` repeats it, other callers should too.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import grpc
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dagrun.engine.errors import DagrunError
from dagrun.server.observe import metrics, process
from dagrun.server.observe.metrics import Reading
from dagrun.server.observe.prediction_log import PredictionLog
from dagrun.server.protocols import v2_messages, v2_service
from dagrun.server.protocols.explanation import Explanation
from dagrun.server.protocols.in_order import InOrder
from dagrun.server.protocols.pools import Pools
from dagrun.server.protocols.reflection import Reflection
from dagrun.server.protocols.typed import Typed
from dagrun.server.serving import health, limits, models, prediction, reports
from dagrun.server.serving.calls import Calls
from dagrun.server.serving.credentials import Guarded, credentials
from dagrun.server.serving.exposure import entrance
from dagrun.server.serving.health import SERVING, Health
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.patrol import Patrol
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import Busy, Method
from dagrun.server.serving.router import Handler, Limited, Router, Unary, unary
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.streams import Streams
from dagrun.server.serving.warming import warm_up
from dagrun.stages.bundle import Registry

_REFLECTION = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
"""Both names of one protocol: its messages are the same on the wire."""

_IDLE_SECONDS, _LOOK_SECONDS = 1.0, 0.1
"""While the server stops: a stream that sent nothing for so long is ended; how often to look."""

Report = Callable[[str], None]


class CannotListen(DagrunError):
    """The address is taken, or not this host's."""

    def __init__(self, address: str, problem: object) -> None:
        self.address = address
        super().__init__(
            f"cannot listen on {address}: {str(problem).rstrip('.')}. "
            "Choose another port, or 0 for a free one"
        )


class Server:
    """A gRPC server for some models. A context manager: it serves inside the `with`."""

    def __init__(self, served: Models, settings: ServerSettings | None = None) -> None:
        """Bind the address; nothing is answered before `start`.

        Raises `CannotListen`, and whatever `entrance` raises for TLS and tokens.
        """
        self.settings = settings or ServerSettings()
        self.entrance = entrance(self.settings)
        self.models = served
        self.log = PredictionLog.of(self.settings)
        self.prediction = Prediction(served, self.settings, self.log)
        self.health = Health()
        self._explanation = Explanation(served, self.prediction)
        self._in_order = InOrder(self.prediction.predict)
        self._open_inference = v2_service.OpenInference(
            served, self.prediction, self.settings.max_table_rows, self.health.is_serving
        )
        self.recorder = self.prediction.recorder
        calls = Calls(self.recorder, self.settings.log_calls, self.settings.slow_ms)
        pause, receiving = self.settings.retry_after_ms, self.settings.receiving
        self._streams = Streams(self.settings.max_streams, pause, calls)
        self._scoring = Streams(self.settings.max_scoring_streams, pause, calls)
        self._threads = Pool(self.settings.threads, "predict", receiving=receiving)
        self._tables = Pool(self.settings.table_threads, "table", receiving=receiving)
        self._refusals = Pool(1, "refuse", reads=False)
        self._typed = Typed(served, self.prediction, self._of_rows)
        self.recorder.watch(self._readings)
        self.recorder.watch(process.readings)
        self._server = grpc.server(
            self._threads,
            handlers=[self._handlers(calls)],
            options=limits.options(self.settings),
        )
        self._patrol = Patrol([self._end_slow, self.entrance.look_again])
        self.port = self._bind()

    @property
    def address(self) -> str:
        """Host and bound port."""
        return f"{self.settings.host}:{self.port}"

    def start(self) -> None:
        """Begin to answer, healthy."""
        self.warm_up()
        self._server.start()
        self._patrol.start()
        self.tell_health()

    def warm_up(self, coming: Iterable[ServedModel] | None = None) -> None:
        """Have every thread answer some golden rows; call it with models before they replace."""
        given = self.models.current.values() if coming is None else coming
        warm_up(given, self._threads, self._tables, self.settings)

    def tell_health(self) -> None:
        """Report the server and its present models as SERVING; call it after a replacement."""
        names = ("", prediction.SERVICE, *self.models.current)
        self.health.set(dict.fromkeys(names, SERVING))

    def stop(self, grace_seconds: float | None = None) -> None:
        """Turn NOT_SERVING, finish the calls in flight, and end. May be called twice."""
        grace = self.settings.grace_seconds if grace_seconds is None else grace_seconds
        self.health.close()
        self._streams.cancel()
        stopped = self._server.stop(grace)
        while not stopped.wait(_LOOK_SECONDS):
            self._in_order.end_idle(_IDLE_SECONDS)
        for pool in (self._threads, self._tables, self._refusals):
            pool.shutdown(wait=False)
        self.prediction.recheck.close(grace)
        if self.log is not None:
            self.log.close(grace)
        self._streams.close()
        self._scoring.close()
        self._patrol.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _handlers(self, calls: Calls) -> Router | Guarded:
        router = Router(self._methods(), self._typed.method, calls)
        tokens = self.entrance.tokens
        return Guarded(router, tokens, self._refusals, calls) if tokens else router

    def _end_slow(self) -> None:
        pools = (self._threads.receiving, self._tables.receiving, self._streams, self._scoring)
        for receiving in pools:
            receiving.end_slow(self.settings.receive_seconds)

    def _bind(self) -> int:
        address = f"{self.settings.host}:{self.settings.port}"
        try:
            if certificate := self.entrance.certificate:
                port = self._server.add_secure_port(address, credentials(certificate))
            else:
                port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise CannotListen(address, error) from error
        return port

    def _methods(self) -> Mapping[str, Handler | Unary | Limited]:
        answers = self.prediction
        return {
            f"/{prediction.SERVICE}/Predict": self._of_rows(answers.predict),
            f"/{prediction.SERVICE}/PredictTable": self._of_tables(answers.predict_table, "tables"),
            f"/{prediction.SERVICE}/PredictStream": grpc.stream_stream_rpc_method_handler(
                self._scoring.streaming("PredictStream", self._in_order.answer)
            ),
            f"/{prediction.SERVICE}/Explain": self._of_tables(
                self._explanation.explain, "explanations"
            ),
            f"/{prediction.SERVICE}/GetModel": unary(answers.get_model),
            f"/{prediction.SERVICE}/ListModels": unary(answers.list_models),
            f"/{v2_messages.SERVICE}/ModelInfer": self._of_rows(self._open_inference.model_infer),
            **{
                f"/{v2_messages.SERVICE}/{name}": unary(method)
                for name, method in self._open_inference.methods.items()
            },
            f"/{health.SERVICE}/Check": unary(self.health.check),
            f"/{health.SERVICE}/List": unary(self.health.list),
            f"/{health.SERVICE}/Watch": grpc.unary_stream_rpc_method_handler(
                self._streams.streaming("Watch", self.health.watch)
            ),
            **{f"/{name}/ServerReflectionInfo": self._reflection() for name in _REFLECTION},
        }

    def _of_rows(self, method: Method) -> Limited:
        return self._limited(method, self._threads, self.settings.waiting, "requests")

    def _of_tables(self, method: Method, what: str) -> Limited:
        return self._limited(method, self._tables, self.settings.waiting_tables, what)

    def _limited(self, method: Method, pool: Pool, waiting: int, what: str) -> Limited:
        def busy() -> Busy:
            return Busy(what, self.settings.retry_after_ms)

        return Limited(method, pool, waiting=waiting, refusals=self._refusals, busy=busy)

    def _readings(self) -> Iterator[Reading]:
        """Yield what is true of this moment, for the recorder's snapshots."""
        for model in self.models.current.values():
            yield Reading(metrics.MODEL_INFO, (*model.labels, model.bundle.digest), 1)
        for name, pool in (("predict", self._threads), ("table", self._tables)):
            yield Reading(metrics.WAITING, (name,), pool.waiting)
            yield Reading(metrics.THREADS, (name,), pool.threads)
        yield Reading(metrics.STREAMS, (), self._streams.open + self._scoring.open)
        yield Reading(metrics.RECHECK_DROPPED, (), self.prediction.recheck.dropped)

    def _reflection(self) -> Handler:
        services = (prediction.SERVICE, v2_messages.SERVICE, health.SERVICE, _REFLECTION[0])
        pools = Pools(v2_messages.POOL, descriptor_pool.Default())
        servicer = Reflection(services, pools, self._typed)
        return grpc.stream_stream_rpc_method_handler(
            self._streams.streaming(
                "ServerReflectionInfo", servicer.ServerReflectionInfo, endless=True
            ),
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )


def serve(
    sources: Sequence[str | Path],
    settings: ServerSettings | None = None,
    *,
    registry: Registry | None = None,
    report: Report,
    on_ready: Callable[[Server], None] | None = None,
) -> None:
    """Serve models until SIGTERM or SIGINT. Call it from the main thread.

    Args:
        sources: what to serve: `name[@alias|@version]` in the registry, or a bundle's `Path`.
        settings: how; the defaults otherwise.
        registry: where names are resolved, once, at the start.
        report: gets each line about the start and the end.
        on_ready: called with the server once it is healthy.

    Raises:
        GoldenMismatch: a bundle does not give its recorded bits; nothing listened.
        NotRegistered, BundleDamaged, NoModels: there is nothing to serve.
        CannotListen: the address is not to be had.
    """
    proved = Models(models.load(source, registry) for source in sources)
    for model in proved.current.values():
        for line in model.report():
            report(line)
    server = Server(proved, settings)
    with _stop_signals() as stopped:
        server.start()
        for line in reports.started(server):
            report(line)
        if on_ready is not None:
            on_ready(server)
        stopped.wait()
        server.health.close()
        time.sleep(server.settings.drain_seconds)
        report("stopping: finishing what is in flight")
        server.stop()
    for line in reports.ended(server):
        report(line)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set the event on SIGTERM and SIGINT; put the handlers back afterwards."""
    stopped = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
