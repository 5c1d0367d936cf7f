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
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dagrun.server.observe import metrics, process
from dagrun.server.observe.metrics import Reading
from dagrun.server.protocols.explanation import Explanation
from dagrun.server.protocols.in_order import InOrder
from dagrun.server.protocols.reflection import Reflection
from dagrun.server.protocols.typed import Typed
from dagrun.server.serving import health, prediction
from dagrun.server.serving.calls import Calls
from dagrun.server.serving.health import SERVING, Health
from dagrun.server.serving.listening import CannotListen
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import Busy, Method
from dagrun.server.serving.router import Handler, Limited, Router, Unary, unary
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.streams import Streams

_REFLECTION = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
"""Both names of one protocol: its messages are the same on the wire."""

_IDLE_SECONDS, _LOOK_SECONDS = 1.0, 0.1
"""While the server stops: a stream that sent nothing for so long is ended; how often to look."""


class Server:
    """A gRPC server for some models. A context manager: it serves inside the `with`."""

    def __init__(self, served: Models, settings: ServerSettings | None = None) -> None:
        """Bind the address; nothing is answered before `start`. Raises `CannotListen`."""
        self.settings = settings or ServerSettings()
        self.models = served
        self.prediction = Prediction(served, self.settings)
        self.health = Health()
        self._explanation = Explanation(served, self.prediction)
        self._in_order = InOrder(self.prediction.predict)
        self.recorder = self.prediction.recorder
        calls = Calls(self.recorder, self.settings.log_calls, self.settings.slow_ms)
        pause = self.settings.retry_after_ms
        self._streams = Streams(self.settings.max_streams, pause, calls)
        self._scoring = Streams(self.settings.max_scoring_streams, pause, calls)
        self._threads = Pool(self.settings.threads, "predict")
        self._tables = Pool(self.settings.table_threads, "table")
        self._refusals = Pool(1, "refuse")
        self._typed = Typed(served, self.prediction, self._of_rows)
        self.recorder.watch(self._readings)
        self.recorder.watch(process.readings)
        self._server = grpc.server(
            self._threads,
            handlers=[Router(self._methods(), self._typed.method, calls)],
            options=_options(self.settings),
        )
        self.port = self._bind()

    @property
    def address(self) -> str:
        """Host and bound port."""
        return f"{self.settings.host}:{self.port}"

    def start(self) -> None:
        """Begin to answer, healthy."""
        self._server.start()
        self.tell_health()

    def replace(self, served: Iterable[ServedModel]) -> None:
        """Answer with these models from now on; requests under way keep the one they have.

        Raises `NoModels`.
        """
        self.models.replace(served)
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
        self._streams.close()
        self._scoring.close()

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

    def _bind(self) -> int:
        address = f"{self.settings.host}:{self.settings.port}"
        try:
            port = self._server.add_insecure_port(address)
            if self.settings.private:
                self._server.add_insecure_port(f"unix:{self.settings.private}")
        except RuntimeError as error:
            raise CannotListen(address, error) from error
        return port

    def _methods(self) -> Mapping[str, Handler | Unary | Limited]:
        settings, answers = self.settings, self.prediction
        return {
            f"/{prediction.SERVICE}/Predict": self._of_rows(answers.predict),
            f"/{prediction.SERVICE}/PredictTable": Limited(
                answers.predict_table,
                self._tables,
                waiting=settings.waiting_tables,
                refusals=self._refusals,
                busy=lambda: Busy("tables", settings.retry_after_ms),
            ),
            f"/{prediction.SERVICE}/PredictStream": grpc.stream_stream_rpc_method_handler(
                self._scoring.streaming("PredictStream", self._in_order.answer)
            ),
            f"/{prediction.SERVICE}/Explain": Limited(
                self._explanation.explain,
                self._tables,
                waiting=settings.waiting_tables,
                refusals=self._refusals,
                busy=lambda: Busy("explanations", settings.retry_after_ms),
            ),
            f"/{prediction.SERVICE}/GetModel": unary(answers.get_model),
            f"/{prediction.SERVICE}/ListModels": unary(answers.list_models),
            f"/{health.SERVICE}/Check": unary(self.health.check),
            f"/{health.SERVICE}/List": unary(self.health.list),
            f"/{health.SERVICE}/Watch": grpc.unary_stream_rpc_method_handler(
                self._streams.streaming("Watch", self.health.watch)
            ),
            **{f"/{name}/ServerReflectionInfo": self._reflection() for name in _REFLECTION},
        }

    def _of_rows(self, method: Method) -> Limited:
        return Limited(
            method,
            self._threads,
            waiting=self.settings.waiting,
            refusals=self._refusals,
            busy=lambda: Busy("requests", self.settings.retry_after_ms),
        )

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
        services = (prediction.SERVICE, health.SERVICE, _REFLECTION[0])
        servicer = Reflection(services, descriptor_pool.Default(), self._typed)
        return grpc.stream_stream_rpc_method_handler(
            self._streams.streaming(
                "ServerReflectionInfo", servicer.ServerReflectionInfo, endless=True
            ),
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Else a second server would take a share of this one's connections in silence.
        ("grpc.so_reuseport", int(settings.shared)),
    ]
