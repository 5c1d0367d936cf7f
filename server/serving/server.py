"""The server of one process: what listens, what it offers, and how it starts and ends.

Guarantee: a server is made of models that were proved against their golden rows, so nothing
listens before. `drain` turns the health NOT_SERVING, answers on for `drain_seconds` while callers
go elsewhere, then takes no new call and finishes those in flight (for at most `grace_seconds`).
Where it ends: gRPC drops a call that arrives in the very moment after, with UNAVAILABLE or
CANCELLED; `dagrun.server.client` repeats it, other callers should too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType

import grpc
from google.protobuf import descriptor_pool

from dagrun.server.observe import metrics, process
from dagrun.server.observe.log_clearing import LogClearing
from dagrun.server.observe.metrics import Reading
from dagrun.server.observe.prediction_log import PredictionLog
from dagrun.server.observe.recorder import Labels
from dagrun.server.observe.traces import Tracing
from dagrun.server.protocols import v2_messages, v2_service
from dagrun.server.protocols.explanation import Explanation
from dagrun.server.protocols.in_order import InOrder
from dagrun.server.protocols.pools import Pools
from dagrun.server.protocols.reflection import reflected
from dagrun.server.protocols.typed import Typed
from dagrun.server.serving import health, limits, prediction
from dagrun.server.serving.calls import Calls
from dagrun.server.serving.credentials import Guarded, credentials
from dagrun.server.serving.exposure import entrance
from dagrun.server.serving.health import SERVING, Health
from dagrun.server.serving.listening import CannotListen
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.patrol import Patrol
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import Busy, Method
from dagrun.server.serving.router import Handler, Limited, Router, Unary, unary
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.streams import Streams
from dagrun.server.serving.warming import warm_up

_TOGETHER = 4
"""Short calls that are answered together; 8 were no faster."""
_IDLE_SECONDS, _LOOK_SECONDS = 1.0, 0.1
"""While the server stops: a stream that sent nothing for so long is ended; how often to look."""


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
        self._clearing = LogClearing.of(self.settings)
        self.prediction = Prediction(served, self.settings, self.log)
        self.health = Health()
        self._explanation = Explanation(served, self.prediction)
        self._in_order = InOrder(self.prediction.predict)
        self._open_inference = v2_service.OpenInference(
            served, self.prediction, self.settings, self.health.is_serving
        )
        self.recorder = self.prediction.recorder
        self._tracing = Tracing() if self.settings.trace else None
        calls = Calls(self.recorder, self.settings, self._tracing)
        pause, receiving = self.settings.retry_after_ms, self.settings.receiving
        self._streams = Streams(self.settings.max_streams, pause, calls)
        self._scoring = Streams(self.settings.max_scoring_streams, pause, calls)
        self._threads = Pool(
            self.settings.threads, "predict", receiving=receiving, together=_TOGETHER
        )
        self._tables = Pool(self.settings.table_threads, "table", receiving=receiving)
        self._refusals = Pool(1, "refuse", reads=False)
        self._typed = Typed(served, self.prediction, self._of_rows)
        self.recorder.serves(self._labels())
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

    def warm_up(self) -> None:
        """Have every thread answer some golden rows, before `start`; it takes about 0.1 s."""
        warm_up(self.models.current.values(), self._threads, self._tables, self.settings)

    def start(self) -> None:
        """Begin to answer, healthy."""
        self._server.start()
        self._patrol.start()
        self.tell_health()

    def replace(self, served: Iterable[ServedModel]) -> None:
        """Answer with these models from now on; requests under way keep the one they have.

        Raises `NoModels`.
        """
        self.models.replace(served)
        self.recorder.serves(self._labels())
        self.tell_health()

    def tell_health(self) -> None:
        """Report the server and its present models as SERVING."""
        names = ("", prediction.SERVICE, *self.models.current)
        self.health.set(dict.fromkeys(names, SERVING))

    def drain(self) -> None:
        """Turn NOT_SERVING, answer on until callers have gone elsewhere, and `stop`."""
        self.health.close()
        time.sleep(self.settings.drain_seconds)
        self.stop()

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
        if self._clearing is not None:
            self._clearing.close()
        self._streams.close()
        if self._tracing is not None:
            self._tracing.close()
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
            if self.settings.private:
                self._server.add_insecure_port(f"unix:{self.settings.private}")
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
            **reflected(
                self._streams,
                (prediction.SERVICE, v2_messages.SERVICE, health.SERVICE),
                Pools(v2_messages.POOL, descriptor_pool.Default()),
                self._typed,
            ),
        }

    def _of_rows(self, method: Method) -> Limited:
        return self._limited(method, self._threads, self.settings.waiting, "requests")

    def _of_tables(self, method: Method, what: str) -> Limited:
        return self._limited(method, self._tables, self.settings.waiting_tables, what)

    def _limited(self, method: Method, pool: Pool, waiting: int, what: str) -> Limited:
        def busy() -> Busy:
            return Busy(what, self.settings.retry_after_ms)

        return Limited(method, pool, waiting=waiting, refusals=self._refusals, busy=busy)

    def _labels(self) -> Iterator[Labels]:
        """Yield what requests for the present models are counted by."""
        for model in self.models.current.values():
            yield model.labels
            yield from (one.labels for one in model.answering)

    def _readings(self) -> Iterator[Reading]:
        """Yield what is true of this moment, for the recorder's snapshots."""
        for model in self.models.current.values():
            for one in model.answering:
                yield Reading(metrics.MODEL_INFO, (*one.labels, one.bundle.digest), 1)
            if model.shadow is not None:
                yield from model.shadow.readings()
        for name, pool in (("predict", self._threads), ("table", self._tables)):
            yield Reading(metrics.WAITING, (name,), pool.waiting)
            yield Reading(metrics.THREADS, (name,), pool.threads)
        yield Reading(metrics.STREAMS, (), self._streams.open + self._scoring.open)
        yield Reading(metrics.RECHECK_DROPPED, (), self.prediction.recheck.dropped)
        if self.log is not None:
            counts = self.log.counts
            yield Reading(metrics.LOGGED, (), counts.written)
            yield Reading(metrics.LOG_MISSING, (), counts.dropped + counts.lost)
